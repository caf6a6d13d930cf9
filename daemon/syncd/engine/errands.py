"""What a pass gives to other threads: each task is counted until its outcome is durable."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from syncd.engine.breaker import Breaker
from syncd.engine.inflight import Inflight
from syncd.engine.pool import Pool

Task = Callable[[], bool]
"""Says whether its outcome is still on its way: its count then goes with that."""


class Errands:
    """Those of one pass. What none of them expected trips the breaker."""

    def __init__(self, pool: Pool, breaker: Breaker) -> None:
        self._pool = pool
        self._breaker = breaker
        self._inflight = Inflight()
        self.begin, self.end, self.wait = self._inflight.begin, self._inflight.end, self._inflight.wait

    def hand_out(self, task: Task) -> None:
        """Let a thread of the pool run it. Waits for room there."""
        self.begin()
        try:
            future = self._pool.submit(partial(self.run, task))
        except BaseException:
            self.end()
            raise
        future.add_done_callback(self.note_crash)

    def run(self, task: Task) -> None:
        """Run one that was begun, on this thread."""
        on_its_way = False
        try:
            on_its_way = task()
        finally:
            if not on_its_way:
                self.end()

    def note_crash(self, future: Future[None]) -> None:
        """What no step expected ends the pass: an unreachable endpoint, a lost root, a broken database, a bug."""
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._breaker.trip(error)
