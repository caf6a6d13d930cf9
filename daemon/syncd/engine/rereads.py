"""The short way of small files that were written so shortly before they were read that their stat proves nothing.

Every file that goes up as soon as it is closed is one: it is read once more by a later pass, many in a row on one
thread. Whatever then is not what the row says goes the long way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from syncd.core.classify import Sides, cleanable
from syncd.core.model import ListedObject, LocalStat, LocalState, Record, racy
from syncd.core.paths import RelPath
from syncd.core.rules import REFRESH
from syncd.engine import content
from syncd.engine.breaker import Breaker
from syncd.engine.commit import put
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.in_step import InStep, is_there
from syncd.engine.lane import LARGEST, Ends, Group, Lane
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import Stale
from syncd.ports import SmallFiles


class Rereads:
    """The second read of one pass."""

    def __init__(
        self, context: Context, site: Worksite, pool: Pool, ends: Ends[InStep], turn: Turn, breaker: Breaker
    ) -> None:
        self._context = context
        self._site = site
        self._turn = turn
        self._breaker = breaker
        self._lane: Lane[InStep] = Lane(context, site, pool, ends, self._work)
        self.hurry, self.flush, self.close = self._lane.hurry, self._lane.flush, self._lane.flush

    def offer(self, path: RelPath, stat: LocalStat | None, listed: ListedObject | None, record: Record) -> bool:
        """Take a path of which only the content is in question; False where it must go the long way."""
        if stat is None or listed is None or not self._fits(record, stat, listed):
            return False
        return self._lane.take(path, InStep(record, stat, listed))

    def _fits(self, record: Record, stat: LocalStat, listed: ListedObject) -> bool:
        here = record.local is LocalState.PRESENT and record.digest is not None and record.stat == stat
        stays = not (self._site.cleans(record) and cleanable(record))
        return here and stays and is_there(record, listed) and stat.size <= LARGEST and racy(stat, record.looked_ns)

    def _work(self, items: Sequence[tuple[RelPath, InStep]], group: Group[InStep]) -> None:
        with self._context.tree.small_files() as files, self._turn:
            for path, seen in items:
                if self._context.stop.stopped() or self._breaker.tripped:
                    return
                step = Step(path=path, rule=REFRESH, sides=Sides(seen.record, seen.stat, seen.listed))
                done = group.tried(step, partial(self._read, step, seen.record, files))
                if done is not None:
                    group.done(step, done)

    def _read(self, step: Step, record: Record, files: SmallFiles) -> Done:
        """The row as of now. Stale where the file holds something else, or may do so soon."""
        assert record.digest is not None
        looked_ns = self._context.clock.now_ns()
        data = files.read(step.path, step.stat)
        type = record.digest.type
        if content.hashes_of_bytes(self._context, data, frozenset({type.value})).digest(type) != record.digest:
            raise Stale(step.path)
        return Done(commit=put(step, replace(record, looked_ns=looked_ns, seen=None, seen_as=""), row=None))
