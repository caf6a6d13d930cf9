"""What a pass has handed out and not got back."""

from __future__ import annotations

import threading


class Inflight:
    """Counts tasks from hand-out to durable outcome."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def begin(self) -> None:
        """One more is under way."""
        with self._changed:
            self._count += 1

    def end(self, count: int = 1) -> None:
        """So many are through, whatever became of them."""
        with self._changed:
            self._count -= count
            if self._count <= 0:
                self._changed.notify_all()

    def wait(self) -> None:
        """Until all are through. A stop ends the tasks themselves, so it needs no time-out of its own."""
        with self._changed:
            while self._count > 0:
                self._changed.wait(0.5)
