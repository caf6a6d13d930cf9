"""The writer: one bad job harms none but itself, a broken database fails all, nobody waits for ever."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.gaps import missing
from syncd.core.model import Digest, HashType, Record
from syncd.errors import FatalError, Stale
from syncd.ports import Clock, Commit, HistoryRow
from syncd.store.connection import connect_writer
from syncd.store.database import Database
from syncd.store.intake import Intake, Job
from syncd.store.outcomes import Outcome, write_outcomes
from syncd.store.pairs import PairStore, RecordSetIdentity, find_ids
from syncd.store.writer import LIMIT, Writer

MakeRecord = Callable[..., Record]


def history(path: str = "a", **changes: object) -> HistoryRow:
    return HistoryRow(at=1.0, path=path, operation="upload", rule="r1", result="done", **changes)  # type: ignore[arg-type]


def test_a_value_that_no_column_takes_fails_its_own_outcome_alone(pair: PairStore, record: MakeRecord) -> None:
    bad = [
        record("bad-hex", digest=Digest(HashType.MD5, "xyz")),
        record("bad-size", size=2**64),
        record("bad-type", size=1.5),
        record("bad-text", etag="\ud800"),
    ]
    made = [record("a"), *bad, record("z")]
    futures = [pair.commit(Commit(put=item, history=history(item.path))) for item in made]
    errors = [future.exception(timeout=30) for future in futures]
    assert [type(error).__name__ for error in errors] == [
        "NoneType", "ValueError", "OverflowError", "IntegrityError", "UnicodeEncodeError", "NoneType",
    ]  # fmt: skip
    assert [kept.path for kept in pair.walk()] == ["a", "z"]


def test_what_failed_leaves_no_half_of_itself(database: Database, pair: PairStore, record: MakeRecord) -> None:
    future = pair.commit(Commit(put=record("a"), history=history(size=2**64)))
    assert isinstance(future.exception(timeout=30), OverflowError)
    assert list(pair.walk()) == []
    assert list(database.history.query()) == []


def test_a_stale_outcome_leaves_no_history(database: Database, pair: PairStore, record: MakeRecord) -> None:
    future = pair.commit(Commit(put=record("a"), expect_seq=9, history=history()))
    assert isinstance(future.exception(timeout=30), Stale)
    assert list(database.history.query()) == []


def test_closing_writes_everything_that_was_queued(
    path: Path, clock: Clock, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    database = Database.open(path, clock=clock)
    pair = database.pair("logs", identity)
    futures = [pair.commit(Commit(put=record(f"{number:05}"))) for number in range(3000)]
    database.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with Database.open(path, clock=clock) as again:
        assert sum(1 for _ in again.pair("logs", identity).walk()) == 3000


def test_a_cancelled_outcome_is_not_written(pair: PairStore, record: MakeRecord) -> None:
    futures = [pair.commit(Commit(put=record(name))) for name in "abc"]
    cancelled = futures[1].cancel()
    wait(futures, timeout=30)
    assert [kept.path for kept in pair.walk()] == (["a", "c"] if cancelled else ["a", "b", "c"])


def test_many_threads_write_at_once(pair: PairStore, record: MakeRecord) -> None:
    futures: list[list[Future[Record | None]]] = [[] for _ in range(8)]

    def write(slot: int) -> None:
        futures[slot] = [pair.commit(Commit(put=record(f"{slot}/{number}"))) for number in range(500)]

    threads = [threading.Thread(target=write, args=(slot,)) for slot in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    stored = [future.result(timeout=30) for group in futures for future in group]
    seqs = sorted(kept.seq for kept in stored if kept)
    assert len(set(seqs)) == 4000
    assert seqs[-1] == pair.seq()


def test_a_callback_may_commit_but_the_writer_never_waits_for_itself(pair: PairStore, record: MakeRecord) -> None:
    second: list[Future[Record | None]] = []
    refused: list[BaseException] = []
    called = threading.Event()

    def after(_: Future[Record | None]) -> None:
        second.append(pair.commit(Commit(put=record("b"))))
        try:
            pair.set_generation(5)
        except RuntimeError as error:
            refused.append(error)
        called.set()

    pair.commit(Commit(put=record("a"))).add_done_callback(after)
    assert called.wait(30)
    second[0].result(timeout=30)
    assert [kept.path for kept in pair.walk()] == ["a", "b"]
    assert len(refused) == 1


@contextmanager
def bare_writer(path: Path) -> Iterator[tuple[Writer, sqlite3.Connection]]:
    connection = connect_writer(path)
    connection.execute("CREATE TABLE thing (number INTEGER NOT NULL, body BLOB) STRICT")
    writer = Writer(connection, path)
    writer.start()
    try:
        yield writer, connection
    finally:
        writer.close()
        connection.close()


def test_a_full_disk_fails_the_waiting_and_every_later_commit(path: Path) -> None:
    with bare_writer(path) as (writer, connection):
        connection.execute("PRAGMA max_page_count = 20")

        def fill(open_connection: sqlite3.Connection) -> None:
            open_connection.execute("INSERT INTO thing VALUES (1, zeroblob(1000000))")

        with pytest.raises(FatalError, match="the disk is full") as caught:
            writer.call(fill)
        assert str(path.parent) in caught.value.hint
        with pytest.raises(FatalError, match="the disk is full"):
            writer.call(lambda _: None)


@pytest.mark.root
def test_a_really_full_disk_is_fatal_and_what_was_told_is_there_afterwards(
    tmp_path: Path, clock: Clock, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        missing("a full disk", "this root may not mount a tmpfs")
    try:
        told: list[Record] = []
        with Database.open(folder / "state.db", clock=clock) as database:
            pair = database.pair("logs", identity)

            def write_on() -> None:
                for number in range(100_000):
                    stored = pair.commit(Commit(put=record(f"{number:06}", checksum="x" * 20_000))).result(timeout=30)
                    assert stored is not None
                    told.append(stored)

            with pytest.raises(FatalError, match="the disk is full"):
                write_on()
        assert told
        subprocess.run(["mount", "-o", "remount,size=30m", str(folder)], check=True)
        with Database.open(folder / "state.db", clock=clock) as database:
            assert list(database.pair("logs", identity).walk()) == told
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_fault_of_our_own_leaves_nobody_waiting(path: Path) -> None:
    with bare_writer(path) as (writer, _), died_with(LookupError):
        with pytest.raises(FatalError, match="writer"):
            writer.call(lambda _: dict[str, int]()["no such key"])
        with pytest.raises(FatalError, match="writer"):
            writer.call(lambda _: None)


@contextmanager
def died_with(expected: type[BaseException]) -> Iterator[None]:
    """The writer's thread ends by that exception, and by no other."""
    seen: list[object] = []
    before, threading.excepthook = threading.excepthook, lambda args: seen.append(args.exc_type)
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.name == "store-writer":
                thread.join(30)
        threading.excepthook = before
    assert len(seen) == 1
    assert issubclass(seen[0], expected)  # type: ignore[arg-type]


