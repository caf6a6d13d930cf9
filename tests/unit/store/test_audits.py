"""The rolling audit's round and findings, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from syncd.core.model import Record
from syncd.core.paths import RelPath
from syncd.ports import Clock, Commit
from syncd.ports.audits import AuditFinding, AuditRound
from syncd.store.database import Database
from syncd.store.pairs import PairStore, RecordSetIdentity

LAP = AuditRound(
    started_at=1000.5,
    total_files=10,
    total_bytes=2000,
    cursor=RelPath("a/ü"),
    files=3,
    bytes=500,
    errors=1,
    finished_at=999.0,
)
FOUND = AuditFinding(path=RelPath("a/ü"), seq=7, at=1001.5, finding="rotted.there")


def test_a_round_and_its_findings_survive_a_restart(path: Path, clock: Clock, identity: RecordSetIdentity) -> None:
    with Database.open(path, clock=clock) as database:
        database.pair("logs", identity)
        audits = database.audits("logs")
        assert audits.round() is None
        assert audits.findings() == []
        audits.save(replace(LAP, cursor=None, finished_at=None))
        audits.save(LAP)
        audits.note(replace(FOUND, seq=1))
        audits.note(FOUND)
    with Database.open(path, clock=clock) as database:
        database.pair("logs", identity)
        assert database.audits("logs").round() == LAP
        assert database.audits("logs").findings() == [FOUND]


def test_what_was_mended_is_forgotten(database: Database, pair: PairStore) -> None:
    audits = database.audits("logs")
    audits.note(FOUND)
    audits.clear(FOUND.path)
    audits.clear(FOUND.path)
    assert audits.findings() == []


def test_the_totals_are_those_of_the_pairs_own_records(
    database: Database, pair: PairStore, identity: RecordSetIdentity, record: Callable[..., Record]
) -> None:
    assert database.audits("logs").totals() == (0, 0)
    other = database.pair("other", identity)
    pair.commit(Commit(put=replace(record("a"), size=5))).result(timeout=30)
    pair.commit(Commit(put=replace(record("b"), size=6))).result(timeout=30)
    other.commit(Commit(put=replace(record("c"), size=7))).result(timeout=30)
    assert database.audits("logs").totals() == (2, 11)


def test_other_records_are_audited_from_the_beginning(
    database: Database, pair: PairStore, identity: RecordSetIdentity
) -> None:
    audits = database.audits("logs")
    audits.save(LAP)
    audits.note(FOUND)
    database.pair("logs", replace(identity, prefix="elsewhere/"))
    assert audits.round() is None
    assert audits.findings() == []


def test_a_walk_goes_on_behind_a_path(pair: PairStore, record: Callable[..., Record]) -> None:
    for name in ("a", "b/a", "b/c", "c"):
        pair.commit(Commit(put=record(name))).result(timeout=30)
    assert [each.path for each in pair.walk(after=RelPath("b"))] == ["b/a", "b/c", "c"]
    assert [each.path for each in pair.walk(after=RelPath("b/a"))] == ["b/c", "c"]
    assert [each.path for each in pair.walk(RelPath("b"), after=RelPath("b/a"))] == ["b/c"]


def test_the_share_done_is_half_by_files_and_half_by_bytes() -> None:
    assert LAP.done_share == (3 / 10 + 500 / 2000) / 2
    assert replace(LAP, total_bytes=0).done_share == 3 / 10
    assert replace(LAP, total_files=0, total_bytes=0).done_share == 1.0
    assert replace(LAP, files=99, bytes=99_999).done_share == 1.0
