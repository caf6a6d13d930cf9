"""Threads that help with one large file: few for each, and bounded for all files of a pair."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Generic, TypeVar

AT_ONCE = 4
"""So many pieces of one file are under way at once."""

SPARE = 8
"""So many helpers all large files of a pair share: the more files there are, the fewer each one needs."""

T = TypeVar("T")


class Crew:
    """Helpers for who works on a large file. A caller who finds none works alone."""

    def __init__(self, spare: int = SPARE) -> None:
        self._spare = threading.BoundedSemaphore(spare) if spare else None

    def each(self, tasks: Sequence[T], work: Callable[[T], object], *, most: int = AT_ONCE) -> None:
        """Do `work` on every task, begun in order, the caller among others. The first failure ends all and is raised.

        When it returns or raises, nobody is at it any more.
        """
        rest = _Rest(tasks)
        with ExitStack() as leaving:
            helpers = self._helpers(min(most, len(tasks)) - 1, leaving)
            if not helpers:
                rest.work_off(work)
                return
            with ThreadPoolExecutor(helpers, thread_name_prefix="transfer part") as threads:
                helping = [threads.submit(rest.work_off, work) for _ in range(helpers)]
                rest.work_off(work)
        for one in helping:
            one.result(timeout=0)

    def _helpers(self, wanted: int, leaving: ExitStack) -> int:
        """How many there are just now; they are free again when `leaving` ends."""
        count = 0
        while self._spare is not None and count < wanted and self._spare.acquire(blocking=False):
            leaving.callback(self._spare.release)
            count += 1
        return count


class _Rest(Generic[T]):
    """What nobody has begun yet."""

    def __init__(self, tasks: Sequence[T]) -> None:
        self._tasks: Iterator[T] = iter(tasks)
        self._lock = threading.Lock()
        self._failed = False

    def work_off(self, work: Callable[[T], object]) -> None:
        """Take one after the other, until none is left or somebody failed."""
        try:
            while (task := self._next()) is not None:
                work(task[0])
        except BaseException:
            self._failed = True
            raise

    def _next(self) -> tuple[T] | None:
        with self._lock:
            if self._failed:
                return None
            for task in self._tasks:
                return (task,)
            return None
