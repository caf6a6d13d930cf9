"""When a proven file is due: after its time, never among the newest, before its time on a full disk."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.clearing import ALL_DUE, Clearance, Newest, age_of, relief, spoken, to_free
from syncd.core.model import (
    Digest,
    ETag,
    HashType,
    LocalStat,
    LocalState,
    Origin,
    ProofKind,
    Record,
    RemoteState,
)
from syncd.core.paths import RelPath

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def record(path: str = "a", *, mtime_s: int = 0, looked_s: int = 0, size: int = 10) -> Record:
    return Record(
        path=RelPath(path),
        local=LocalState.PRESENT,
        remote=RemoteState.PRESENT,
        size=size,
        digest=Digest(HashType.SHA256, "a" * 64),
        stat=LocalStat(size, mtime_s * SECOND, mtime_s * SECOND, 7),
        looked_ns=looked_s * SECOND,
        etag=ETag("e"),
        proof=ProofKind.ETAG,
        origin=Origin.UPLOADED,
    )


def test_without_any_option_everything_is_due() -> None:
    assert not ALL_DUE.stays(record())
    assert ALL_DUE.words(record()) == ""


@pytest.mark.parametrize(("now_s", "stays"), [(99, True), (100, False), (101, False)])
def test_a_file_stays_for_cleanup_after_since_it_went_up(now_s: int, stays: bool) -> None:
    clearance = Clearance(now_ns=now_s * SECOND, after_ns=60 * SECOND)
    assert clearance.stays(record(mtime_s=1, looked_s=40)) is stays


def test_the_newest_stay_whatever_else() -> None:
    clearance = Clearance(keep_newest=2, newest=age_of(50 * SECOND, "b"), pressed=frozenset({RelPath("b")}))
    assert clearance.stays(record("b", mtime_s=50))
    assert clearance.stays(record("c", mtime_s=50))
    assert not clearance.stays(record("a", mtime_s=50))
    assert clearance.stays(record("a", mtime_s=51))


def test_where_there_are_no_more_files_than_may_stay_all_stay() -> None:
    assert Clearance(keep_newest=5, newest=None).stays(record())


def test_a_full_disk_takes_what_is_not_due_yet() -> None:
    clearance = Clearance(after_ns=HOUR, pressed=frozenset({RelPath("a")}))
    assert not clearance.stays(record("a"))
    assert clearance.stays(record("b"))


def test_what_is_on_its_way_out_already_goes_on() -> None:
    clearance = Clearance(after_ns=HOUR, keep_newest=5)
    assert not clearance.stays(replace(record(), local=LocalState.CLEANING))


def test_the_reason_is_told_in_words() -> None:
    day = Clearance(now_ns=21 * HOUR, after_ns=24 * HOUR)
    assert day.words(record()) == "cleaned: after 1 d, in 3 h"
    assert replace(day, now_ns=25 * HOUR).words(record()) == "cleaned: after 1 d"
    assert replace(day, keep_newest=100).words(record()) == "kept: among the 100 newest"
    assert "cleanup_pressure" in replace(day, pressed=frozenset({RelPath("a")})).words(record())


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcdef")), unique=True), st.integers(0, 6))
def test_the_newest_of_a_scan_are_those_that_a_sort_would_put_last(files: list[tuple[int, str]], most: int) -> None:
    newest = Newest(most)
    for mtime_ns, path in files:
        newest.see(mtime_ns, path)
    wanted = set(sorted(files, key=lambda file: age_of(*file))[-most:]) if most else set()
    assert {file for file in files if newest.holds(*file)} == wanted


@given(
    st.lists(st.integers(0, 100), max_size=30),
    st.integers(0, 1000),
)
def test_a_full_disk_takes_the_oldest_and_no_file_more_than_it_needs(sizes: list[int], need: int) -> None:
    files = [record(f"{number:03}", size=size) for number, size in enumerate(sizes)]
    taken = sorted(relief(files, need))
    assert taken == [file.path for file in files[: len(taken)]], "the oldest first"
    freed = [file.size for file in files[: len(taken)]]
    assert sum(freed[:-1]) < need or not taken, "without the last one it was not enough"
    assert sum(freed) >= need or len(taken) == len(files) or need == 0


def test_what_leaves_already_is_not_freed_twice() -> None:
    assert to_free(used=900, size=1000, limit=0.85, leaving=0) == 50
    assert to_free(used=900, size=1000, limit=0.85, leaving=30) == 20
    assert to_free(used=900, size=1000, limit=0.85, leaving=70) == 0
    assert to_free(used=850, size=1000, limit=0.85, leaving=0) == 0
    assert to_free(used=0, size=0, limit=0.85, leaving=0) == 0


@pytest.mark.parametrize(
    ("ns", "words"),
    [(0, "under 1 s"), (59 * SECOND, "59 s"), (90 * SECOND, "1 min 30 s"), (26 * HOUR + 61 * SECOND, "1 d 2 h")],
)
def test_a_span_is_told_in_its_two_largest_units(ns: int, words: str) -> None:
    assert spoken(ns) == words
