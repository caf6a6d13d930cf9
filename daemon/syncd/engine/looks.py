"""The looks at files that may be cleaned, many in a row on one thread: what they decide waits for the guard."""

from __future__ import annotations

from collections.abc import Sequence

from syncd.core.classify import cleanable
from syncd.core.model import ListedObject, LocalStat, LocalState, Record
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.in_step import InStep, is_there
from syncd.engine.lane import LARGEST, Ends, Group, Lane
from syncd.engine.pool import Pool
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite


class Looks:
    """Those of one pass. Each is the whole look of the long way; only the threads are shared."""

    def __init__(self, context: Context, site: Worksite, pool: Pool, ends: Ends[InStep], turn: Turn) -> None:
        self._context = context
        self._site = site
        self._turn = turn
        self._lane: Lane[InStep] = Lane(context, site, pool, ends, self._work)
        self.hurry, self.flush, self.close = self._lane.hurry, self._lane.flush, self._lane.flush

    def offer(self, path: RelPath, stat: LocalStat | None, listed: ListedObject | None, record: Record) -> bool:
        """Take a small file that is on S3 as recorded and due to go: it costs hardly more than a look. False else."""
        if listed is None or not self._fits(record, stat, listed):
            return False
        return self._lane.take(path, InStep(record, stat, listed))

    def _fits(self, record: Record, stat: LocalStat | None, listed: ListedObject) -> bool:
        if record.local is LocalState.CLEANING:
            due = stat is None
        else:
            due = record.local is LocalState.PRESENT and record.stat == stat and cleanable(record)
        return due and is_there(record, listed) and record.size <= LARGEST and self._site.cleans(record)

    def _work(self, items: Sequence[tuple[RelPath, InStep]], group: Group[InStep]) -> None:
        with self._context.tree.hold(), self._turn:
            for path, _ in items:
                group.goes_otherwise(path)
            group.go_otherwise()
