"""What waits for the writer: jobs in the order in which they came, handed out in groups."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from time import monotonic
from typing import Any

from syncd.errors import FatalError

IDLE_S = 5.0

Apply = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[object]]
"""Writes several pieces of work and returns as many results; an exception among them fails that piece alone."""


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work, how it is written, until when it may wait for company, and who waits for it."""

    apply: Apply
    work: object
    due: float  # of time.monotonic
    future: Future[Any]


class Intake:
    """A queue that is handed out when a job is due or `limit` are there. `put` waits while `room` jobs are in it."""

    def __init__(self, *, limit: int, room: int) -> None:
        self._limit = limit
        self._room = room
        self._jobs: deque[Job] = deque()
        self._due = math.inf
        self._refusal: tuple[str, str] | None = None
        self._taker = 0
        lock = threading.Lock()
        self._ready = threading.Condition(lock)
        self._space = threading.Condition(lock)

    def put(self, job: Job) -> None:
        """Queue a job. FatalError after `close`."""
        with self._ready:
            # the taker itself (a future's callback) must not wait for its own next step
            while len(self._jobs) >= self._room and not self._refusal and threading.get_ident() != self._taker:
                self._space.wait(IDLE_S)
            if self._refusal:
                raise FatalError(self._refusal[0], hint=self._refusal[1])
            self._jobs.append(job)
            if job.due < self._due:
                self._due = job.due
                self._ready.notify()
            elif len(self._jobs) == self._limit:
                self._ready.notify()

    def take(self) -> list[Job]:
        """Wait for the next group. Empty when closed and all was handed out."""
        with self._ready:
            self._taker = threading.get_ident()
            while len(self._jobs) < self._limit and not self._refusal and (left := self._due - monotonic()) > 0:
                self._ready.wait(min(left, IDLE_S))
            group = [self._jobs.popleft() for _ in range(min(self._limit, len(self._jobs)))]
            if len(self._jobs) >= self._limit:
                self._due = 0.0
            else:
                self._due = min((job.due for job in self._jobs), default=math.inf)
            self._space.notify_all()
            return group

    def close(self, message: str, *, hint: str = "") -> None:
        """Refuse every later job with that FatalError; what waits is due at once. The first refusal stands."""
        with self._ready:
            self._refusal = self._refusal or (message, hint)
            self._ready.notify_all()
            self._space.notify_all()
