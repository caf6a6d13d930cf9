"""A pair's store beside its records: identity, generation, hashes, plans, uploads, removals."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.model import Digest, ETag, HashType, LocalStat, Record
from syncd.errors import Stale
from syncd.ports import Clock, Commit, Hashes, HistoryRow, Part, RecordStore, SentPart, UploadSource
from syncd.store.database import Database
from syncd.store.pairs import PairStore, RecordSetIdentity

MakeRecord = Callable[..., Record]
STAT = LocalStat(10, 20, 30, 40)
ALL = Hashes(sha256=b"s" * 32, md5=b"m" * 16, crc64nvme=2**64 - 1)


def test_it_is_a_record_store(pair: PairStore) -> None:
    port: RecordStore = pair
    assert port.seq() == 0


@pytest.mark.parametrize("field", ["root_uuid", "endpoint", "bucket", "prefix"])
def test_another_identity_starts_empty_but_keeps_hashes_and_history(
    database: Database, pair: PairStore, identity: RecordSetIdentity, record: MakeRecord, field: str
) -> None:
    done = HistoryRow(at=1.0, path="a", operation="upload", rule="r", result="done")
    pair.commit(Commit(put=record("a"), history=done)).result(timeout=30)
    pair.cache_hashes(STAT, ALL)
    pair.set_generation(7)
    pair.set_halted_plan("p1", ["x"])

    changed = database.pair("logs", replace(identity, **{field: "another"}))
    assert list(changed.walk()) == []
    assert changed.generation() == 0
    assert changed.halted_plan() is None
    assert changed.cached_hashes(STAT) == ALL
    assert [row.path for row in database.history.query(pair="logs")] == ["a"]

    back = database.pair("logs", identity)
    assert list(back.walk()) == []  # never to be believed again
    assert back.generation() == 0


def test_the_records_of_a_replaced_set_leave_the_file(
    database: Database, path: Path, pair: PairStore, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    pair.commit(Commit(put=record("a"))).result(timeout=30)
    database.pair("logs", replace(identity, bucket="other"))
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM record").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM record_set").fetchone() == (1,)
    connection.close()


def test_the_same_identity_finds_everything_after_a_restart(
    path: Path, clock: Clock, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    with Database.open(path, clock=clock) as database:
        pair = database.pair("logs", identity)
        stored = pair.commit(Commit(put=record("a"))).result(timeout=30)
        pair.set_generation(7)
        pair.cache_hashes(STAT, ALL)
        pair.set_halted_plan("p1", ["x", "y"])
        pair.journal_upload("a/key", "upload-1")
    with Database.open(path, clock=clock) as database:
        pair = database.pair("logs", identity)
        assert list(pair.walk()) == [stored]
        assert pair.generation() == 7
        assert pair.cached_hashes(STAT) == ALL
        assert pair.halted_plan() == ("p1", ["x", "y"])
        assert pair.open_uploads() == [("a/key", "upload-1")]


def test_an_outcome_for_a_set_that_was_replaced_is_stale(
    database: Database, pair: PairStore, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    changed = database.pair("logs", replace(identity, prefix="b/"))
    assert isinstance(pair.commit(Commit(put=record("a"))).exception(timeout=30), Stale)
    assert list(changed.walk()) == []
    assert list(pair.walk()) == []


def test_pairs_do_not_see_each_other(
    database: Database, pair: PairStore, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    other = database.pair("other", identity)
    pair.commit(Commit(put=record("a"))).result(timeout=30)
    pair.cache_hashes(STAT, ALL)
    pair.set_generation(3)
    pair.journal_upload("k", "u")
    pair.set_halted_plan("p", ["x"])
    assert list(other.walk()) == []
    assert other.cached_hashes(STAT) is None
    assert other.generation() == 0
    assert other.open_uploads() == []
    assert other.halted_plan() is None


def test_drop_all_forgets_the_records_and_what_was_decided_on_them(pair: PairStore, record: MakeRecord) -> None:
    stored = pair.commit(Commit(put=record("a"))).result(timeout=30)
    assert stored is not None
    pair.cache_hashes(STAT, ALL)
    pair.set_generation(4)
    queued = pair.commit(Commit(put=record("b")))
    pair.drop_all()
    assert queued.done()
    assert list(pair.walk()) == []
    assert pair.cached_hashes(STAT) == ALL
    assert pair.generation() == 4
    late = pair.commit(Commit(put=record("a"), expect_seq=stored.seq))
    assert isinstance(late.exception(timeout=30), Stale)
    fresh = pair.commit(Commit(put=record("a"), expect_seq=0)).result(timeout=30)
    assert fresh is not None
    assert fresh.seq > stored.seq


def test_hashes_are_found_at_once_merged_and_by_the_exact_version(pair: PairStore) -> None:
    pair.cache_hashes(STAT, Hashes(sha256=b"s" * 32))
    assert pair.cached_hashes(STAT) == Hashes(sha256=b"s" * 32)
    pair.cache_hashes(STAT, Hashes(crc64nvme=0))
    pair.drop_all()  # writes what is queued
    assert pair.cached_hashes(STAT) == Hashes(sha256=b"s" * 32, crc64nvme=0)
    pair.cache_hashes(STAT, Hashes(md5=b"m" * 16, crc64nvme=2**64 - 1))
    assert pair.cached_hashes(STAT) == ALL
    for other in (
        STAT._replace(size=11),
        STAT._replace(mtime_ns=21),
        STAT._replace(ctime_ns=31),
        STAT._replace(inode=41),
    ):
        assert pair.cached_hashes(other) is None


def test_hashes_merge_in_any_order_and_grouping(database: Database, pair: PairStore) -> None:
    raw = st.none() | st.binary(min_size=4, max_size=4)
    hashes = st.builds(Hashes, sha256=raw, md5=raw, crc64nvme=st.none() | st.integers(0, 2**64 - 1))
    inode = iter(range(2**63 - 1000, 2**64))

    @settings(max_examples=50, deadline=None)
    @given(steps=st.lists(st.tuples(hashes, st.booleans()), min_size=1, max_size=6))
    def holds(steps: list[tuple[Hashes, bool]]) -> None:
        stat = STAT._replace(inode=next(inode))
        expected = Hashes()
        for known, written in steps:
            expected = Hashes(
                sha256=expected.sha256 if known.sha256 is None else known.sha256,
                md5=expected.md5 if known.md5 is None else known.md5,
                crc64nvme=expected.crc64nvme if known.crc64nvme is None else known.crc64nvme,
            )
            pair.cache_hashes(stat, known)
            if written:
                pair.clear_plans()
            assert pair.cached_hashes(stat) == expected

    holds()


def test_pruning_keeps_the_hashes_that_were_used_last(pair: PairStore, clock: Clock) -> None:
    stats = [STAT._replace(inode=number) for number in range(10)]
    for stat in stats:
        pair.cache_hashes(stat, ALL)
        pair.clear_plans()
        clock.seconds += 100_000  # type: ignore[attr-defined]
    assert pair.cached_hashes(stats[0]) == ALL  # the oldest is used again
    pair.clear_plans()
    assert pair.prune_hashes(3) == 7
    assert [stat.inode for stat in stats if pair.cached_hashes(stat)] == [0, 8, 9]
    assert pair.prune_hashes(3) == 0


def test_only_the_halted_plan_of_that_id_is_accepted(pair: PairStore) -> None:
    assert pair.halted_plan() is None
    assert pair.accepted_plan() == frozenset()
    assert not pair.accept_plan("p1")
    pair.set_halted_plan("p1", ["b", "a", "b"])
    pair.set_halted_plan("p2", ["d", "c"])
    assert pair.halted_plan() == ("p2", ["d", "c"])
    assert not pair.accept_plan("p1")
    assert pair.accepted_plan() == frozenset()
    assert pair.accept_plan("p2")
    assert pair.accepted_plan() == {"c", "d"}
    assert pair.halted_plan() is None
    assert pair.accept_plan("p2")
    pair.set_halted_plan("p3", ["e"])
    assert pair.accepted_plan() == {"c", "d"}
    assert pair.accept_plan("p3")
    assert pair.accepted_plan() == {"e"}
    pair.clear_plans()
    assert (pair.halted_plan(), pair.accepted_plan()) == (None, frozenset())


def test_open_uploads_stay_with_their_bucket(database: Database, pair: PairStore, identity: RecordSetIdentity) -> None:
    pair.journal_upload("k1", "u1")
    pair.journal_upload("k1", "u2")
    pair.forget_upload("u1")
    pair.forget_upload("never")
    assert pair.open_uploads() == [("k1", "u2")]
    assert database.pair("logs", replace(identity, prefix="b/")).open_uploads() == [("k1", "u2")]
    assert database.pair("logs", replace(identity, bucket="other")).open_uploads() == []
    assert database.pair("logs", identity).open_uploads() == [("k1", "u2")]


def test_removals_are_those_that_were_done_by_this_pair_since_then(
    database: Database, pair: PairStore, identity: RecordSetIdentity
) -> None:
    other = database.pair("other", identity)
    rows = [
        (pair, 50.0, "delete", "done"),
        (pair, 100.0, "delete", "done"),
        (pair, 101.0, "trash", "done"),
        (pair, 102.0, "trash", "stale"),
        (pair, 103.0, "delete", "failed"),
        (pair, 104.0, "upload", "done"),
        (pair, 105.0, "clean", "done"),
        (other, 106.0, "delete", "done"),
    ]
    for store, at, operation, result in rows:
        row = HistoryRow(at=at, path="a", operation=operation, rule="r", result=result)
        store.commit(Commit(history=row)).result(timeout=30)
    assert pair.removals_since(100.0) == 2
    assert pair.removals_since(0.0) == 3
    assert other.removals_since(0.0) == 1


# --- uploads that go on ----------------------------------------------------------------------------------

SOURCE = UploadSource(
    path="a/käy",
    stat=LocalStat(2**40, -1, 2**70, 2**64 - 1),
    digest=Digest(HashType.SHA256, "ab" * 32),
    operation="op",
    part_size=32 << 20,
    terms="crc64nvme True|||",
    expected="",
)
PARTS = (SentPart(Part(1, ETag("e1"), "CRC64NVME:x"), 2**64 - 1), SentPart(Part(2, ETag("e2")), 0))


def test_an_upload_that_broke_off_is_found_with_its_parts_after_a_restart(
    path: Path, clock: Clock, identity: RecordSetIdentity
) -> None:
    with Database.open(path, clock=clock) as database:
        pair = database.pair("logs", identity)
        pair.journal_upload("p/a", "u", SOURCE)
        pair.journal_upload("p/copy", "without a source")
        for sent in reversed(PARTS):
            pair.note_part("u", sent)
        assert pair.left_uploads() == []  # somebody is at it
    with Database.open(path, clock=clock) as database:
        pair = database.pair("logs", identity)
        pair.leave_upload()
        (left,) = pair.left_uploads()
        assert (left.key, left.upload_id, left.source, left.parts) == ("p/a", "u", SOURCE, PARTS)
        assert database.pair("other", identity).left_uploads() == []


def test_an_upload_that_is_left_is_taken_by_one_alone(pair: PairStore) -> None:
    pair.journal_upload("p/a", "u", replace(SOURCE, expected=None))
    assert not pair.take_upload("u")
    pair.leave_upload("u")
    assert [pair.take_upload("u"), pair.take_upload("u")] == [True, False]
    assert pair.left_uploads() == []


def test_of_an_upload_that_is_forgotten_nothing_is_left(pair: PairStore) -> None:
    for _ in range(2):
        pair.journal_upload("p/a", "u", SOURCE)
        pair.leave_upload("u")
        (left,) = pair.left_uploads()
        assert left.parts == ()
        pair.note_part("u", PARTS[0])
        pair.forget_upload("u")
        assert pair.left_uploads() == pair.open_uploads() == []
