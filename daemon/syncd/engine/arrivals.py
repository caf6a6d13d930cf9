"""The short way down: a new, small object is fetched whole, proven, put in place and recorded, many in a row.

What makes it short is what is known before: no row, no file, so the rule is always the same one and nothing gives way.
Whatever then is not as it was seen, or does not hold what it says, goes the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from syncd.core.classify import Sides
from syncd.core.model import ListedObject, Mode
from syncd.core.paths import RelPath
from syncd.core.reconcile import Cell, Local, Remote, decide
from syncd.core.rules import Do
from syncd.engine.arrival import Arrival, Received
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.download import Downloaded
from syncd.engine.lane import LARGEST, Ends, Group, Lane
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.engine.transferring import downloaded
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import ItemError, Stale


class Arrivals:
    """The short way down of one pass."""

    def __init__(
        self, context: Context, site: Worksite, pool: Pool, ends: Ends[ListedObject], turn: Turn, breaker: Breaker
    ) -> None:
        self._context = context
        self._turn = turn
        self._breaker = breaker
        self._lane: Lane[ListedObject] = Lane(context, site, pool, ends, self._work)
        self._rule = decide(Cell(local=Local.ABSENT, remote=Remote.MODIFIED), context.policy)
        # one of ours that was cleaned looks alike: that is asked on the long way
        cleaned = context.pair.cleanup and context.pair.mode is Mode.BIDIRECTIONAL
        self._runs = self._rule.do is Do.DOWNLOAD and not cleaned
        self.hurry, self.close = self._lane.hurry, self._lane.flush

    def offer(self, path: RelPath, listed: ListedObject) -> bool:
        """Take an object without row and file; False where it must go the long way. Waits for room in the pool."""
        return self._runs and listed.size <= LARGEST and not listed.archived and self._lane.take(path, listed)

    def _work(self, items: Sequence[tuple[RelPath, ListedObject]], group: Group[ListedObject]) -> None:
        """Ask for all, write what comes, make it last, put each in its place, and the names too; only then record."""
        context = self._context
        asked: list[Arrival] = []
        came: list[tuple[Arrival, Received]] = []
        last: list[tuple[Arrival, Received]] = []
        got: list[tuple[Step, Downloaded]] = []

        def hear(arrival: Arrival) -> bool:
            if self._breaker.tripped or arrival.too_late():
                return False
            received = group.tried(arrival.step, partial(arrival.receive, places))
            if received is not None:
                came.append((arrival, received))
            return True

        def have(step: Step, get: Callable[[], Downloaded]) -> None:
            if (here := group.tried(step, get)) is not None:
                got.append((step, here))

        try:
            with context.tree.small_places() as places:
                with self._turn:
                    for path, listed in items:
                        if context.stop.stopped() or self._breaker.tripped:
                            break
                        step = Step(path=path, rule=self._rule, sides=Sides(None, None, listed))
                        if not places.vacant(path):  # an obstacle is seen before a byte is fetched
                            group.goes_otherwise(path)
                        elif (arrival := group.tried(step, partial(Arrival.start, context, step))) is not None:
                            asked.append(arrival)
                self._turn.as_they_come(asked, hear)
                for arrival, received in came:  # out of turn: the disk, or the store, takes its time
                    if received.written is None:
                        have(arrival.step, partial(arrival.again, received))
                    elif group.tried(arrival.step, partial(places.sync, received.written)) is not None:
                        last.append((arrival, received))
                with self._turn:
                    for arrival, received in last:
                        have(arrival.step, partial(arrival.place, received, places))
                places.settle()
        except (ItemError, Stale) as error:  # the disk, or what is ours in the root
            for step, _ in got:  # there, but not for sure: another way would take that for settled
                group.failed(step, _not_durable(step, error))
            for path, _ in items:
                group.goes_otherwise(path)
            return
        for step, here in got:
            group.done(step, downloaded(context, step, here))


def _not_durable(step: Step, error: ItemError | Stale) -> ItemError:
    if isinstance(error, ItemError):
        return ItemError(step.path, error.message, hint=error.hint)
    return ItemError(step.path, f"{step.path}: its folder went away while it was written", hint="the next pass looks")
