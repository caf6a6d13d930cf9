"""The pool: bounded, no task lost or run twice, no crash that ends a thread, threads as needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.processes import eventually
from syncd.core.concurrency import Concurrency
from syncd.engine.adaptive import Adaptive, Reading
from syncd.engine.pool import AHEAD, Pool

WITHIN = 20.0


@contextmanager
def pool_of(threads: int | Adaptive) -> Iterator[Pool]:
    pool = Pool(threads)
    try:
        yield pool
    finally:
        pool.close()


class Gate:
    """Holds the tasks that come to it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.inside = 0
        self.most = 0
        self._lock = threading.Lock()

    def task(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.opened.wait(WITHIN)
        with self._lock:
            self.inside -= 1


def test_every_task_runs_once_whoever_submits() -> None:
    done: list[int] = []
    with pool_of(8) as pool:

        def submit(first: int) -> None:
            for number in range(first, first + 500):
                pool.submit(lambda number=number: done.append(number))

        threads = [threading.Thread(target=submit, args=(first,)) for first in (0, 500, 1000, 1500)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN)
        assert pool.idle(WITHIN)
    assert sorted(done) == list(range(2000))


def test_who_submits_waits_for_room_and_after_work_never_does() -> None:
    gate, handed = Gate(), list[int]()
    with pool_of(2) as pool:

        def submit() -> None:
            for number in range(20):
                pool.submit(gate.task)
                handed.append(number)

        submitter = threading.Thread(target=submit)
        submitter.start()
        eventually(lambda: len(handed) == 2 * AHEAD and pool.full, within=WITHIN, what="a full pool")
        after: list[str] = []
        pool.later(lambda: after.append("done"))
        assert not pool.idle(0.05)
        assert gate.most == 2
        assert len(handed) == 2 * AHEAD
        gate.opened.set()
        submitter.join(WITHIN)
        assert pool.idle(WITHIN)
        assert after == ["done"]


def test_no_task_waits_for_a_long_one_while_a_thread_may_be_had() -> None:
    for _ in range(50):
        with pool_of(3) as pool:
            assert pool.submit(lambda: None).result(WITHIN) is None
            all_at_once(pool, 3)


def all_at_once(pool: Pool, count: int) -> None:
    """So many tasks that all wait for each other."""
    gate = Gate()
    for _ in range(count):
        pool.submit(gate.task)
    eventually(lambda: gate.inside == count, within=WITHIN, what="all at once", every=0.001)
    gate.opened.set()


def test_what_a_task_raises_is_in_its_future_and_ends_no_thread() -> None:
    def crash() -> None:
        raise LookupError("a bug")

    with pool_of(1) as pool:
        futures = [pool.submit(crash) for _ in range(3)]
        pool.later(crash)
        assert pool.submit(lambda: None).result(WITHIN) is None
        assert [str(future.exception(WITHIN)) for future in futures] == ["a bug"] * 3
        assert pool.idle(WITHIN)


def test_closing_waits_for_what_runs_and_drops_the_rest() -> None:
    gate, pool = Gate(), Pool(1)
    running = pool.submit(gate.task)
    eventually(lambda: gate.inside == 1, within=WITHIN, what="it runs")
    waiting = pool.submit(lambda: None)
    closer = threading.Thread(target=pool.close)
    closer.start()
    eventually(lambda: waiting.cancelled(), within=WITHIN, what="dropped")
    assert closer.is_alive()
    gate.opened.set()
    closer.join(WITHIN)
    assert running.done()
    with pytest.raises(RuntimeError):
        pool.submit(lambda: None)


def test_a_cancelled_task_never_runs() -> None:
    gate, ran = Gate(), list[str]()
    with pool_of(1) as pool:
        pool.submit(gate.task)
        unwanted = pool.submit(lambda: ran.append("ran"))
        assert unwanted.cancel()
        gate.opened.set()
        assert pool.idle(WITHIN)
    assert ran == []


def far_away(*, most: int = 1000) -> Adaptive:
    return Adaptive(lambda: Reading(ended=0, moved=0, refused=0, most=most), Concurrency(), cpu=lambda: 0.0)


def keep_waiting(pool: Pool, over: threading.Event) -> threading.Thread:
    """Hand it tasks that only wait, until told."""

    def submit() -> None:
        while not over.is_set():
            pool.submit(lambda: over.wait(0.02) and None)

    thread = threading.Thread(target=submit)
    thread.start()
    return thread


def test_waiting_work_gets_more_threads_and_they_end_when_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncd.engine.pool.IDLE_S", 0.1)
    over = threading.Event()
    with pool_of(far_away()) as pool:
        assert pool.threads == 8
        submitter = keep_waiting(pool, over)
        eventually(lambda: pool.threads >= 32 and len(pool._alive) >= 32, within=WITHIN, what="it grows")
        over.set()
        submitter.join(WITHIN)
        assert pool.idle(WITHIN)
        eventually(lambda: not pool._alive and pool._watcher is None, within=WITHIN, what="no thread is left")
        assert pool.submit(lambda: None).result(WITHIN) is None


def test_a_limit_on_the_rate_leaves_few_threads_to_waiting_work() -> None:
    over = threading.Event()
    with pool_of(far_away(most=2)) as pool:
        submitter = keep_waiting(pool, over)
        eventually(lambda: pool.threads == 2 and len(pool._alive) == 2, within=WITHIN, what="two threads")
        over.set()
        submitter.join(WITHIN)
        assert pool.idle(WITHIN)


def test_an_idle_pool_costs_nothing() -> None:
    with pool_of(far_away()) as pool:
        assert pool.submit(lambda: None).result(WITHIN) is None
        eventually(lambda: pool._watcher is None, within=WITHIN, what="nobody looks")
        before = time.process_time()
        threading.Event().wait(0.3)
        assert time.process_time() - before < 0.1
