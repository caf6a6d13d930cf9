"""What ends a pass before its end: an endpoint that fails for one path after another, or what nobody expected."""

from __future__ import annotations

from syncd.core.rules import Do
from syncd.engine.outcome import Outcome, Result
from syncd.engine.step import Step
from syncd.errors import RemoteError, RemoteKind

LOST = {RemoteKind.UNAVAILABLE, RemoteKind.EXPIRED, RemoteKind.DENIED, RemoteKind.MISSING}
"""Failures that are the endpoint's, not the item's."""

STRIKES = 8

GOES_UP = {Do.UPLOAD, Do.STORE_CONFLICT}


class Breaker:
    """One for all paths of a pass, so that a lost endpoint is one line. Told from several threads; a count may slip."""

    def __init__(self) -> None:
        self._fatal: BaseException | None = None
        self._strikes = 0
        self._refusals = 0

    @property
    def tripped(self) -> bool:
        """Whether the pass is over."""
        return self._fatal is not None

    def trip(self, error: BaseException) -> None:
        """End the pass with that error; the first one stands."""
        if self._fatal is None:
            self._fatal = error

    @property
    def refusing(self) -> bool:
        """Whether the store said of late that it takes no more: uploads go one by one."""
        return self._refusals > 0

    def check(self) -> None:
        """Raise what ended the pass."""
        if self._fatal is not None:
            raise self._fatal

    def count(self, outcome: Outcome) -> None:
        """Eight failures of the endpoint in a row trip it; of a store that takes no more, uploads rest."""
        if outcome.result is Result.DONE:
            self._strikes = 0
            if outcome.step.rule.do in GOES_UP:
                self._refusals = 0
        elif isinstance(outcome.error, RemoteError) and outcome.error.kind is RemoteKind.FULL:
            self._refusals += 1
        elif isinstance(outcome.error, RemoteError) and outcome.error.kind in LOST:
            self._strikes += 1
            if self._strikes >= STRIKES:
                self.trip(outcome.error)

    def full(self, step: Step) -> bool:
        """Whether this would go up, and the store said often enough that it takes no more: the next pass asks again."""
        return self._refusals >= STRIKES and step.rule.do in GOES_UP
