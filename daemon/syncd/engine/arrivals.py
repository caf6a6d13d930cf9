"""The short way down: a new, small object is fetched whole, proven, put in place and recorded, many in a row.

What makes it short is what is known before: no row, no file, so the rule is always the same one and nothing gives way.
Whatever then is not as it was seen, or does not hold what it says, goes the long way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
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
from syncd.ports import Lasting, SmallPlaces, Written

OPEN = 8
"""So many files of a group at most are open at once."""

BRISK_S = 0.001
"""A disk on which even the quickest write of several takes longer is one that is waited for."""

Came = tuple[Arrival, Received]


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
        self._brisk = True  # until writing shows that the disk is slow
        self.hurry, self.close = self._lane.hurry, self._lane.flush

    def offer(self, path: RelPath, listed: ListedObject) -> bool:
        """Take an object without row and file; False where it must go the long way. Waits for room in the pool."""
        return self._runs and listed.size <= LARGEST and not listed.archived and self._lane.take(path, listed)

    def _work(self, items: Sequence[tuple[RelPath, ListedObject]], group: Group[ListedObject]) -> None:
        """Ask for all, write what comes, make it last, put each in its place, and the names too; only then record."""
        context = self._context
        asked: list[Arrival] = []
        came: list[Came] = []
        got: list[tuple[Step, Downloaded]] = []

        def hear(arrival: Arrival) -> bool:
            if self._breaker.tripped or arrival.too_late():
                return False
            received = group.tried(arrival.step, arrival.receive)
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
                sound = [(arrival, received) for arrival, received in came if not received.problem]
                last: list[tuple[Came, Lasting]] = []
                for at in range(0, len(sound), OPEN):
                    last += self._made_to_last(sound[at : at + OPEN], places, group)
                with self._disk():
                    for (arrival, received), lasting in last:
                        have(arrival.step, partial(arrival.place, received, lasting, places))
                places.settle()
        except (ItemError, Stale) as error:  # the disk, or what is ours in the root
            for step, _ in got:  # there, but not for sure: another way would take that for settled
                group.failed(step, _not_durable(step, error))
            for path, _ in items:
                group.goes_otherwise(path)
            return
        for arrival, received in came:
            if received.problem:
                have(arrival.step, partial(arrival.again, received))
        for step, here in got:
            group.done(step, downloaded(context, step, here))

    def _made_to_last(
        self, came: Sequence[Came], places: SmallPlaces, group: Group[ListedObject]
    ) -> list[tuple[Came, Lasting]]:
        """Write them, in turn where the disk is brisk; their folders and their bytes are made to last out of it."""
        written: list[tuple[Came, Written]] = []
        ready = [one for one in came if group.tried(one[0].step, partial(places.prepare, one[0].step.path))]
        quickest, monotonic = BRISK_S, self._context.clock.monotonic
        with self._disk():
            for arrival, received in ready:
                began = monotonic()
                now = group.tried(arrival.step, partial(arrival.write, received, places))
                quickest = min(quickest, monotonic() - began)
                if now is not None:
                    written.append(((arrival, received), now))
        if ready:
            self._brisk = quickest < BRISK_S
        synced = ((one, group.tried(one[0].step, partial(places.sync, now))) for one, now in written)
        return [(one, lasting) for one, lasting in synced if lasting is not None]

    def _disk(self) -> AbstractContextManager[None]:
        """The turn, unless others would wait in it for a disk."""
        return self._turn if self._brisk else nullcontext()


def _not_durable(step: Step, error: ItemError | Stale) -> ItemError:
    if isinstance(error, ItemError):
        return ItemError(step.path, error.message, hint=error.hint)
    return ItemError(step.path, f"{step.path}: its folder went away while it was written", hint="the next pass looks")
