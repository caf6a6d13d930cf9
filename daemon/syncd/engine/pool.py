"""The threads that move bytes, shared by all pairs, with a bound on what waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

AHEAD = 4
"""So many tasks per thread may wait: the merge stays a little ahead, and memory stays bounded."""


class Pool:
    """A bounded thread pool. `submit` waits for room; `later` never does (small after-work of a finished task)."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="transfer")
        self._room = threading.BoundedSemaphore(threads * AHEAD)

    def submit(self, task: Callable[[], None]) -> Future[None]:
        """Run it on a thread of the pool, once there is room. The future carries what it raised."""
        self._room.acquire()

        def run() -> None:
            try:
                task()
            finally:
                self._room.release()

        try:
            return self._executor.submit(run)
        except RuntimeError:  # shut down: nothing runs any more
            self._room.release()
            raise

    def later(self, task: Callable[[], None]) -> None:
        """Run it on a thread of the pool, whenever."""
        self._executor.submit(task)

    def idle(self, seconds: float) -> bool:
        """Whether nothing runs or waits, after so long at most. For stopping, when nobody submits any more."""
        taken = 0
        try:
            for _ in range(self.threads * AHEAD):
                if not self._room.acquire(timeout=seconds):
                    return False
                taken += 1
            return True
        finally:
            for _ in range(taken):
                self._room.release()

    def close(self) -> None:
        """Wait for what runs; drop what does not run yet (it was promised to nobody)."""
        self._executor.shutdown(wait=True, cancel_futures=True)
