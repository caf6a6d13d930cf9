"""The lowest rate at which bytes have to move."""

from __future__ import annotations

import time
from collections.abc import Callable

from syncd.s3.wire.failure import Broken
from syncd.s3.wire.origin import Patience


class Pace:
    """Broken where less than the lowest rate goes through. Only the time counts that the network takes."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._waited = 0.0
        self._bytes = 0

    def through(self, move: Callable[[memoryview], int], data: memoryview) -> int:
        """Move some of it, and see how long that takes."""
        began = time.monotonic()
        count = move(data)
        self.moved(count, time.monotonic() - began)
        return count

    def moved(self, count: int, seconds: float) -> None:
        """So many more bytes went through in so long."""
        self._bytes += count
        self._waited += seconds
        if self._waited < self._patience.over_s:
            return
        if self._bytes < self._patience.rate * self._waited:
            raise Broken(f"{self._bytes} bytes in {self._waited:.0f} s: too slow")
        self._waited, self._bytes = 0.0, 0
