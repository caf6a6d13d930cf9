"""The one thread that writes: jobs in groups, each group one transaction, answers after its fsync."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from syncd import checkpoint
from syncd.errors import FatalError
from syncd.store.failure import explain
from syncd.store.intake import Apply, Intake, Job

WINDOW_S = 0.020
LIMIT = 256
ROOM = 4096
JOIN_S = 1.0

T = TypeVar("T")
Task = Callable[[sqlite3.Connection], T]

# what a value that no column takes raises: the fault of one job, not of the database
_REFUSED = (
    TypeError,
    ValueError,
    OverflowError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
)


class Writer:
    """Group commit: a future is done when its COMMIT has returned. After a failure every later job is refused.

    Callbacks of futures run on this thread: they may submit, but must not wait for what they submitted.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._intake = Intake(limit=LIMIT, room=ROOM)
        self._group: list[Job] = []
        # daemon: a process that crashed before it closed the database must still be able to end
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, apply: Apply, work: object, *, patience_s: float = WINDOW_S) -> Future[Any]:
        """Queue work that may wait so long for company. FatalError where the writer failed or is closed."""
        future: Future[Any] = Future()
        self._intake.put(Job(apply, work, monotonic() + patience_s, future))
        return future

    def later(self, task: Task[T], *, patience_s: float) -> Future[T]:
        """Queue a task. It may run twice where its group is refused: it changes nothing but the database."""
        return self.submit(_run_tasks, task, patience_s=patience_s)

    def call(self, task: Task[T]) -> T:
        """Run a task in the next transaction and return its result, durable. Never from a future's callback."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("the writer cannot wait for itself")
        future = self.later(task, patience_s=0.0)
        while not future.done():
            wait([future], timeout=JOIN_S)
        return future.result(timeout=0)

    def close(self) -> None:
        """Write what is queued, then end. Returns when the thread has ended."""
        self._intake.close(f"the database {self._path} is closed")
        while self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        # what a fault of our own leaves behind: nobody may wait for ever on this thread
        failure = FatalError(f"the writer of the database {self._path} ended", hint="restart syncd; please report this")
        try:
            self._group = self._intake.take()
            while self._group:
                self._write(self._group)
                self._group = self._intake.take()
        except sqlite3.Error as error:
            failure = explain(error, self._path)
            failure.__cause__ = error
        finally:
            self._intake.close(failure.message, hint=failure.hint)
            self._abandon(failure)

    def _abandon(self, failure: FatalError) -> None:
        with suppress(sqlite3.Error):
            self._connection.rollback()
        while self._group:
            for job in self._group:
                if not job.future.done():
                    refusal = FatalError(failure.message, hint=failure.hint)
                    refusal.__cause__ = failure.__cause__
                    job.future.set_exception(refusal)
            self._group = self._intake.take()

    def _write(self, jobs: list[Job]) -> None:
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        results: list[object] = []
        self._connection.execute("BEGIN IMMEDIATE")
        for apply, group in groupby(jobs, key=attrgetter("apply")):
            results += self._apply(apply, [job.work for job in group])
        with checkpoint.STORE_COMMIT:
            self._connection.execute("COMMIT")
        for job, result in zip(jobs, results, strict=True):
            if isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)

    def _apply(self, apply: Apply, works: list[object]) -> Sequence[object]:
        """All at once; where that is refused one by one, so that a bad value harms none but its own job."""
        self._connection.execute("SAVEPOINT works")
        results: Sequence[object]
        try:
            results = apply(self._connection, works)
        except _REFUSED as error:
            self._connection.execute("ROLLBACK TO works")
            results = [error] if len(works) == 1 else [self._apply(apply, [work])[0] for work in works]
        self._connection.execute("RELEASE works")
        return results


def _run_tasks(connection: sqlite3.Connection, tasks: Sequence[Task[Any]]) -> list[object]:
    return [task(connection) for task in tasks]
