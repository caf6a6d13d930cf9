"""A way that lets only so much pass a second, to each in the order in which it came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from syncd.core.debt import Debt

LOOK_S = 0.5
"""So long a wait at most, before the rate is asked for anew."""


class Lane:
    """`rate(now)` says how much may pass a second at that monotonic time, None for any amount. It may change.

    `rest(seconds)` waits, and is True once transfers are abandoned: then everything passes at once, so that it can end.
    """

    def __init__(
        self,
        rate: Callable[[float], float | None],
        *,
        burst_s: float,
        clock: Callable[[], float],
        rest: Callable[[float], bool],
    ) -> None:
        self._rate = rate
        self._burst_s = burst_s
        self._clock = clock
        self._rest = rest
        self._lock = threading.Lock()
        self._debt = Debt()
        self._queue: deque[threading.Event] = deque()

    def pass_through(self, units: float) -> None:
        """Return when so many may pass, by the rate and after whoever asked before."""
        mine = threading.Event()
        with self._lock:
            if not self._queue:
                if self._taken(units):
                    return
                mine.set()
            self._queue.append(mine)
        try:
            while not mine.wait(LOOK_S):  # once all is abandoned, those before leave too
                continue
            self._wait_at_the_head(units)
        finally:
            self._leave(mine)

    def _wait_at_the_head(self, units: float) -> None:
        while True:
            with self._lock:
                if self._taken(units):
                    return
                delay = self._debt.delay(self._clock())
            if self._rest(min(delay, LOOK_S)):
                return

    def _taken(self, units: float) -> bool:
        now = self._clock()
        rate = self._rate(now)
        if rate != self._debt.rate:
            self._debt.change(rate, now, burst=(rate or 0.0) * self._burst_s)
        if self._debt.delay(now) > 0:
            return False
        self._debt.take(units, now)
        return True

    def _leave(self, mine: threading.Event) -> None:
        with self._lock:
            self._queue.remove(mine)
            if self._queue:
                self._queue[0].set()
