"""A verification over a real folder, a real database and a bucket in memory: every sign, and nothing changed by it."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.small_section import SmallSection, small_section
from syncd.core.findings import Sign
from syncd.core.model import Deletes, ETag, ListedObject, LocalState, Mode
from syncd.core.paths import RelPath
from syncd.engine.compare import Looked
from syncd.engine.verify import Scope, Verification
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Commit, ListPage

AWAY = RemoteError(RemoteKind.UNAVAILABLE, "no connection")
LONG_AGO_NS = 1_700_000_000_000_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallSection]:
    """An upload pair."""
    with small_section(tmp_path, mode=Mode.UPLOAD) as made:
        yield made


def sent(small: SmallSection, **files: bytes) -> None:
    """These files, left alone for long, are on both sides and in the records."""
    for name, body in files.items():
        os.utime(small.write(name, body), ns=(LONG_AGO_NS, LONG_AGO_NS))
    small.section.run_pass()


def rewritten(small: SmallSection, name: str, body: bytes) -> None:
    """Other bytes under the very stat that was recorded, as a failing disk leaves them."""
    record = small.section.open().records.get(RelPath(name))
    assert record is not None
    assert record.stat is not None
    (small.root / name).write_bytes(body)
    os.utime(small.root / name, ns=(record.stat.mtime_ns, record.stat.mtime_ns))
    now = small.section.open().tree.lstat(RelPath(name))
    assert now is not None
    hidden = replace(record, stat=now, looked_ns=now.ctime_ns + 10**10)  # ctime cannot be set back: the record takes it
    small.section.open().records.commit(Commit(path=record.path, put=hidden)).result()


def verification(small: SmallSection, **scope: Any) -> Verification:
    return small.section.verification(Scope(**scope), gone=lambda: False)


def found(small: SmallSection, **scope: Any) -> dict[str, str]:
    """The finding by path."""
    return {row.path: row.finding.id for row in verification(small, **scope)}


def signs(small: SmallSection, **scope: Any) -> dict[str, str]:
    return {row.path: row.finding.sign.value for row in verification(small, **scope)}


def test_what_is_in_step_is_the_same_by_record_and_by_reading(small: SmallSection) -> None:
    sent(small, a=b"one", b=b"two")
    assert found(small) == {"a": "same.recorded", "b": "same.recorded"}
    assert found(small, download=True) == {"a": "same.read", "b": "same.read"}


def test_each_sign_has_its_rows(small: SmallSection) -> None:
    sent(small, same=b"1", edited=b"2", gone_here=b"3", gone_there=b"4", replaced=b"5")
    small.write("edited", b"twice as long")
    (small.root / "gone_here").unlink()
    small.bucket.take_away("p/gone_there")
    small.bucket.plant("p/replaced", b"6")
    small.bucket.plant("p/foreign", b"7")
    small.write("new", b"8")
    assert signs(small) == {
        "same": "=",
        "edited": "*",
        "foreign": "-",
        "gone_here": "-",
        "gone_there": "+",
        "new": "+",
        "replaced": "*",
    }


def test_it_changes_nothing_on_any_side_nor_in_the_records(small: SmallSection) -> None:
    sent(small, a=b"one", b=b"two", c=b"three")
    small.write("a", b"uno")
    small.bucket.plant("p/b", b"zwei")
    small.write("d", b"new")
    records = small.section.open().records
    before = (list(records.walk()), records.seq(), small.bucket.contents(), small.said.names())
    small.bucket.requests.clear()
    for download in (False, True):
        found(small, download=download)
    assert (list(records.walk()), records.seq(), small.bucket.contents(), small.said.names()) == before
    assert not {"put", "delete", "copy", "create_multipart"} & small.bucket.requests.keys()
    assert {path.name: path.read_bytes() for path in small.root.iterdir() if path.is_file()} == {
        "a": b"uno",
        "b": b"two",
        "c": b"three",
        "d": b"new",
    }


def test_rot_on_s3_is_found_by_reading_alone(small: SmallSection) -> None:
    sent(small, a=b"good bytes", b=b"others")
    small.bucket.rot("p/a", b"gOod bytes")
    assert found(small)["a"] == "same.recorded"
    assert found(small, download=True) == {"a": "rotted.there", "b": "same.read"}


def test_rot_here_is_found_by_reading_alone(small: SmallSection) -> None:
    sent(small, a=b"good bytes")
    rewritten(small, "a", b"gOod bytes")
    assert found(small) == {"a": "same.recorded"}
    assert found(small, download=True) == {"a": "rotted.here"}


def test_one_read_that_the_way_spoilt_is_no_difference(small: SmallSection) -> None:
    sent(small, a=b"good bytes")
    small.bucket.flip_next_read("p/a")
    assert found(small, download=True) == {"a": "same.read"}


def test_metadata_that_outlived_its_bytes_is_not_believed(small: SmallSection) -> None:
    sent(small, a=b"good bytes")
    before = small.bucket.live("p/a")
    assert before is not None
    small.bucket.plant("p/a", b"gOod bytes", metadata=before.headers.metadata)
    assert found(small) == {"a": "changed.there"}


def test_where_only_metadata_speaks_the_row_says_so_and_reading_finds_the_lie(tmp_path: Path) -> None:
    bucket = FakeObjects(capabilities=replace(EVERYTHING, etag_is_md5=False, stores_checksum=False))
    with small_section(tmp_path, bucket=bucket, mode=Mode.UPLOAD) as small:
        sent(small, a=b"good bytes")
        before = bucket.live("p/a")
        assert before is not None
        bucket.plant("p/a", b"gOod bytes", metadata=before.headers.metadata)
        assert found(small) == {"a": "same.metadata"}
        assert found(small, download=True) == {"a": "changed.there"}


def cleaned(small: SmallSection, **files: bytes) -> None:
    sent(small, **files)
    for _ in range(3):
        small.section.run_pass()
    records = small.section.open().records
    assert {record.local for record in records.walk()} == {LocalState.CLEANED}


def test_a_cleaned_file_is_no_difference_while_its_object_is_the_proven_one(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, cleanup=True) as small:
        cleaned(small, kept=b"1", rotten=b"22", other=b"3", gone=b"4")
        small.bucket.rot("p/rotten", b"2x")
        small.bucket.plant("p/other", b"x")
        small.bucket.take_away("p/gone")
        assert found(small) == {
            "gone": "cleaned.gone",
            "kept": "cleaned",
            "other": "cleaned.other",
            "rotten": "cleaned",
        }
        assert found(small, download=True) == {
            "gone": "cleaned.gone",
            "kept": "cleaned.read",
            "other": "cleaned.other",
            "rotten": "cleaned.rotted",
        }


def test_a_staged_file_is_compared_where_it_lies(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, cleanup=True) as small:
        sent(small, a=b"body")
        small.section.run_pass()
        assert not (small.root / "a").exists()
        assert found(small, download=True) == {"a": "cleaning"}
        small.bucket.rot("p/a", b"bodY")
        assert found(small, download=True) == {"a": "rotted.there"}


def test_what_the_mode_leaves_is_said_apart_and_costs_no_request(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, deletes=Deletes.LEAVE) as small:
        sent(small, a=b"1", b=b"2", both=b"3")
        (small.root / "a").unlink()
        small.bucket.take_away("p/b")
        small.section.run_pass()
        small.bucket.plant("p/foreign", b"4")
        small.bucket.requests.clear()
        looked = verification(small)
        rows = {row.path: (row.finding.id, row.finding.intended) for row in looked}
        assert rows == {
            "a": ("remembered.here", True),
            "b": ("remembered.there", True),
            "both": ("same.recorded", False),
            "foreign": ("remote-only", True),
        }
        assert looked.totals.differences == 0
        assert looked.totals.intended == 3
        assert small.bucket.requests == {"list": 1, "head": 1}


def test_what_was_left_to_differ_is_still_a_difference(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD) as small:
        sent(small, a=b"1")
        small.bucket.plant("p/a", b"22")
        small.section.run_pass()
        looked = verification(small)
        assert [row.finding.id for row in looked] == ["superseded"]
        assert looked.totals.differences == 1


def test_an_object_in_an_archive_tier_is_compared_without_a_read(small: SmallSection) -> None:
    sent(small, a=b"body")
    small.bucket.rot("p/a", b"body")
    before = small.bucket.live("p/a")
    assert before is not None
    small.bucket.plant("p/a", b"body", metadata=before.headers.metadata, storage_class="GLACIER")
    small.bucket.requests.clear()
    assert signs(small, download=True) == {"a": "="}
    assert not small.bucket.requests["get"]


def test_filters_and_what_is_ours_are_left_out(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, include=("*.gz",)) as small:
        sent(small, **{"a.gz": b"1", "b.txt": b"2"})
        small.bucket.plant("p/c.txt", b"3")
        small.bucket.plant("p/.syncd/trash/x.gz", b"4")
        assert signs(small) == {"a.gz": "="}


def test_one_file_is_looked_at_by_itself_and_a_folder_with_all_below(small: SmallSection) -> None:
    sent(small, **{"a": b"1", "f/b": b"2", "f/g/c": b"3", "fx": b"4"})
    small.bucket.requests.clear()
    assert signs(small, path=RelPath("f/b")) == {"f/b": "="}
    assert small.bucket.requests == {"head": 1}
    assert signs(small, path=RelPath("f")) == {"f/b": "=", "f/g/c": "="}


def test_a_sample_is_the_same_paths_for_the_same_seed(small: SmallSection) -> None:
    sent(small, **{f"{number:03}": b"x" for number in range(200)})
    first = signs(small, share=0.2, seed="one")
    assert 15 < len(first) < 70
    assert first == signs(small, share=0.2, seed="one")
    assert first != signs(small, share=0.2, seed="two")


def test_rows_come_in_the_order_of_their_paths_whoever_ends_first(small: SmallSection) -> None:
    names = [f"{number:03}" for number in range(100)]
    sent(small, **dict.fromkeys(names, b"x"))
    assert list(signs(small, download=True)) == names


def test_a_folder_that_cannot_be_read_is_an_error_and_nothing_follows_from_it(small: SmallSection) -> None:
    sent(small, **{"a": b"1", "shut/b": b"2"})
    small.shut.add("shut")
    rows = list(verification(small))
    assert {row.path: row.finding.sign for row in rows if row.finding.sign is Sign.ERROR}.keys() >= {"shut/b"}
    assert not [row for row in rows if row.finding.differs]


def test_an_object_that_cannot_be_looked_at_is_an_error_and_the_others_go_on(small: SmallSection) -> None:
    sent(small, a=b"1", b=b"2")
    small.bucket.fail_next("head", RemoteError(RemoteKind.DENIED, "403"))
    looked = verification(small)
    assert sorted(row.finding.sign.value for row in looked) == ["!", "="]


def test_an_endpoint_that_is_away_ends_it_with_one_error(small: SmallSection) -> None:
    sent(small, **{f"{number:02}": b"x" for number in range(40)})
    small.bucket.fail_next("head", AWAY, times=40)
    rows = []
    with pytest.raises(RemoteError):
        rows.extend(verification(small))
    small.bucket.down = AWAY
    with pytest.raises(RemoteError):
        list(verification(small))


def test_a_difference_that_is_over_when_it_is_looked_at_again_is_none(small: SmallSection) -> None:
    """The listing is older than the look: a file that went up meanwhile is in step."""
    os.utime(small.write("new", b"2"), ns=(LONG_AGO_NS, LONG_AGO_NS))
    small.bucket.intervene("head", lambda: small.section.run_pass())
    assert signs(small) == {"new": "="}


def test_a_file_that_is_edited_under_the_look_is_looked_at_again(small: SmallSection) -> None:
    sent(small, a=b"1")
    small.write("a", b"22")
    small.bucket.intervene("head", lambda: small.write("a", b"333"))
    assert [(row.finding.id, row.size) for row in verification(small)] == [("changed.here", 3)]


def test_it_ends_soon_where_nobody_listens_any_more(small: SmallSection) -> None:
    sent(small, **{f"{number:03}": b"x" for number in range(300)})
    gone = threading.Event()
    looked = small.section.verification(Scope(download=True), gone=gone.is_set)
    rows: list[Looked] = []
    for row in looked:
        rows.append(row)
        gone.set()
    assert len(rows) < 30
    assert looked.stopped


class Endless(FakeObjects):
    """A bucket whose listing counts how far somebody has read."""

    pages = 0

    def list(self, prefix: str) -> Iterator[ListPage]:
        for page in super().list(prefix):
            self.pages += 1
            yield page


class Vast(FakeObjects):
    """A bucket of so many objects, made as they are listed."""

    many = 0

    def list(self, prefix: str) -> Iterator[ListPage]:
        for start in range(0, self.many, 1000):
            names = [f"{prefix}{number:07}" for number in range(start, min(start + 1000, self.many))]
            yield ListPage([ListedObject(name, 1, ETag("e"), 0) for name in names], last=start + 1000 >= self.many)


def peak(small: SmallSection, many: int) -> int:
    """Bytes that a verification of so many objects takes at most."""
    assert isinstance(small.bucket, Vast)
    small.bucket.many = many
    tracemalloc.start()
    rows = sum(1 for _ in verification(small))
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == many
    return taken


def test_sixty_thousand_paths_take_no_more_memory_than_six_thousand(tmp_path: Path) -> None:
    with small_section(tmp_path, bucket=Vast(), mode=Mode.UPLOAD) as small:
        peak(small, 6000)  # what is made once is made
        assert peak(small, 60_000) < 1.5 * peak(small, 6000)


def test_it_reads_a_little_ahead_and_no_more(tmp_path: Path) -> None:
    bucket = Endless(page_size=10)
    for number in range(500):
        bucket.plant(f"p/{number:03}", b"x")
    with small_section(tmp_path, bucket=bucket, mode=Mode.BIDIRECTIONAL) as small:
        rows = iter(small.section.verification(Scope(), gone=lambda: False))
        for _ in range(20):
            next(rows)
        assert bucket.pages <= 5
        rows.close()  # type: ignore[attr-defined]  # a generator
