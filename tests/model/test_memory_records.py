"""The model's records promise what the database promises: the same small contract for both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.model_host import ModelClock
from support.model_records import MemoryRecords
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
from syncd.core.paths import parse_relpath
from syncd.errors import Stale
from syncd.ports import Commit, Hashes, HistoryRow, RecordStore
from syncd.store.database import Database
from syncd.store.pairs import RecordSetIdentity

STAT = LocalStat(3, 1_000, 2_000, 7)


def record(path: str, **changes: object) -> Record:
    made = Record(
        path=parse_relpath(path),
        local=LocalState.PRESENT,
        remote=RemoteState.PRESENT,
        size=3,
        digest=None,
        stat=STAT,
        etag=ETag("tag"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=["memory", "database"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordStore]:
    if request.param == "memory":
        yield MemoryRecords()
        return
    identity = RecordSetIdentity(root_uuid="root", endpoint="http://s3", bucket="bucket", prefix="data/")
    with Database.open(tmp_path / "state.db", clock=ModelClock()) as database:
        yield database.pair("host", identity)


def put(records: RecordStore, path: str, **changes: object) -> Record:
    stored = records.commit(Commit(put=record(path, **changes))).result()
    assert stored is not None
    return stored


def test_a_commit_gives_the_record_its_number_and_it_is_read_so(records: RecordStore) -> None:
    stored = put(records, "a")
    assert stored.seq == records.seq() > 0
    assert records.get(stored.path) == stored == replace(record("a"), seq=stored.seq)


def test_a_commit_under_another_number_is_stale_and_writes_nothing(records: RecordStore) -> None:
    stored = put(records, "a")
    late = Commit(path=stored.path, expect_seq=stored.seq + 1, drop=stored.path)
    with pytest.raises(Stale):
        records.commit(late).result()
    with pytest.raises(Stale):
        records.commit(Commit(path=stored.path, expect_seq=0, put=record("a"))).result()
    assert records.get(stored.path) == stored
    records.commit(replace(late, expect_seq=stored.seq)).result()
    assert records.get(stored.path) is None


def test_the_walk_is_in_byte_order_and_by_folder(records: RecordStore) -> None:
    for path in ("b", "a/b", "a-b", "a/\N{SNOWMAN}", "ab"):
        put(records, path)
    assert [row.path for row in records.walk()] == ["a-b", "a/b", "a/\N{SNOWMAN}", "ab", "b"]
    assert [row.path for row in records.walk(parse_relpath("a"))] == ["a/b", "a/\N{SNOWMAN}"]
    assert records.count() == 5


def test_a_file_is_found_by_its_inode(records: RecordStore) -> None:
    stored = put(records, "a")
    assert records.by_inode(7, 3, 1_000) == stored
    assert records.by_inode(8, 3, 1_000) is None


def test_dropped_records_leave_hashes_generation_and_numbers(records: RecordStore) -> None:
    records.cache_hashes(STAT, Hashes(md5=b"m" * 16))
    records.cache_hashes(STAT, Hashes(sha256=b"s" * 32))
    records.set_generation(4)
    stored = put(records, "a")
    records.drop_all()
    assert records.get(stored.path) is None
    assert (records.generation(), records.seq() >= stored.seq) == (4, True)
    assert records.cached_hashes(STAT) == Hashes(md5=b"m" * 16, sha256=b"s" * 32)


def test_a_halted_plan_is_accepted_by_its_id_alone(records: RecordStore) -> None:
    records.set_halted_plan("plan", ["x", "y"])
    assert not records.accept_plan("other")
    assert records.accept_plan("plan")
    assert records.accepted_plan() == frozenset({"x", "y"})
    records.clear_plans()
    assert records.accepted_plan() == frozenset()


def test_deletions_are_counted_since_a_time(records: RecordStore) -> None:
    for at, operation in ((1.0, "trash"), (5.0, "trash"), (6.0, "delete"), (7.0, "upload")):
        row = HistoryRow(at=at, path="a", operation=operation, rule="r", result="done")
        records.commit(Commit(history=row)).result()
    assert records.removals_since(5.0) == 2


def test_records_are_found_by_what_they_hold(records: RecordStore) -> None:
    one, two = Digest(HashType.SHA256, "1" * 64), Digest(HashType.MD5, "2" * 32)
    first, second = put(records, "a", digest=one), put(records, "b", digest=two)
    put(records, "c", digest=Digest(HashType.SHA256, "3" * 64))
    put(records, "d")
    assert list(records.holding([two, one])) == [first, second]
    assert list(records.holding([Digest(HashType.SHA256, "4" * 64)])) == []


def test_the_nth_newest_file_here_is_known_by_its_time_and_path(records: RecordStore) -> None:
    for path, mtime_ns in (("a", 30), ("b", 10), ("c", 20), ("d", 20)):
        put(records, path, stat=STAT._replace(mtime_ns=mtime_ns))
    put(records, "gone", stat=STAT._replace(mtime_ns=99), local=LocalState.CLEANING)
    assert [records.nth_newest(place) for place in (1, 2, 3, 5)] == [(30, "a"), (20, "d"), (20, "c"), None]


def test_the_oldest_that_may_be_cleaned_come_first_and_those_that_are_due_before_them(records: RecordStore) -> None:
    ours = {"origin": Origin.UPLOADED, "proof": ProofKind.ETAG}
    put(records, "late", stat=STAT._replace(mtime_ns=10), looked_ns=500, **ours)
    put(records, "due-new", stat=STAT._replace(mtime_ns=30), looked_ns=100, **ours)
    put(records, "due-old", stat=STAT._replace(mtime_ns=20), looked_ns=100, **ours)
    put(records, "theirs", stat=STAT._replace(mtime_ns=1), origin=Origin.DOWNLOADED, proof=ProofKind.ETAG)
    put(records, "unproven", stat=STAT._replace(mtime_ns=1), origin=Origin.UPLOADED, proof=ProofKind.UNPROVEN)
    put(records, "kept", stat=STAT._replace(mtime_ns=1), kept=True, **ours)
    put(records, "going", stat=STAT._replace(mtime_ns=1), local=LocalState.CLEANING, size=7, **ours)
    assert list(records.oldest_cleanable(9, due_ns=100)) == ["due-old", "due-new", "late"]
    assert list(records.oldest_cleanable(1, due_ns=100)) == ["due-old"]
    assert records.cleaning_bytes() == 7
