"""The short way up: new, small, quiet files are read whole, sent and recorded, many in a row on one thread.

What makes it short is what is known before: no row, no object, so the rule is always the same one and each write says
`If-None-Match: *`; where a store does not hold that, a look goes before each write. Whatever then
is not as it was seen goes the long way, which looks at all three sides again.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from functools import partial

from syncd.core.classify import Sides
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.core.reconcile import Cell, Local, Remote, decide
from syncd.core.rules import Do
from syncd.engine import content
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.lane import LARGEST, Ends, Group, Lane
from syncd.engine.lookout import Lookout
from syncd.engine.pool import Pool
from syncd.engine.shipment import Shipment
from syncd.engine.step import Step
from syncd.engine.transferring import uploaded
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.ports import Absent, RemoteExpect, SmallFiles, Unchecked

ABSENT = Absent()
UNCHECKED = Unchecked(once=True)


class Express:
    """The short way up of one pass, or of what just changed."""

    def __init__(
        self, context: Context, site: Worksite, pool: Pool, ends: Ends[LocalStat], turn: Turn, breaker: Breaker
    ) -> None:
        self._context = context
        self._turn = turn
        self._breaker = breaker
        self._lane: Lane[LocalStat] = Lane(context, site, pool, ends, self._work)
        self._rule = decide(Cell(local=Local.MODIFIED, remote=Remote.ABSENT), context.policy)
        self._runs = self._rule.do is Do.UPLOAD
        self._expect: RemoteExpect = ABSENT if context.capabilities.put_if_none_match else UNCHECKED
        self._renames = context.capabilities.copy_if_match and context.capabilities.copy
        self._operation = secrets.token_hex(10)
        self._number = 0
        self.go, self.hurry, self.close = self._lane.go, self._lane.hurry, self._lane.flush

    def fits(self, stat: LocalStat) -> bool:
        """Whether such a file, without row and object, may go here."""
        return self._runs and stat.size <= LARGEST

    def offer(self, path: RelPath, stat: LocalStat) -> bool:
        """Take a file without row and object; False where it must go the long way. Waits for room in the pool."""
        return self.fits(stat) and self._context.quiet(path, stat) and self._lane.take(path, stat)

    def _work(self, items: Sequence[tuple[RelPath, LocalStat]], group: Group[LocalStat]) -> None:
        """Send all, then hear what became of each: so many wait for the store at once, without a thread for each."""
        renamed = self._renamed(items)
        looks: list[Lookout] = []
        shipped: deque[Shipment] = deque()

        def send(step: Step) -> None:
            if (shipment := group.tried(step, partial(self._started, step, files))) is not None:
                shipped.append(shipment)

        def look(step: Step) -> None:
            if (begun := self._asked(step, group)) is not None:
                looks.append(begun)

        def see(begun: Lookout) -> bool:
            if self._over():
                return False
            if (step := group.tried(begun.step, begun.absent)) is not None:
                send(step)  # at once: another may write there
            return True

        def hear(shipment: Shipment) -> bool:
            if self._breaker.tripped or shipment.too_late():
                return False  # what arrives all the same, the next pass finds there
            there = group.tried(shipment.step, partial(shipment.finish, files))
            if there is not None:
                group.done(shipment.step, uploaded(self._context, shipment.step, there))
            return True

        def meanwhile() -> None:
            while shipped and shipped[0].there() and hear(shipped.popleft()):
                pass
            group.commit()

        with self._context.tree.small_files() as files:
            with self._turn:
                for path, stat in items:
                    if self._over():
                        break
                    step = Step(path=path, rule=self._rule, sides=Sides(None, stat, None))
                    if stat.inode in renamed or self._breaker.refusing:
                        group.goes_otherwise(path)
                    elif self._expect is UNCHECKED:
                        look(step)
                    else:
                        send(step)
            self._turn.as_they_come(looks, see, before_waiting=meanwhile)
            self._turn.as_they_come(shipped, hear, before_waiting=group.commit)

    def _asked(self, step: Step, group: Group[LocalStat]) -> Lookout | None:
        begun = group.tried(step, partial(Lookout.start, self._context, step))
        if begun is not None and not begun.answer.under_way:  # each would be waited for, and grow old behind the others
            self._runs = False
            group.goes_otherwise(step.path)
            return None
        return begun

    def _over(self) -> bool:
        """Whether nothing more is begun."""
        return self._context.stop.stopped() or self._breaker.tripped

    def _started(self, step: Step, files: SmallFiles) -> Shipment:
        self._number += 1  # two threads may read the same number: the path in the key tells such operations apart
        operation = f"{self._operation}{self._number:012x}"
        types = content.upload_hashes(self._context, step.stat.size)
        return Shipment.start(self._context, files, step, types, operation, expect=self._expect)

    def _renamed(self, items: Sequence[tuple[RelPath, LocalStat]]) -> frozenset[int]:
        """The inodes that some row knows: where a file only changed its name, the store copies."""
        if not self._renames:
            return frozenset()
        return self._context.records.known_inodes([stat.inode for _, stat in items])