def test_an_answer_comes_after_the_commit_that_is_synced(path: Path) -> None:
    with bare_writer(path) as (writer, connection):
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        order: list[str] = []
        connection.set_trace_callback(order.append)
        answered = threading.Event()
        future = writer.later(lambda open_connection: open_connection.execute("SELECT 1"), patience_s=0.2)

        def note(_: Future[Any]) -> None:
            order.append("answer")
            answered.set()

        future.add_done_callback(note)
        assert answered.wait(30)
        assert order.index("SELECT 1") < order.index("COMMIT") < order.index("answer")


def test_a_group_of_outcomes_takes_few_statements(
    path: Path, clock: Clock, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    """Each statement gives up the GIL: one busy thread would slow a statement per row down thirty-fold."""
    Database.open(path, clock=clock).close()
    connection = connect_writer(path)
    ids = find_ids(connection, "logs", identity)
    commits = [
        Commit(put=record(f"{number}"), drop=record(f"old-{number}").path, expect_seq=0, history=history())
        for number in range(LIMIT)
    ]
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    results = write_outcomes(connection, [Outcome(ids.pair_id, ids.set_id, change) for change in commits])
    connection.close()
    assert [type(result) for result in results] == [Record] * LIMIT
    assert len(statements) < 20


def test_a_group_is_one_transaction(path: Path) -> None:
    with bare_writer(path) as (writer, connection):
        begun: list[str] = []
        connection.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
        futures = [writer.later(lambda _: None, patience_s=60.0) for _ in range(LIMIT)]
        assert wait(futures, timeout=30).not_done == set()
        assert len(begun) == 1


def test_an_urgent_job_takes_the_patient_ones_along(path: Path) -> None:
    with bare_writer(path) as (writer, _):
        patient = writer.later(lambda _: "done", patience_s=600.0)
        writer.call(lambda _: None)
        assert patient.result(timeout=0) == "done"


def test_a_full_intake_holds_its_producer_back_until_there_is_room() -> None:
    intake = Intake(limit=2, room=4)
    put: list[int] = []

    def produce() -> None:
        for number in range(10):
            intake.put(Job(lambda _c, works: works, number, 0.0, Future()))
            put.append(number)

    producer = threading.Thread(target=produce)
    producer.start()
    taken: list[object] = []
    while len(taken) < 10:
        taken += [job.work for job in intake.take()]
        assert len(put) <= len(taken) + 4
    producer.join(30)
    assert taken == list(range(10))


def test_a_producer_that_is_held_back_is_let_go_by_close() -> None:
    intake = Intake(limit=2, room=1)
    intake.put(Job(lambda _c, works: works, 0, 0.0, Future()))
    refused = threading.Event()

    def produce() -> None:
        with pytest.raises(FatalError, match="over"):
            intake.put(Job(lambda _c, works: works, 1, 0.0, Future()))
        refused.set()

    producer = threading.Thread(target=produce)
    producer.start()
    intake.close("it is over")
    assert refused.wait(30)
    producer.join(30)
    assert [job.work for job in intake.take()] == [0]
    assert intake.take() == []
