"""One thread at a time does what costs Python time, as long as it does not wait for something else."""

from __future__ import annotations

import threading
from types import TracebackType

WAIT_S = 0.25
"""Who has the turn for longer waits for a server or a disk: nobody waits for that."""


class Turn:
    """A lock by courtesy. Threads that change at each system call cost twice as much as those that take turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()

    def __enter__(self) -> None:
        self._mine.has = self._lock.acquire(timeout=WAIT_S)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._mine.has:
            self._lock.release()
