"""Whether a worker gets on: idle, working, waiting on something, or silent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from syncd.ports import Clock


class Activity(str, Enum):
    """What a worker is doing. Only silence withholds the watchdog's ping."""

    IDLE = "idle"  # between rounds
    WORKING = "working"  # something moved within the deadline
    WAITING = "waiting"  # on something outside, said with its name
    SILENT = "silent"  # in a round, waiting on nothing that it told of, and nothing moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A worker's progress at one moment. Ages in seconds; `on` is what it waits for, empty otherwise."""

    activity: Activity
    age_s: float  # since something moved or a round began or ended
    on: str = ""
    waiting_s: float = 0.0


class Progress:
    """The progress of one worker, marked from any of its threads, read by the supervisor and by status."""

    def __init__(self, clock: Clock, deadline_s: float) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._in_round = False
        self._moved_at = clock.monotonic()
        self._waits: dict[object, tuple[str, float]] = {}

    def moved(self) -> None:
        """Bytes or items moved. Cheap: call it for every piece."""
        self._moved_at = self._clock.monotonic()

    @contextmanager
    def waiting(self, on: str) -> Iterator[None]:
        """Around a wait on what is outside (an answer, a lock, a back-off): it is then no silence."""
        token = object()
        with self._lock:
            self._waits[token] = (on, self._clock.monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._waits[token]
            self.moved()

    @contextmanager
    def round(self) -> Iterator[None]:
        """Around one round of work."""
        self.moved()
        self._in_round = True
        try:
            yield
        finally:
            self._in_round = False
            self.moved()

    def mark(self) -> Mark:
        """The state now."""
        with self._lock:
            wait = next(iter(self._waits.values()), None)  # the oldest
        moved_at = self._moved_at
        now = self._clock.monotonic()
        age = max(now - moved_at, 0.0)
        if not self._in_round:
            return Mark(activity=Activity.IDLE, age_s=age)
        if wait is not None and (moved_at <= wait[1] or age > self._deadline_s):
            return Mark(activity=Activity.WAITING, age_s=age, on=wait[0], waiting_s=max(now - wait[1], 0.0))
        activity = Activity.SILENT if age > self._deadline_s else Activity.WORKING
        return Mark(activity=activity, age_s=age)
