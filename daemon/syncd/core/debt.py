"""What was let through before its time, paid off at a rate: a token bucket turned round. Pure: time is given."""

from __future__ import annotations

from dataclasses import dataclass

CLOSE_S = 1e-6
"""A wait so short is none: no clock is that good, and what is left by rounding would be waited for again and again."""


@dataclass(slots=True)
class Debt:
    """So many units may pass a second, `burst` of them at once. `rate` None: any number.

    Who takes is let through as long as no more than `burst` is owed, and then owes what it took: so a large piece
    passes whole, and the next one waits for it. In any span no more passes than rate * span + burst + one piece.
    """

    rate: float | None = None
    burst: float = 0.0
    owed: float = 0.0
    since: float = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next one may take; 0: now."""
        self._settle(now)
        delay = (self.owed - self.burst) / self.rate if self.rate else 0.0
        return delay if delay > CLOSE_S else 0.0

    def take(self, units: float, now: float) -> None:
        """Let so many through."""
        self._settle(now)
        if self.rate:
            self.owed += units

    def change(self, rate: float | None, now: float, *, burst: float = 0.0) -> None:
        """From now on that rate. What is owed is paid off at the new one."""
        self._settle(now)
        self.rate, self.burst = rate, burst

    def _settle(self, now: float) -> None:
        if self.rate:
            self.owed = max(0.0, self.owed - max(0.0, now - self.since) * self.rate)
        else:
            self.owed = 0.0
        self.since = now
