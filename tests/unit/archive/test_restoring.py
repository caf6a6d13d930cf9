"""Archived originals as files again: few reads, each member verified, nothing overwritten, nothing half there."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.archive_shelf import MTIME_NS, Shelf
from support.elastic_stub import ElasticStub
from support.indexed import index_on
from syncd.archive.finding import Asker, Gone, Search, Source
from syncd.archive.patterns import parse_pattern
from syncd.archive.restoring import Fate, FolderFull, Restored, Restorer
from syncd.core.archive import Found
from syncd.core.documents import documents
from syncd.core.paths import RelPath
from syncd.core.ranges import MOST
from syncd.errors import ItemError, PairHalted, RemoteError, RemoteKind
from syncd.local.root import Root

AWAY = RemoteError(RemoteKind.UNAVAILABLE, "it is away")


@pytest.fixture
def back(tmp_path: Path) -> Path:
    folder = tmp_path / "back"
    folder.mkdir()
    return folder


class Done(list[Restored]):
    """What was reported."""

    def fates(self) -> dict[str, Fate]:
        return {one.name: one.fate for one in self}

    def reason(self) -> str:
        (one,) = [one for one in self if one.fate is Fate.FAILED]
        return one.reason


def restore(
    shelf: Shelf,
    back: Path,
    typed: str = "*",
    *,
    versions: bool = False,
    source: Source | None = None,
    asker: Asker | None = None,
    tree: Any = None,
) -> Done:
    pattern = parse_pattern(typed, roots=[shelf.root])
    asker = asker or Asker()
    search = Search(sections=[shelf], pattern=pattern, versions=versions, source=source, asker=asker)
    done = Done()
    Restorer(tree or Root.at(back), done.append, asker).run(search.hits(), source=lambda: search.source)
    return done


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".syncd" not in path.parts
    }


def leftovers(folder: Path) -> list[Path]:
    return [path for path in (folder / ".syncd").rglob("*") if path.is_file()]


# --- whole ----------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_with_its_time_and_mode_under_its_bucket_and_key(shelf: Shelf, back: Path) -> None:
    shelf.pack({"run-1/a.log": b"hello"}, folder="run-1", mode=0o640)
    done = restore(shelf, back, "lab/run-1/a.log")
    placed = back / "lab/run-1/a.log"
    assert done == [
        Restored(name="lab/run-1/a.log", path="lab/run-1/a.log", fate=Fate.RESTORED, size=5),
    ]
    assert placed.read_bytes() == b"hello"
    assert placed.stat().st_mtime_ns == MTIME_NS
    assert stat.S_IMODE(placed.stat().st_mode) == 0o640


def test_a_set_user_id_never_comes_back(shelf: Shelf, back: Path) -> None:
    shelf.pack({"tool": b"#!"}, mode=0o6755)
    restore(shelf, back)
    assert stat.S_IMODE((back / "lab/tool").stat().st_mode) == 0o755


def test_an_empty_file_comes_back_without_a_read(shelf: Shelf, back: Path) -> None:
    shelf.pack({"empty": b""})
    assert restore(shelf, back).fates() == {"lab/empty": Fate.RESTORED}
    assert files(back) == {"lab/empty": b""}
    assert shelf.lab.requests["get"] == 0


def test_odd_names_come_back_as_they_were(shelf: Shelf, back: Path) -> None:
    odd = {name: name.encode() for name in ("a\nb", "-rf", "[x]*?", "é", "e\u0301", " ", "a" * 255)}
    shelf.pack(odd)
    restore(shelf, back)
    assert files(back) == {f"lab/{name}": content for name, content in odd.items()}


def test_a_name_with_brackets_is_restored_by_that_name(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a[1].log": b"it", "a1.log": b"another"})
    restore(shelf, back, "lab/a[1].log")
    assert files(back)["lab/a[1].log"] == b"it"


def test_a_key_as_long_as_a_key_may_be(shelf: Shelf, back: Path) -> None:
    key = "/".join(["d" * 200] * 4) + "/" + "f" * 215
    shelf.pack({key: b"x"}, folder=key.rpartition("/")[0])
    assert restore(shelf, back).fates() == {f"lab/{key}": Fate.RESTORED}


# --- few reads ------------------------------------------------------------------------------------------------------


def test_a_thousand_members_of_one_archive_take_few_reads(shelf: Shelf, back: Path) -> None:
    contents = {f"run/{number:04}.log": os.urandom(number % 3000) for number in range(1000)}
    shelf.pack(contents, folder="run")
    done = restore(shelf, back, "lab/run/*")
    assert len(done) == 1000
    assert files(back) == {f"lab/{key}": content for key, content in contents.items()}
    assert shelf.lab.requests == {"get": 1}


def test_members_far_apart_are_not_read_with_what_lies_between(shelf: Shelf, back: Path) -> None:
    contents = {f"{number:02}.log": os.urandom(100_000) for number in range(40)}
    packed = shelf.pack(contents)
    asked: list[tuple[int, int | None]] = []
    shelf.stores["lab"] = Watched(shelf.lab, asked)  # type: ignore[assignment]
    restore(shelf, back, "lab/[0-3]0.log")
    assert len(asked) == 4
    assert sum(length or 0 for _, length in asked) == 400_000
    assert {start for start, _ in asked} == {packed.member(f"{number}0.log").offset for number in range(4)}


class Watched:
    """A bucket that notes which ranges are read."""

    def __init__(self, bucket: Any, asked: list[tuple[int, int | None]]) -> None:
        self._bucket = bucket
        self._asked = asked

    def get(self, key: str, *, expect: Any, start: int = 0, length: int | None = None) -> Any:
        self._asked.append((start, length))
        return self._bucket.get(key, expect=expect, start=start, length=length)


def test_a_large_member_is_streamed(shelf: Shelf, back: Path) -> None:
    content = os.urandom(MOST + 300_000)
    shelf.pack({"big": content, "small": b"s"})
    assert restore(shelf, back).fates() == {"lab/big": Fate.RESTORED, "lab/small": Fate.RESTORED}
    assert (back / "lab/big").read_bytes() == content


def test_without_a_recorded_etag_one_look_pins_it(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a", "b": b"b"})
    search = Search(sections=[shelf], pattern=parse_pattern("*", roots=[]))
    hits = [replace(hit, found=replace(hit.found, etag=None)) for hit in search.hits()]
    done = Done()
    Restorer(Root.at(back), done.append, Asker()).run(hits, source=lambda: Source.RECORDS)
    assert set(done.fates().values()) == {Fate.RESTORED}
    assert shelf.lab.requests == {"head": 1, "get": 1}


# --- by every source ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beside", [True, False])
def test_the_bucket_alone_gives_everything_back(shelf: Shelf, back: Path, beside: bool) -> None:
    contents = {f"run/{number:03}.log": os.urandom(500) for number in range(100)}
    shelf.pack(contents, folder="run", recorded=False, beside=beside, mode=0o600)
    restore(shelf, back)
    assert files(back) == {f"lab/{key}": content for key, content in contents.items()}
    assert stat.S_IMODE((back / "lab/run/000.log").stat().st_mode) == 0o600


def test_what_the_index_knows_is_restored_by_the_archives_own_word(shelf: Shelf, back: Path) -> None:
    packed = shelf.pack({"a.log": b"hello"}, recorded=False, mode=0o600)
    with ElasticStub() as stub, index_on(stub) as index:
        index.add(list(documents(packed.manifest)))
        shelf.index = index
        assert restore(shelf, back, "lab/a.log").fates() == {"lab/a.log": Fate.RESTORED}
    placed = back / "lab/a.log"
    assert (placed.read_bytes(), placed.stat().st_mtime_ns) == (b"hello", MTIME_NS)
    assert stat.S_IMODE(placed.stat().st_mode) == 0o600


def test_what_the_index_makes_up_is_not_restored(shelf: Shelf, back: Path) -> None:
    packed = shelf.pack({"a.log": b"hello"}, recorded=False)
    (document,) = documents(packed.manifest)
    lies = [
        {**document.source, "key": "b.log", "name": "b.log"},
        {**document.source, "sha256": "ab" * 32},
    ]
    with ElasticStub() as stub, index_on(stub) as index:
        index.add([replace(document, id=str(at), source=lie) for at, lie in enumerate(lies)])
        shelf.index = index
        done = restore(shelf, back, "*", source=Source.INDEX)
    assert done.fates() == {"lab/a.log": Fate.FAILED, "lab/b.log": Fate.FAILED}
    assert "the index tells of it" in done[0].reason
    assert files(back) == {}


# --- versions -------------------------------------------------------------------------------------------------------


def test_of_a_key_archived_twice_the_newest_comes_back(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"old"})
    shelf.pack({"a": b"new"})
    restore(shelf, back)
    assert files(back) == {"lab/a": b"new"}


def test_all_versions_come_back_beside_each_other_equal_ones_once(shelf: Shelf, back: Path) -> None:
    for content in (b"one", b"two", b"one", b"three"):
        shelf.pack({"a": content})
    restore(shelf, back, versions=True)
    assert files(back) == {"lab/a": b"three", "lab/a.7692c3ad": b"one", "lab/a.3fc4ccfe": b"two"}


def test_an_older_version_of_a_name_as_long_as_can_be_is_cut(shelf: Shelf, back: Path) -> None:
    for content in (b"one", b"two"):
        shelf.pack({"é" * 127: content})
    restore(shelf, back, versions=True)
    assert files(back) == {"lab/" + "é" * 127: b"two", "lab/" + "é" * 123 + ".7692c3ad": b"one"}


# --- nothing is overwritten -----------------------------------------------------------------------------------------


def test_an_equal_file_that_is_there_counts_as_restored(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"same", "b": b"b"})
    (back / "lab").mkdir()
    (back / "lab/a").write_bytes(b"same")
    os.utime(back / "lab/a", (1, 1))
    assert restore(shelf, back).fates() == {"lab/a": Fate.PRESENT, "lab/b": Fate.RESTORED}
    assert (back / "lab/a").stat().st_mtime == 1
    assert restore(shelf, back).fates() == {"lab/a": Fate.PRESENT, "lab/b": Fate.PRESENT}
    assert shelf.lab.requests["get"] == 1


@pytest.mark.parametrize("content", [b"mine", b"some", b"", b"something longer"])
def test_another_file_of_that_name_stays_and_is_named(shelf: Shelf, back: Path, content: bytes) -> None:
    shelf.pack({"a": b"same"})
    (back / "lab").mkdir()
    (back / "lab/a").write_bytes(content)
    done = restore(shelf, back)
    assert "choose another --to" in done.reason()
    assert files(back) == {"lab/a": content}


def test_one_that_appears_while_it_is_read_stays_too(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"same", "b": b"same"})
    (back / "lab").mkdir()

    def appear() -> None:
        (back / "lab/a").write_bytes(b"mine")
        (back / "lab/b").write_bytes(b"same")

    shelf.lab.intervene("get", appear)
    assert restore(shelf, back).fates() == {"lab/a": Fate.FAILED, "lab/b": Fate.PRESENT}
    assert files(back) == {"lab/a": b"mine", "lab/b": b"same"}
    assert not leftovers(back)


@pytest.mark.parametrize("where", ["lab", "lab/run", "lab/run/a"])
def test_a_symlink_on_the_way_is_never_followed(shelf: Shelf, back: Path, tmp_path: Path, where: str) -> None:
    shelf.pack({"run/a": b"a"}, folder="run")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (back / where).parent.mkdir(parents=True, exist_ok=True)
    (back / where).symlink_to(elsewhere)
    assert restore(shelf, back).fates() == {"lab/run/a": Fate.FAILED}
    assert list(elsewhere.iterdir()) == []


def test_a_folder_in_the_way_fails_that_file_alone(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a", "b": b"b"})
    (back / "lab/a/inner").mkdir(parents=True)
    assert restore(shelf, back).fates() == {"lab/a": Fate.FAILED, "lab/b": Fate.RESTORED}


def test_a_record_that_would_lead_elsewhere_is_not_followed(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a"})
    (hit,) = Search(sections=[shelf], pattern=parse_pattern("*", roots=[])).hits()
    for path in ("../../escaped", ".syncd/tmp/x", "a/../../../escaped"):
        evil: Found = replace(hit.found, member=replace(hit.found.member, path=RelPath(path)))
        done = Done()
        Restorer(Root.at(back), done.append, Asker()).run([replace(hit, found=evil)], source=lambda: Source.RECORDS)
        assert [one.fate for one in done] == [Fate.FAILED], path
    assert not (back.parent / "escaped").exists()
    assert files(back) == {}


# --- what comes wrong -----------------------------------------------------------------------------------------------


def test_a_range_that_came_corrupt_is_read_once_more(shelf: Shelf, back: Path) -> None:
    packed = shelf.pack({"a": b"a" * 100, "b": b"b" * 100})
    shelf.lab.flip_next_read(packed.key)
    assert set(restore(shelf, back).fates().values()) == {Fate.RESTORED}
    assert shelf.lab.requests["get"] == 2


def test_twice_corrupt_is_not_placed_and_the_others_go_on(shelf: Shelf, back: Path) -> None:
    packed = shelf.pack({"a": b"a" * 100, "b": b"b" * 100})
    shelf.lab.flip_next_read(packed.key, times=2)
    done = restore(shelf, back)
    assert done.fates() == {"lab/a": Fate.FAILED, "lab/b": Fate.RESTORED}
    assert "SHA-256" in done.reason()
    assert files(back) == {"lab/b": b"b" * 100}
    assert not leftovers(back)


def test_a_large_member_that_is_corrupt_leaves_nothing(shelf: Shelf, back: Path) -> None:
    packed = shelf.pack({"big": bytes(MOST + 1)})
    shelf.lab.flip_next_read(packed.key, times=2)
    assert "SHA-256" in restore(shelf, back).reason()
    assert files(back) == {}
    assert not leftovers(back)


@pytest.mark.parametrize("happens", ["replaced", "removed"])
@pytest.mark.parametrize("when", ["before", "while"])
def test_an_archive_replaced_under_its_key_is_told_as_such(shelf: Shelf, back: Path, happens: str, when: str) -> None:
    packed = shelf.pack({"a": b"a", "b": b"b" * 200_000, "c": b"c"})
    other = shelf.pack({"d": b"d"})

    def change() -> None:
        if happens == "replaced":
            shelf.lab.plant(packed.key, packed.body[::-1])
        else:
            shelf.lab.take_away(packed.key)

    if when == "before":
        change()
    else:
        shelf.lab.intervene("get", change)
    done = restore(shelf, back)
    assert done.fates() == {
        "lab/a": Fate.FAILED,
        "lab/b": Fate.FAILED,
        "lab/c": Fate.FAILED,
        "lab/d": Fate.RESTORED,
    }
    assert f"s3://lab/{packed.key} is no longer the archive that was recorded" in done[0].reason
    assert files(back) == {"lab/d": b"d"}
    assert other.key != packed.key


@pytest.mark.parametrize("past", ["start", "end"])
def test_a_record_past_the_end_of_its_archive_fails_alone(shelf: Shelf, back: Path, past: str) -> None:
    packed = shelf.pack({"a": b"a", "b": b"b" * 100})
    hits = list(Search(sections=[shelf], pattern=parse_pattern("*", roots=[])).hits())
    size = len(packed.body)
    offset = {"start": size + 10_000_000, "end": size - 50}[past]
    wrong = replace(hits[1].found.member, offset=offset)
    done = Done()
    hits[1] = replace(hits[1], found=replace(hits[1].found, member=wrong))
    Restorer(Root.at(back), done.append, Asker()).run(hits, source=lambda: Source.RECORDS)
    assert done.fates() == {"lab/a": Fate.RESTORED, "lab/b": Fate.FAILED}


def test_a_line_that_broke_off_is_taken_up_again(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a"})
    shelf.lab.fail_next("get", AWAY)
    assert restore(shelf, back).fates() == {"lab/a": Fate.RESTORED}


def test_an_endpoint_that_is_away_is_not_asked_for_every_archive(shelf: Shelf, back: Path) -> None:
    for number in range(10):
        shelf.pack({f"{number}": b"x"})
    shelf.lab.fail_next("get", AWAY, times=100)
    with pytest.raises(RemoteError, match="away"):
        restore(shelf, back)
    assert shelf.lab.requests["get"] == 6


def test_a_refused_archive_fails_alone(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a"})
    shelf.pack({"b": b"b"})
    shelf.lab.fail_next("get", RemoteError(RemoteKind.REJECTED, "it is in an archive tier"))
    done = restore(shelf, back)
    assert done.fates() == {"lab/a": Fate.FAILED, "lab/b": Fate.RESTORED}
    assert done.reason() == "it is in an archive tier"


def test_a_bucket_that_is_gone_fails_its_files_alone(shelf: Shelf, back: Path) -> None:
    shelf.known = ["lab", "logs"]
    shelf.pack({"a": b"a"}, bucket="logs")
    shelf.pack({"b": b"b"})
    shelf.known = ["lab"]
    del shelf.stores["logs"]
    assert restore(shelf, back).fates() == {"logs/a": Fate.FAILED, "lab/b": Fate.RESTORED}


def test_who_hung_up_ends_it_and_leaves_nothing_half(shelf: Shelf, back: Path) -> None:
    shelf.pack({"big": os.urandom(MOST + 1)})
    answers = iter([False] * 12)
    with pytest.raises(Gone):
        restore(shelf, back, asker=Asker(gone=lambda: next(answers, True)))
    assert files(back) == {}
    assert not leftovers(back)


# --- the folder -----------------------------------------------------------------------------------------------------


class Failing(Root):
    """A root whose every n-th temporary fails as it is written to."""

    fails: Callable[[], OSError | None] = staticmethod(lambda: None)

    @contextmanager
    def temporary(self) -> Iterator[Any]:
        with super().temporary() as partial:
            error = self.fails()
            if error is not None:
                raise ItemError(partial.name, f"{partial.name}: the disk is full", hint="free some") from error
            yield partial


def test_a_full_disk_ends_it_with_what_is_whole(shelf: Shelf, back: Path) -> None:
    shelf.pack({f"{number}": b"x%d" % number for number in range(5)})
    tree = Failing.at(back)
    errors = iter([None, None, OSError(errno.ENOSPC, "no space")])
    tree.fails = lambda: next(errors)  # type: ignore[method-assign]
    with pytest.raises(FolderFull, match=r"^the disk is full"):
        restore(shelf, back, tree=tree)
    assert files(back) == {"lab/0": b"x0", "lab/1": b"x1"}
    assert not leftovers(back)


def test_another_failure_of_the_disk_is_one_files_alone(shelf: Shelf, back: Path) -> None:
    shelf.pack({f"{number}": b"x" for number in range(3)})
    tree = Failing.at(back)
    errors = iter([OSError(errno.EIO, "bad block"), None, None])
    tree.fails = lambda: next(errors)  # type: ignore[method-assign]
    assert list(restore(shelf, back, tree=tree).fates().values()) == [Fate.FAILED, Fate.RESTORED, Fate.RESTORED]


def test_a_folder_that_is_gone_ends_it(shelf: Shelf, back: Path) -> None:
    shelf.pack({"a": b"a"})
    tree = Root.at(back)
    back.rename(back.parent / "moved")
    with pytest.raises(PairHalted):
        restore(shelf, back, tree=tree)
