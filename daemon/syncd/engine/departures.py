"""The short way out: small proven files are staged, or unlinked, many in a row on one thread.

Each goes by its own look at its object, as on the long way; only what all of them wait for, the store and the
database, they wait for together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine import cleaning
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.lane import LARGEST, Ends, Group, Lane
from syncd.engine.lookout import Lookout
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.ports import Commit

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
        self.close = self._lane.flush

    def offer(self, step: Step) -> bool:
        """Take a step that lets a small file go; False where it must go the long way. Waits for room in the pool."""
        return step.rule.do in GO and step.size <= LARGEST and self._lane.take(step.path, step)

    def _work(self, items: Sequence[tuple[RelPath, Step]], group: Group[Step]) -> None:
        """Ask for all objects, let each file go that they speak for, and stage those whose rows say so by then."""
        looks: list[Lookout] = []
        meant: list[tuple[Step, Commit]] = []

        def see(look: Lookout) -> bool:
            if self._over():
                return False
            step = look.step
            if step.rule.do is Do.CLEAN:
                if (intent := group.tried(step, lambda: cleaning.intent(self._context, step, look.seen()))) is not None:
                    meant.append((step, intent))
            elif (done := group.tried(step, lambda: cleaning.finish(self._context, step, look.seen()))) is not None:
                group.done(step, done)
            return True

        with self._context.tree.hold():
            with self._turn:
                for _, step in items:
                    if self._over():
                        return
                    if (look := group.tried(step, partial(Lookout.start, self._context, step))) is not None:
                        looks.append(look)
            self._turn.as_they_come(looks, see, before_waiting=group.commit)
            self._stage(meant, group)

    def _stage(self, meant: Sequence[tuple[Step, Commit]], group: Group[Step]) -> None:
        """What is meant is made durable, then done; the names of a folder last once its last file is staged."""
        if not meant:
            return
        written = self._context.records.commit_all([intent for _, intent in meant]).result()
        with self._turn:
            last = set({step.path.rpartition("/")[0]: step.path for step, _ in meant}.values())
            for (step, _), answer in zip(meant, written):
                if isinstance(answer, BaseException):  # the row changed
                    group.goes_otherwise(step.path)
                    continue
                stage = partial(self._context.tree.stage, step.path, expect=step.stat, durable=step.path in last)
                if group.tried(step, stage) is not None:
                    group.done(step, Done(commit=None))

    def _over(self) -> bool:
        """Whether nothing more is begun."""
        return self._context.stop.stopped() or self._breaker.tripped
