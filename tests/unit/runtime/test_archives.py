"""What `synctl archive` is answered: rows, who answered, what went wrong, and the exit code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.archive_shelf import Shelf
from support.elastic_stub import ElasticStub
from support.indexed import index_on
from syncd.control.port import BadRequest, NotFound, Row
from syncd.errors import RemoteError, RemoteKind, SyncdError
from syncd.lifecycle.clock import SystemClock
from syncd.runtime.archives import EACH, ArchiveOperations
from syncd.store.database import Database

AWAY = RemoteError(RemoteKind.UNAVAILABLE, "it is away")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    folder = tmp_path / "state"
    folder.mkdir()
    with Database.open(folder / "state.db", clock=SystemClock()) as database:
        yield database


@pytest.fixture
def shelf(database: Database, tmp_path: Path) -> Shelf:
    return Shelf(store=database.archives("small"), root=tmp_path / "batch")


@pytest.fixture
def back(tmp_path: Path) -> Path:
    return tmp_path / "back"


def nothing(row: Row) -> None: ...


def never() -> bool:
    return False


def find(*shelves: Shelf, typed: str, **given: Any) -> Row:
    words = {"versions": False, "source": None, "limit": 1000, "progress": nothing, "gone": never, **given}
    return ArchiveOperations(shelves).find(typed, **words)


def restore(shelf: Shelf, *keys: str, to: Path, **given: Any) -> Row:
    words = {"view": None, "versions": False, "source": None, "progress": nothing, "gone": never, **given}
    return ArchiveOperations([shelf]).restore(keys, to=str(to), **words)


def listing(shelf: Shelf, place: str | None, limit: int = 1000) -> Row:
    return ArchiveOperations([shelf]).listing(place, limit=limit, progress=nothing, gone=never)


def reindex(*shelves: Shelf, batch: str | None = None, bucket: str | None = None, **given: Any) -> Row:
    words = {"progress": nothing, "gone": never, **given}
    return ArchiveOperations(shelves).reindex(batch, bucket, **words)


# --- find -----------------------------------------------------------------------------------------------------------


def test_a_found_file_has_all_that_a_person_asks_for(shelf: Shelf) -> None:
    packed = shelf.pack({"run/a.log": b"hello"}, folder="run")
    member = packed.member("run/a.log")
    assert find(shelf, typed="lab/run/*") == {
        "rows": [
            {
                "bucket": "lab",
                "key": "run/a.log",
                "size": 5,
                "mtime": "2023-11-14T22:13:20.123456789Z",
                "archive": f"s3://lab/{packed.key}",
                "archived_at": "2025-06-15T15:06:41Z",
                "offset": member.offset,
                "sha256": member.sha256,
                "host": None,
            }
        ],
        "source": "records",
        "more": False,
        "problems": [],
        "exit_code": 0,
    }


def test_beyond_the_limit_is_said(shelf: Shelf) -> None:
    shelf.pack({"a": b"a", "b": b"b"})
    assert [find(shelf, typed="*", limit=limit)["more"] for limit in (1, 2, 3)] == [True, False, False]
    assert len(find(shelf, typed="*", limit=1)["rows"]) == 1


def test_nothing_found_is_exit_1(shelf: Shelf) -> None:
    assert find(shelf, typed="lab/x") == {
        "rows": [], "source": None, "more": False, "problems": [], "exit_code": 1
    }  # fmt: skip


def test_nothing_found_where_not_everything_could_be_asked_is_exit_5(shelf: Shelf) -> None:
    shelf.lab.down = AWAY
    answer = find(shelf, typed="lab/x")
    assert (answer["exit_code"], answer["problems"]) == (5, ["bucket lab: it is away"])


def test_something_found_where_not_everything_could_be_asked_is_exit_4(shelf: Shelf) -> None:
    shelf.known = ["lab", "logs"]
    shelf.pack({"a": b"a"}, recorded=False)
    shelf.objects("logs").down = AWAY
    assert find(shelf, typed="*")["exit_code"] == 4


def test_a_search_that_was_broken_off_says_so(shelf: Shelf) -> None:
    shelf.pack({"a": b"a"}, recorded=False)
    answer = find(shelf, typed="*", gone=lambda: True)
    assert (answer["exit_code"], answer["problems"]) == (5, ["it was stopped before the end: the same command goes on"])


def test_a_bucket_that_somebody_made_up_holds_nothing(shelf: Shelf) -> None:
    shelf.pack({"run/a": b"a"}, folder="run", recorded=False)
    answer = find(shelf, typed="run/a")
    assert (answer["exit_code"], answer["problems"]) == (1, [])
    assert listing(shelf, "run")["archives"] == []


@pytest.mark.parametrize("typed", ["", "/etc/passwd"])
def test_what_can_name_nothing_is_a_bad_request(shelf: Shelf, typed: str) -> None:
    with pytest.raises(BadRequest):
        find(shelf, typed=typed)


def test_without_a_batch_there_is_nothing_to_ask() -> None:
    with pytest.raises(NotFound, match="no batch is configured"):
        find(typed="*")


# --- ls -------------------------------------------------------------------------------------------------------------


def test_archives_are_listed_with_what_is_known_of_them(shelf: Shelf) -> None:
    packed = shelf.pack({"run/a": b"a", "run/b": b"bb"}, folder="run")
    answer = listing(shelf, "lab/run")
    assert answer["archives"] == [
        {
            "bucket": "lab",
            "key": packed.key,
            "size": len(packed.body),
            "files": 2,
            "bytes": 3,
            "created_at": "2025-06-15T15:06:41Z",
        }
    ]
    assert (answer["source"], answer["exit_code"]) == ("records", 0)


def test_an_empty_list_is_no_failure(shelf: Shelf) -> None:
    assert listing(shelf, None) == {"archives": [], "source": None, "more": False, "problems": [], "exit_code": 0}


def test_a_list_is_cut_at_its_limit(shelf: Shelf) -> None:
    packed = [shelf.pack({f"{number}": b"x", "y": b"y"}) for number in range(3)]
    answer = listing(shelf, "lab", limit=2)
    assert ([row["key"] for row in answer["archives"]], answer["more"]) == ([packed[2].key, packed[1].key], True)
    members = listing(shelf, f"lab/{packed[0].key}", limit=1)
    assert ([row["key"] for row in members["rows"]], members["more"]) == (["0"], True)


@pytest.mark.parametrize("address", ["lab/{}", "s3://lab/{}"])
def test_the_files_of_an_archive(shelf: Shelf, address: str) -> None:
    packed = shelf.pack({"a": b"a", "b": b"b"}, recorded=False)
    answer = listing(shelf, address.format(packed.key))
    assert ([row["key"] for row in answer["rows"]], answer["source"]) == (["a", "b"], "manifests")


def test_an_archive_that_is_not_there_is_not_found(shelf: Shelf) -> None:
    packed = shelf.pack({"a": b"a"})
    with pytest.raises(NotFound, match="there is no archive lab/"):
        listing(shelf, f"lab/{packed.key[:-5]}e.tar")


# --- restore --------------------------------------------------------------------------------------------------------


def test_what_came_back_is_counted_and_named(shelf: Shelf, back: Path) -> None:
    shelf.pack({"run/a": b"hello", "run/b": b"b"}, folder="run")
    assert restore(shelf, "lab/run/a", to=back) == {
        "to": str(back),
        "restored": 1,
        "present": 0,
        "failed": 0,
        "bytes": 5,
        "rows": [
            {
                "name": "lab/run/a",
                "path": f"{back}/lab/run/a",
                "outcome": "restored",
                "size": 5,
                "reason": None,
            }
        ],
        "sources": ["records"],
        "problems": [],
        "exit_code": 0,
    }
    assert [path.name for path in back.iterdir()] == ["lab"]


def test_a_name_that_nobody_knows_is_one_that_failed(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a"})
    answer = restore(shelf, "lab/a", "lab/x", to=back)
    assert (answer["restored"], answer["failed"], answer["exit_code"]) == (1, 1, 4)
    assert answer["rows"][1]["reason"] == "nothing archived is known by that name"


def test_nothing_that_anybody_knows_is_exit_1_and_makes_no_folder(shelf: Shelf, back: Path) -> None:
    assert restore(shelf, "lab/x", to=back)["exit_code"] == 1
    assert not back.exists()


def test_a_file_that_two_keys_name_is_there_once(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a"})
    answer = restore(shelf, "lab/a", "a", to=back)
    assert (answer["restored"], answer["present"], answer["exit_code"]) == (1, 1, 0)


def test_some_failed_is_exit_4(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a", "b": b"b"})
    (back / "lab").mkdir(parents=True)
    (back / "lab/a").write_bytes(b"mine")
    answer = restore(shelf, "*", to=back)
    assert (answer["restored"], answer["failed"], answer["exit_code"]) == (1, 1, 4)


def test_an_endpoint_that_goes_away_is_told_with_what_came_before(shelf: Shelf, back: Path) -> None:
    shelf.pack({"0": b"x"})
    for number in range(1, 9):
        shelf.pack({f"{number}": b"x"})
    shelf.lab.intervene("get", lambda: shelf.lab.fail_next("get", AWAY, when="before", times=100))
    answer = restore(shelf, "*", to=back)
    assert answer["failed"] == 3
    assert answer["problems"] == ["it is away"]
    assert answer["exit_code"] == 4


def test_a_restore_that_was_broken_off_says_how_far_it_came(shelf: Shelf, back: Path) -> None:
    for number in range(4):
        shelf.pack({f"{number}": b"x"})
    stop = threading.Event()
    shelf.lab.intervene("get", nothing_at_all)
    shelf.lab.intervene("get", stop.set)
    answer = restore(shelf, "*", to=back, gone=stop.is_set)
    assert answer["problems"] == ["it was stopped before the end: the same command goes on"]
    assert answer["exit_code"] == 5
    assert restore(shelf, "*", to=back)["exit_code"] == 0
    assert not (back / ".syncd").exists()


def nothing_at_all() -> None: ...


def test_a_folder_that_cannot_be_one_is_refused_before_anything_is_asked(shelf: Shelf) -> None:
    shelf.pack({"a": b"a"}, recorded=False)
    with pytest.raises(BadRequest, match="would archive them again"):
        restore(shelf, "lab/a", to=shelf.root / "lab")
    with pytest.raises(SyncdError, match="the daemon sees another"):
        restore(shelf, "lab/a", to=shelf.root.parent, view=f"1:1:{shelf.root.parent}")
    assert not shelf.lab.requests


def test_of_very_many_files_the_first_are_named(shelf: Shelf, back: Path) -> None:
    shelf.pack({f"{number:04}": b"" for number in range(EACH + 20)})
    answer = restore(shelf, "*", to=back)
    assert (answer["restored"], len(answer["rows"])) == (EACH + 20, EACH)


# --- reindex --------------------------------------------------------------------------------------------------------


def test_reindex_tells_what_it_did(shelf: Shelf) -> None:
    shelf.pack({"a": b"a", "b": b"b"})
    with ElasticStub() as stub, index_on(stub) as index:
        shelf.index = index
        answer = reindex(shelf)
    assert answer == {"archives": 1, "documents": 2, "refused": 0, "problems": [], "exit_code": 0}


def test_an_index_that_is_down_is_exit_5(shelf: Shelf) -> None:
    shelf.pack({"a": b"a"})
    with ElasticStub() as stub, index_on(stub, timeout_s=1.0) as index:
        stub.refuse()
        shelf.index = index
        answer = reindex(shelf)
        stub.listen()
    assert (answer["documents"], answer["exit_code"], len(answer["problems"])) == (0, 5, 1)


def test_without_an_index_there_is_nothing_to_tell(shelf: Shelf) -> None:
    with pytest.raises(BadRequest, match="no index is configured"):
        reindex(shelf)


def test_a_batch_of_another_name_is_not_found(shelf: Shelf) -> None:
    with pytest.raises(NotFound, match="no batch is named other"):
        reindex(shelf, batch="other")
