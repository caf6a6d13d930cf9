"""History, conflicts, trash, capabilities, pauses and counts, also asked while others write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.model import Record
from syncd.ports import Capabilities, Clock, Commit, ConflictRow, HistoryRow, TrashRow
from syncd.store.connection import Readers
from syncd.store.database import Database
from syncd.store.history import PAGE_ROWS
from syncd.store.pairs import PairStore, RecordSetIdentity

MakeRecord = Callable[..., Record]


def done(at: float, path: str = "a", **changes: object) -> HistoryRow:
    return HistoryRow(at=at, path=path, operation="upload", rule="r1", result="done", **changes)  # type: ignore[arg-type]


def tell(pair: PairStore, *rows: HistoryRow) -> None:
    for future in [pair.commit(Commit(history=row)) for row in rows]:
        assert future.result(timeout=30) is None


def test_history_is_newest_first_by_pair_path_and_time(
    database: Database, pair: PairStore, identity: RecordSetIdentity
) -> None:
    other = database.pair("other", identity)
    tell(pair, done(1.0, "a"), done(3.0, "b"), done(2.0, "a"), done(3.0, "a"))
    tell(other, done(2.5, "a"))
    history = database.history

    def found(**asked: object) -> list[tuple[str, str, float]]:
        return [(row.pair, row.path, row.at) for row in history.query(**asked)]  # type: ignore[arg-type]

    assert found() == [
        ("logs", "a", 3.0), ("logs", "b", 3.0), ("other", "a", 2.5), ("logs", "a", 2.0), ("logs", "a", 1.0),
    ]  # fmt: skip
    assert found(limit=2) == [("logs", "a", 3.0), ("logs", "b", 3.0)]
    assert found(pair="other") == [("other", "a", 2.5)]
    assert found(pair="logs", path="a", since=2.0) == [("logs", "a", 3.0), ("logs", "a", 2.0)]
    assert found(path="a", limit=2) == [("logs", "a", 3.0), ("other", "a", 2.5)]
    assert found(pair="nobody") == []
    assert found(path="nothing") == []


def test_a_history_row_comes_back_whole_even_with_a_broken_name(database: Database, pair: PairStore) -> None:
    row = HistoryRow(
        at=1.5, path="bro\udcffken", operation="upload", rule="r", result="failed", size=9, digest="sha256:ab",
        etag="e", error="cannot read 'bro\udcffken'", cycle="c1", elapsed_s=0.25,
    )  # fmt: skip
    tell(pair, row)
    (found,) = database.history.query(path="bro\udcffken")
    assert found == replace(row, id=found.id, pair="logs", error="cannot read 'bro\\udcffken'")


def test_a_long_history_is_read_a_page_at_a_time_with_no_row_twice_and_none_left_out(
    database: Database, pair: PairStore
) -> None:
    number = 2 * PAGE_ROWS + 7
    # many in one instant: what tells two pages apart is not the time alone
    for future in [pair.commit(Commit(history=done(float(at // 400), str(at)))) for at in range(number)]:
        future.result()
    found = database.history.query(limit=10**9)
    first = next(found)
    pair.commit(Commit(history=done(float(number), "newer"))).result()  # nothing holds the database between two rows
    paths = [first.path, *(row.path for row in found)]
    assert paths == [str(at) for at in reversed(range(number))]
    assert len(list(database.history.query(limit=PAGE_ROWS))) == PAGE_ROWS
    assert len(list(database.history.query(limit=PAGE_ROWS + 1))) == PAGE_ROWS + 1
    assert list(database.history.query(limit=0)) == []


def test_history_is_pruned_by_count_and_by_age(database: Database, pair: PairStore) -> None:
    tell(pair, *(done(float(at), f"{at}") for at in range(20)))
    assert database.history.prune(keep=20) == 0
    assert database.history.prune(keep=15) == 5
    assert [row.path for row in database.history.query()] == [f"{at}" for at in range(19, 4, -1)]
    assert database.history.prune(before=10.0) == 5
    assert [row.at for row in database.history.query()][-1] == 10.0


@pytest.mark.parametrize("asked", [{}, {"pair": "logs"}, {"path": "a"}, {"pair": "logs", "since": 5.0}])
def test_history_is_read_by_an_index_without_sorting(
    path: Path, database: Database, pair: PairStore, asked: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_sql: list[tuple[str, tuple[object, ...]]] = []
    plain = Readers.rows

    def listening(self: Readers, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        asked_sql.append((sql, parameters))
        return plain(self, sql, parameters)

    monkeypatch.setattr(Readers, "rows", listening)
    monkeypatch.setattr("syncd.store.history.PAGE_ROWS", 1)
    tell(pair, done(6.0), done(7.0))
    list(database.history.query(**asked))  # type: ignore[arg-type]
    assert len(asked_sql) > 1  # the first page, and one that goes on behind it
    readers = Readers(path)
    for sql, parameters in asked_sql.copy():
        plan = [row[3] for row in readers.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        assert any("USING INDEX history" in step or "USING COVERING INDEX history" in step for step in plan), plan
        assert not any("TEMP B-TREE" in step for step in plan), plan
    readers.close()


def conflict(at: float, path: str) -> ConflictRow:
    return ConflictRow(at=at, path=path, rule="r", winner="local", loser_digest="sha256:ab", loser_at="trash:x")


def test_conflicts_are_listed_until_a_person_settles_them(
    database: Database, pair: PairStore, identity: RecordSetIdentity
) -> None:
    other = database.pair("other", identity)
    for store, row in ((pair, conflict(1.0, "a")), (pair, conflict(2.0, "b")), (other, conflict(3.0, "c"))):
        store.commit(Commit(conflict=row)).result(timeout=30)
    table = database.conflicts
    first, second, third = table.unresolved()
    assert first == replace(conflict(1.0, "a"), id=first.id, pair="logs")
    assert [row.path for row in table.unresolved("logs")] == ["a", "b"]
    assert table.count("logs") == 2
    assert table.resolve(first.id, "keep both")
    assert not table.resolve(first.id, "keep local")
    assert not table.resolve(99, "keep local")
    assert table.unresolved() == [second, third]
    assert table.get(first.id) == replace(first, resolved="keep both")
    assert table.get(99) is None
    assert table.count("logs") == 1


def test_trash_is_listed_newest_first_and_forgotten_by_id(
    database: Database, pair: PairStore, identity: RecordSetIdentity
) -> None:
    def displaced(at: float, path: str) -> TrashRow:
        return TrashRow(at=at, path=path, where=f"local:{path}", reason="superseded", size=4, digest="md5:00")

    other = database.pair("other", identity)
    for store, row in ((pair, displaced(1.0, "a")), (pair, displaced(2.0, "b")), (other, displaced(3.0, "c"))):
        store.commit(Commit(trash=row)).result(timeout=30)
    assert [row.path for row in database.trash.rows()] == ["c", "b", "a"]
    newest, oldest = database.trash.rows("logs")
    assert oldest == replace(displaced(1.0, "a"), id=oldest.id, pair="logs")
    assert database.trash.get(newest.id) == newest
    assert database.trash.delete(newest.id)
    assert not database.trash.delete(newest.id)
    assert database.trash.get(newest.id) is None
    assert database.trash.rows("logs") == [oldest]


def test_ids_told_to_people_are_never_given_twice(database: Database, pair: PairStore) -> None:
    row = TrashRow(at=1.0, path="a", where="local:a", reason="deleted", size=1)
    pair.commit(Commit(trash=row)).result(timeout=30)
    (first,) = database.trash.rows()
    database.trash.delete(first.id)
    pair.commit(Commit(trash=row)).result(timeout=30)
    (second,) = database.trash.rows()
    assert second.id > first.id


def test_capabilities_are_kept_by_endpoint_and_bucket(path: Path, clock: Clock) -> None:
    seen = Capabilities(put_if_none_match=True, copy=False, quoted_if_match=False, versioned=True, probed_at=12.5)
    with Database.open(path, clock=clock) as database:
        database.capabilities.put("http://s3", "logs", Capabilities())
        database.capabilities.put("http://s3", "logs", seen)
    with Database.open(path, clock=clock) as database:
        assert database.capabilities.get("http://s3", "logs") == seen
        assert database.capabilities.get("http://s3", "other") is None
        assert database.capabilities.get("http://other", "logs") is None
        database.capabilities.forget("http://s3", "logs")
        assert database.capabilities.get("http://s3", "logs") is None


def test_what_an_older_syncd_saw_is_not_taken_for_a_canary_of_today(path: Path, clock: Clock) -> None:
    with Database.open(path, clock=clock) as database:
        database.capabilities.put("http://s3", "logs", Capabilities(probed_at=12.5, denied=frozenset({"s3:A", "s3:B"})))
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE capability SET facts = json_remove(facts, '$.rejects_wrong_payload')")
    raw.close()
    with Database.open(path, clock=clock) as database:
        assert database.capabilities.get("http://s3", "logs") is None


def test_pauses_outlive_a_restart(path: Path, clock: Clock) -> None:
    with Database.open(path, clock=clock) as database:
        database.pauses.set("logs", None)
        database.pauses.set("other", 1.0)
        database.pauses.set("other", 200.5)
    with Database.open(path, clock=clock) as database:
        assert database.pauses.all() == {"logs": None, "other": 200.5}
        assert database.pauses.clear("logs")
        assert not database.pauses.clear("logs")
        assert database.pauses.all() == {"other": 200.5}


def test_requests_add_up_by_day(database: Database, path: Path, clock: Clock) -> None:
    database.add_requests("2026-11-20", {"put": 3, "list": 1, "head": 0})
    database.add_requests("2026-11-20", {"put": 2})
    database.add_requests("2026-11-21", {"get": 1})
    database.add_requests("2026-11-21", {})
    assert database.prune_requests("2026-11-01") == 0  # writes what is queued
    assert database.requests("2026-11-20") == {"list": 1, "put": 5}
    assert database.requests("2026-11-21") == {"get": 1}
    assert database.requests("2026-11-22") == {}
    assert database.prune_requests("2026-11-21") == 2
    assert database.requests("2026-11-20") == {}


def test_questions_are_answered_while_workers_write(database: Database, pair: PairStore, record: MakeRecord) -> None:
    ended = threading.Event()
    counts: list[int] = []

    def ask() -> None:
        while not ended.is_set() or not counts:
            history = list(database.history.query(limit=10_000))
            conflicts, trash = database.conflicts.unresolved(), database.trash.rows()
            counts.append(len(history))
            assert len(conflicts) >= len(history)  # read later: at least as many
            assert len(trash) >= len(conflicts)
        database.release_thread()

    asking = threading.Thread(target=ask)
    asking.start()
    futures = [
        pair.commit(
            Commit(
                put=record(f"{number}"),
                history=done(float(number)),
                conflict=conflict(float(number), "a"),
                trash=TrashRow(at=1.0, path="a", where="local:a", reason="conflict", size=1),
            )
        )
        for number in range(2000)
    ]
    for future in futures:
        future.result(timeout=30)
    ended.set()
    asking.join(30)
    assert not asking.is_alive()
    assert counts == sorted(counts)
    assert len(list(database.history.query(limit=10_000))) == 2000


def test_the_connections_of_threads_that_ended_are_closed(path: Path, database: Database, pair: PairStore) -> None:
    def descriptors() -> int:
        links = [entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        return sum(1 for link in links if str(path) in str(link.readlink() if link.is_symlink() else ""))

    pair.seq()
    before = descriptors()
    for _ in range(20):
        thread = threading.Thread(target=pair.seq)
        thread.start()
        thread.join(30)
    assert descriptors() <= before + 8
