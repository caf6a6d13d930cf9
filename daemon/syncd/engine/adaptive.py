"""How many threads the pool has: looked at while it works, by what it got done and what that cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from syncd.core.concurrency import Concurrency, Sample

HUNGRY = 0.1
"""Of the tasks, so many threads may have found nothing to do: a pool that waits for work needs no more threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Totals since the start: transfers that ended, bytes that moved, refusals; and how many transfers are of use."""

    ended: int
    moved: int
    refused: int
    most: int


class Gauge(Protocol):
    """Where the totals are read."""

    def __call__(self) -> Reading: ...


@dataclass(frozen=True, slots=True)
class _Mark:
    at: float
    cpu: float
    tasks: int
    hungry: int
    reading: Reading


class Adaptive:
    """The number of threads of one pool. Not thread-safe: one thread of the pool asks."""

    def __init__(
        self,
        gauge: Gauge,
        concurrency: Concurrency,
        *,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._gauge = gauge
        self._concurrency = concurrency
        self._clock = clock
        self._cpu = cpu
        self._last: _Mark | None = None

    @property
    def threads(self) -> int:
        """As many as were found right."""
        return self._concurrency.threads

    def rest(self) -> None:
        """There was nothing to do: what is measured begins anew."""
        self._last = None

    def look(self, *, tasks: int, hungry: int, all_busy: bool) -> int:
        """How many threads there should be. `tasks` that ended and times a thread was `hungry` count from the start."""
        now, reading, last = self._clock(), self._gauge(), self._last
        mark = _Mark(now, self._cpu(), tasks, hungry, reading)
        if last is None:
            self._last = mark
            return min(self.threads, max(1, reading.most))
        done = tasks - last.tasks + reading.ended - last.reading.ended
        if not self._concurrency.due(now - last.at, done):
            return self.threads
        self._last = mark
        sample = Sample(
            seconds=now - last.at,
            tasks=done,
            bytes=reading.moved - last.reading.moved,
            cpu=mark.cpu - last.cpu,
            refused=reading.refused - last.reading.refused,
            busy=all_busy and hungry - last.hungry <= HUNGRY * max(done, 1),
        )
        return self._concurrency.take(sample, now, most=max(1, reading.most))
