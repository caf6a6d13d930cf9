"""Threads that help with one large file: few for each, and bounded for all files of a pair."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from functools import partial
from typing import Generic, TypeVar

from syncd.engine.pool import Promise

AT_ONCE = 4
"""So many pieces of one file are under way at once."""

STREAMS = 8
"""So many pieces of all large files of a pair at about: the more files there are, the fewer helpers each one needs."""

T = TypeVar("T")


class Crew:
    """Helpers for who works on a large file. A caller who finds none works alone, and looks again at each piece."""

    def __init__(self, streams: int = STREAMS) -> None:
        self._streams = streams
        self._busy = 0  # callers and helpers
        self._lock = threading.Lock()

    def each(self, tasks: Sequence[T], work: Callable[[T], object], *, most: int = AT_ONCE) -> None:
        """Do `work` on every task, begun in order, the caller among others. The first failure ends all and is raised.

        When it returns or raises, nobody is at it any more.
        """
        rest = _Rest(tasks)
        helping: list[Promise] = []

        def lead(task: T) -> None:
            while rest.left and sum(not one.future.done() for one in helping) < most - 1 and self._hire():
                helper = Promise(partial(self._help, rest, work), room=False)
                try:
                    threading.Thread(target=helper.keep, name="transfer part", daemon=True).start()
                except RuntimeError:  # no thread can be had: it goes on alone
                    self._leave()
                    break
                helping.append(helper)
            work(task)

        with self._caller():
            try:
                rest.work_off(lead)
            finally:
                wait([one.future for one in helping])
        for one in helping:
            one.future.result(timeout=0)

    def _help(self, rest: _Rest[T], work: Callable[[T], object]) -> None:
        try:
            rest.work_off(work, goes_on=lambda: self._busy <= self._streams)
        finally:
            self._leave()

    @contextmanager
    def _caller(self) -> Iterator[None]:
        with self._lock:
            self._busy += 1
        try:
            yield
        finally:
            self._leave()

    def _hire(self) -> bool:
        with self._lock:
            free = self._busy < self._streams
            self._busy += free
            return free

    def _leave(self) -> None:
        with self._lock:
            self._busy -= 1


class _Rest(Generic[T]):
    """What nobody has begun yet."""

    def __init__(self, tasks: Sequence[T]) -> None:
        self.left = len(tasks)
        self._tasks: Iterator[T] = iter(tasks)
        self._lock = threading.Lock()
        self._failed = False

    def work_off(self, work: Callable[[T], object], *, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Take one after the other, until none is left, somebody failed, or it does not go on."""
        try:
            while goes_on() and (task := self._next()) is not None:
                work(task[0])
        except BaseException:
            with self._lock:
                self._failed, self.left = True, 0
            raise

    def _next(self) -> tuple[T] | None:
        with self._lock:
            if self._failed:
                return None
            for task in self._tasks:
                self.left -= 1
                return (task,)
            return None
