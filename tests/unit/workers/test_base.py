"""The worker's base: its loop, its wakes, and what a crash leaves behind. Real threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from structlog.contextvars import get_contextvars

from support.processes import eventually
from support.recorded import KeptEvents
from syncd import events
from syncd.errors import FatalError
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.workers.base import Worker

Round = Callable[["Rounds", frozenset[str], Payloads], float | None]


class Rounds(Worker):
    """A worker whose rounds are a function, and that remembers them."""

    def __init__(self, do: Round, *, deadline: float = 10) -> None:
        self.said = KeptEvents()
        super().__init__("rounds", deadline=deadline, stop=Stop(), events=self.said, clock=SystemClock())
        self.do = do
        self.rounds: list[tuple[frozenset[str], Payloads]] = []
        self.closed = 0

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        self.rounds.append((reasons, payloads))
        return self.do(self, reasons, payloads)

    def close(self) -> None:
        self.closed += 1


@contextmanager
def running(worker: Rounds) -> Iterator[Rounds]:
    worker.start()
    try:
        yield worker
    finally:
        worker.stop.abandon()
        assert worker.join(10)


def test_the_first_round_comes_by_itself_and_the_next_by_a_wake() -> None:
    with running(Rounds(lambda *_: None)) as worker:
        eventually(lambda: len(worker.rounds) == 1, within=5, what="the first round")
        worker.wake("dirty", "a")
        eventually(lambda: len(worker.rounds) == 2, within=5, what="a woken round")
    assert [reasons for reasons, _ in worker.rounds] == [{"start"}, {"dirty"}]
    assert worker.rounds[1][1]["dirty"] == ("a",)


def test_a_round_asks_for_the_next_in_seconds() -> None:
    with running(Rounds(lambda *_: 0.01)) as worker:
        eventually(lambda: len(worker.rounds) >= 3, within=5, what="rounds by time")
    assert worker.rounds[2][0] == {"due"}


def test_a_hundred_wakes_during_a_round_are_one_more_round() -> None:
    entered, go = threading.Event(), threading.Event()

    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        entered.set()
        assert go.wait(10)

    with running(Rounds(do)) as worker:
        assert entered.wait(5)
        for _ in range(100):
            worker.wake("dirty")
        go.set()
        eventually(lambda: worker.health().state == "idle" and len(worker.rounds) == 2, within=5, what="one more round")
    assert len(worker.rounds) == 2


def test_a_stop_lets_the_round_finish_begins_no_other_and_closes() -> None:
    entered, go = threading.Event(), threading.Event()

    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> float:
        entered.set()
        assert go.wait(10)
        return 0.0

    worker = Rounds(do)
    worker.start()
    assert entered.wait(5)
    worker.wake("dirty")
    worker.stop.drain()
    assert not worker.join(0.01)
    go.set()
    assert worker.join(5)
    assert len(worker.rounds) == 1
    assert worker.closed == 1
    assert not worker.crashed
    assert worker.health().state == "stopped"


def test_a_crash_ends_the_thread_is_told_and_says_why() -> None:
    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        raise ValueError("no such thing")

    worker, exited = Rounds(do), threading.Event()
    worker.start(exited.set)
    assert exited.wait(5)
    assert worker.crashed  # already when on_exit is called, or the supervisor would look too early
    assert worker.health().state == "crashed"
    assert worker.last_error == "ValueError: no such thing"
    assert worker.closed == 1
    (said,) = worker.said.of(events.WORKER_CRASHED)
    assert said["worker"] == "rounds"
    assert "test_base.py" in str(said["trace"])


def test_what_a_crashed_round_had_taken_is_there_after_the_restart() -> None:
    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        if "dirty" in reasons and worker.restarts == 0:
            raise ValueError("once")

    worker = Rounds(do)
    worker.start()
    worker.wake("dirty", "a")
    eventually(lambda: worker.crashed, within=5, what="the crash")
    with running(worker):
        eventually(lambda: "restart" in worker.rounds[-1][0], within=5, what="the restart")
    reasons, payloads = worker.rounds[-1]
    assert {"restart", "dirty"} <= reasons
    assert payloads["dirty"] == ("a",)
    assert worker.restarts == 1
    assert worker.health().last_restart_age_s is not None


def test_a_fatal_error_is_kept_for_the_supervisor() -> None:
    broken = FatalError("the database is broken")

    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        raise broken

    worker = Rounds(do)
    worker.start()
    eventually(lambda: worker.crashed, within=5, what="the crash")
    assert worker.fatal is broken


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_leaves_by_systemexit_counts_as_crashed() -> None:
    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        raise SystemExit

    worker = Rounds(do)
    worker.start()
    eventually(lambda: worker.crashed, within=5, what="the end")
    assert worker.join(5)


def test_its_thread_and_its_log_context_carry_its_name() -> None:
    seen: list[object] = []

    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        seen.extend((threading.current_thread().name, get_contextvars().get("worker")))

    with running(Rounds(do)):
        eventually(lambda: len(seen) == 2, within=5, what="a round")
    assert seen == ["rounds", "rounds"]


def test_a_round_that_hangs_is_silent_and_one_that_waits_is_not() -> None:
    hang, wait, go = threading.Event(), threading.Event(), threading.Event()

    def do(worker: Rounds, reasons: frozenset[str], payloads: Payloads) -> None:
        assert hang.wait(10)
        with worker.progress.waiting("s3"):
            wait.set()
            assert go.wait(10)

    with running(Rounds(do, deadline=0.02)) as worker:
        eventually(lambda: worker.silent, within=5, what="silence")
        assert worker.health().state == "silent"
        hang.set()
        assert wait.wait(5)
        assert not worker.silent
        assert (worker.health().state, worker.health().waiting_on) == ("waiting", "s3")
        go.set()


def test_it_does_not_run_twice_at_once() -> None:
    with running(Rounds(lambda *_: None)) as worker, pytest.raises(RuntimeError, match="rounds"):
        worker.start()
