"""One look at the object of a path: asked for at once, and answered for when others are under way too."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.model import ObjectFacts
from syncd.engine.context import Context
from syncd.engine.step import Step
from syncd.errors import Stale
from syncd.ports import Awaited

FRESH_S = 0.5
"""Another host may write after a look: who waited for so long behind others looks again, by itself."""


@dataclass(frozen=True, slots=True)
class Lookout:
    """A HEAD under way. For the thread that asked."""

    context: Context
    step: Step
    answer: Awaited[ObjectFacts | None]
    asked_at: float  # by the monotonic clock

    @classmethod
    def start(cls, context: Context, step: Step) -> Lookout:
        """Ask what lies there. RemoteError."""
        asked_at = context.clock.monotonic()
        return cls(context, step, context.objects.start_head(context.key(step.path)), asked_at)

    def there(self) -> bool:
        """Whether nobody has to wait for the answer."""
        return self.answer.there()

    def seen(self) -> ObjectFacts | None:
        """What lies there. Stale where that may be another one by now; RemoteError."""
        facts = self.answer.take()
        if self.old(FRESH_S):
            raise Stale(self.step.path)
        return facts

    def old(self, seconds: float) -> bool:
        """Whether it was asked for longer ago than that."""
        return self.context.clock.monotonic() - self.asked_at > seconds

    def absent(self) -> Step:
        """The step, as nothing lies there: what a store that holds no precondition is asked before a write."""
        if self.seen() is not None:
            raise Stale(self.step.path)
        return self.step
