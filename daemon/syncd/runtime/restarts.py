"""When a crashed worker is started again: back-off with jitter, and when it is too often. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """Delays double from `first_s` to `longest_s` and begin anew after `healthy_s` without a crash.

    More than `most` crashes within `window_s` are too many.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    healthy_s: float = 300.0
    window_s: float = 600.0
    most: int = 10


class Restarts:
    """The crashes of one worker."""

    def __init__(self, policy: RestartPolicy, chance: Callable[[], float]) -> None:
        """`chance`: a random number in [0, 1)."""
        self._policy = policy
        self._chance = chance
        self._crashes: deque[float] = deque()
        self._in_a_row = 0

    def crashed(self, now: float) -> float | None:
        """Count a crash. Returns the seconds until the restart (half to all of the back-off); None: too many."""
        policy = self._policy
        if self._crashes and now - self._crashes[-1] >= policy.healthy_s:
            self._in_a_row = 0
        self._crashes.append(now)
        while now - self._crashes[0] > policy.window_s:
            self._crashes.popleft()
        if len(self._crashes) > policy.most:
            return None
        delay: float = min(policy.first_s * 2 ** min(self._in_a_row, 30), policy.longest_s)
        self._in_a_row += 1
        return delay * (0.5 + self._chance() / 2)
