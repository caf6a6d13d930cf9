"""One thread at a time does what costs Python time, as long as it does not wait for something else."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, TypeVar

WAIT_S = 0.25
"""Who has the turn for longer waits for a server or a disk: nobody waits for that."""


class Expected(Protocol):
    """What comes by itself; `there`: nobody has to wait for it."""

    def there(self) -> bool: ...


E = TypeVar("E", bound=Expected)


class Turn:
    """A lock by courtesy, not to be taken twice by one thread.

    Threads that change at each system call cost half as much again as those that take turns.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()

    def __enter__(self) -> None:
        self._mine.has = self._lock.acquire(timeout=WAIT_S)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._mine.has:
            self._lock.release()

    def as_they_come(
        self, expected: Iterable[E], take: Callable[[E], bool], *, before_waiting: Callable[[], None] = lambda: None
    ) -> None:
        """Take each in its order until `take` says no more: in turn where it is there, and out of it who must wait."""
        left = deque(expected)
        goes_on = True
        while left and goes_on:
            if not left[0].there():
                before_waiting()
                goes_on = take(left.popleft())
                continue
            with self:
                while goes_on and left and left[0].there():
                    goes_on = take(left.popleft())
