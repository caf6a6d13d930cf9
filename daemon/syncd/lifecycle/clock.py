"""The real clock."""

from __future__ import annotations

import time


class SystemClock:
    """`ports.Clock` by the kernel's clocks."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds on CLOCK_MONOTONIC, which no one sets; systemd counts by the same."""
        return time.monotonic()
