"""How a round of work is spread evenly over a period, also after a pause. Pure."""

from __future__ import annotations

from dataclasses import dataclass

ROOM = 0.95
"""A round is planned for so much of its period: the rest is for pauses and outages."""

HASTE = 4.0
"""What fell behind is caught up at most so many times faster than the even pace."""

LATE = 0.05
"""Behind by more than this share of the period, it no longer gives way to others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """A round that began at `started` (seconds since the epoch) and takes `period` seconds. Shares are 0..1."""

    started: float
    period: float

    def due(self, done: float) -> float:
        """When that share should be done by: no sooner, so that the load is even."""
        return self.started + done * self.period * ROOM

    def pause(self, before: float, after: float, now: float) -> float:
        """Seconds to rest after a piece of work that went from one share to the other."""
        return max(self.due(after) - now, (after - before) * self.period * ROOM / HASTE)

    def late(self, done: float, now: float) -> bool:
        """Whether it is so far behind that it must go on whatever else happens."""
        return now - self.due(done) > self.period * LATE
