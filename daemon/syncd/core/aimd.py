"""How many requests a second an endpoint bears: found by its refusals. Up by addition, down by multiplication."""

from __future__ import annotations

from dataclasses import dataclass

CUT = 0.7
"""What is left of the rate after a refusal."""

CUTS_APART_S = 1.0
"""Refusals of requests that were under way together are one refusal."""

BORNE = 0.02
"""So large a share of refusals is noise of the store, which the retries bear: no reason to slow down everybody."""

LEAST = 5.0
"""Requests a second: so an endpoint that comes back is noticed, and a pass over one that is away ends."""

GROWTH = 0.05
"""Of the rate at the last cut, a second."""

HASTE_S = 20.0
"""After so long without a refusal it grows twice as fast, and so on: what was borne a minute ago says little."""

MOMENT_S = 0.05
"""The shortest span that says how many answers come in a second."""

FORGOTTEN_S = 120.0
"""After so long without a refusal there is no limit any more."""


@dataclass(slots=True, kw_only=True)
class Flow:
    """What is known of an endpoint. `rate`: requests a second at `cut_at`; None: no limit was met.

    `done` and `refused` count since `counted_from`; `before` is how many a second were done in the second before that.
    """

    rate: float | None = None
    cut_at: float = float("-inf")
    cut_from: float = 0.0
    counted_from: float = float("-inf")
    done: int = 0
    refused: int = 0
    before: float | None = None

    def rate_at(self, now: float) -> float | None:
        """Requests a second that are let through now. None: any number."""
        since = now - self.cut_at
        if self.rate is None or since > FORGOTTEN_S:
            return None
        return self.rate + max(1.0, GROWTH * self.cut_from) * since * (1 + since / HASTE_S)

    def answer(self, now: float, *, refused: bool) -> bool:
        """Count one more answer. True: it cut the rate, which happens once for those that were under way together."""
        self._count(now)
        if not refused:
            self.done += 1
            return False
        self.refused += 1
        if now - self.cut_at < CUTS_APART_S or self.refused <= BORNE * (self.done + (self.before or 0.0)):
            return False
        allowed, borne = self.rate_at(now), self._borne(now)
        self.cut_from = max(LEAST, borne if allowed is None else min(allowed, borne))
        self.rate, self.cut_at = max(LEAST, self.cut_from * CUT), now
        return True

    def _borne(self, now: float) -> float:
        """How many a second it does: of the last second, or of this one where that did more or was none of ours."""
        this = self.done / max(now - self.counted_from, MOMENT_S)
        return this if self.before is None else max(self.before, float(self.done))

    def _count(self, now: float) -> None:
        """Begin the count anew every second; a pause leaves nothing to count."""
        span = now - self.counted_from
        if span >= 1.0:
            self.before = self.done / span if span < 3.0 else None
            self.counted_from, self.done, self.refused = now, 0, 0
            self.rate = None if self.rate_at(now) is None else self.rate
