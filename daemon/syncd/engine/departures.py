"""The short way out: small proven files are staged, or unlinked, many in a row on one thread.

Each goes by its own look at its object, as on the long way; only what all of them wait for, the store and the
database, they wait for together.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine import cleaning
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.lane import LARGEST, Ends, Group, Lane
from syncd.engine.lookout import FRESH_S, Lookout
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import ItemError, Stale
from syncd.ports import Commit

Meant = tuple[Lookout, Commit]

GO = frozenset({Do.CLEAN, Do.FINISH_CLEANING})


class Departures:
    """The short way out of one pass, for what its guard allows."""

    def __init__(
        self, context: Context, site: Worksite, pool: Pool, ends: Ends[Step], turn: Turn, breaker: Breaker
    ) -> None:
        self._context = context
        self._turn = turn
        self._breaker = breaker
        self._lane: Lane[Step] = Lane(context, site, pool, ends, self._work)
        self._runs = True
        self.close = self._lane.flush

    def offer(self, step: Step) -> bool:
        """Take a step that lets a small file go; False where it must go the long way. Waits for room in the pool."""
        return self._runs and step.rule.do in GO and step.size <= LARGEST and self._lane.take(step.path, step)

    def _work(self, items: Sequence[tuple[RelPath, Step]], group: Group[Step]) -> None:
        """Ask for all objects, let each file go that they speak for, and stage those whose rows say so by then."""
        looks: list[Lookout] = []
        meant: list[Meant] = []

        def see(look: Lookout) -> bool:
            if self._over():
                return False
            if look.step.rule.do is Do.CLEAN:
                if (intent := group.tried(look.step, partial(self._intent, look))) is not None:
                    meant.append((look, intent))
            elif (done := group.tried(look.step, partial(self._finish, look))) is not None:
                group.done(look.step, done)
            return True

        with self._turn:
            for _, step in items:
                if self._over():
                    return
                if looks and looks[0].old(FRESH_S / 2):  # the others would grow old behind those that are slow to leave
                    group.goes_otherwise(step.path)
                elif (look := group.tried(step, partial(Lookout.start, self._context, step))) is not None:
                    self._begun(look, looks, group)
        self._turn.as_they_come(looks, see, before_waiting=group.commit)
        self._stage(meant, group)

    def _begun(self, look: Lookout, looks: list[Lookout], group: Group[Step]) -> None:
        if look.answer.under_way:
            looks.append(look)
        else:  # each would be waited for, and grow old behind the others
            self._runs = False
            group.goes_otherwise(look.step.path)

    def _intent(self, look: Lookout) -> Commit:
        facts = look.seen()
        with self._context.tree.hold():
            return cleaning.intent(self._context, look.step, facts)

    def _finish(self, look: Lookout) -> Done:
        facts = look.seen()
        with self._context.tree.hold():
            return cleaning.finish(self._context, look.step, facts)

    def _stage(self, meant: Sequence[Meant], group: Group[Step]) -> None:
        """What is meant is made durable, then done; the names of each folder are made to last once."""
        fresh: list[tuple[Step, Commit]] = []
        for look, intent in meant:
            if look.old(FRESH_S):  # behind the slowest answer: somebody may have it open by now
                group.goes_otherwise(look.step.path)
            else:
                fresh.append((look.step, intent))
        if not fresh or self._over():
            return
        written = self._context.records.commit_all([intent for _, intent in fresh]).result()
        staged: list[Step] = []
        with self._turn, self._context.tree.hold():
            for (step, _), answer in zip(fresh, written):
                if isinstance(answer, BaseException):  # the row changed
                    group.goes_otherwise(step.path)
                elif group.tried(step, partial(self._context.tree.stage, step.path, expect=step.stat, durable=False)):
                    staged.append(step)
        for step in {step.path.rpartition("/")[0]: step for step in staged}.values():
            with suppress(Stale, ItemError):  # after a loss of power those may be back, and are cleaned again
                self._context.tree.settle_staged(step.path)
        for step in staged:
            group.done(step, Done(commit=None))

    def _over(self) -> bool:
        """Whether nothing more is begun."""
        return self._context.stop.stopped() or self._breaker.tripped
