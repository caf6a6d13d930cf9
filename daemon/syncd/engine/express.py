"""The short way up: a new, small, quiet file is read whole, sent and recorded, many in a row on one thread.

What makes it short is what is known before: no row, no object, so the rule is always the same one and each write says
`If-None-Match: *`. Whatever then is not as it was seen goes the long way, which looks at all three sides again.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from syncd.core.classify import Sides
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.core.reconcile import Cell, Local, Remote, decide
from syncd.core.rules import Do
from syncd.engine import content
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.outcome import Outcome
from syncd.engine.pool import Pool
from syncd.engine.shipment import Shipment
from syncd.engine.step import Step
from syncd.engine.transferring import uploaded
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import ItemError, RemoteError, Stale
from syncd.ports import SmallFiles

LARGEST = 256 * 1024
"""Up to so many bytes a file is read whole. One is in memory for each thread."""

MOST = 16
"""So many files at most in one go of one thread, and in one commit."""

Item = tuple[RelPath, LocalStat]
Shipped = tuple[Step, Shipment]
Executed = tuple[Step, Done]
T = TypeVar("T")


class Express:
    """The short way of one pass. What is taken is claimed, `begun`, and ends in exactly one of these, on any thread:

    `settled`: it went up, and this became of it. `failed`: the endpoint's fault. `long_way`: it is not as it was seen.
    `dropped`: nothing was done, as the daemon stops. `crashed` is told of each group's future.
    """

    def __init__(
        self,
        context: Context,
        site: Worksite,
        pool: Pool,
        breaker: Breaker,
        *,
        begun: Callable[[], None],
        settled: Callable[[Sequence[Outcome]], None],
        failed: Callable[[Step, RemoteError], None],
        long_way: Callable[[RelPath], None],
        dropped: Callable[[RelPath], None],
        crashed: Callable[[Future[None]], None],
    ) -> None:
        self._context = context
        self._site = site
        self._pool = pool
        self._breaker = breaker
        self._begun = begun
        self._settled = settled
        self._failed = failed
        self._long_way = long_way
        self._dropped = dropped
        self._crashed = crashed
        self._rule = decide(Cell(local=Local.MODIFIED, remote=Remote.ABSENT), context.policy)
        self._runs = self._rule.do is Do.UPLOAD and context.capabilities.put_if_none_match
        self._renames = context.capabilities.copy_if_match and context.capabilities.copy and context.records.seq() > 0
        self._small, self._larger = content.upload_hashes(context, 0), content.upload_hashes(context, LARGEST)
        self._operation = secrets.token_hex(10)
        self._number = 0
        self._turn = Turn()
        self._waiting: list[Item] = []
        self._groups = 0

    def offer(self, path: RelPath, stat: LocalStat) -> bool:
        """Take a file without row and object; False where it must go the long way. Waits for room in the pool."""
        if not (self._runs and stat.size <= LARGEST and self._context.quiet(path, stat)):
            return False
        if not self._context.claims.take(path):
            return False
        self._begun()
        self._waiting.append((path, stat))
        # Single files first, so that every thread has one at once; larger groups once all are busy.
        if len(self._waiting) >= min(MOST, 1 << self._groups // self._pool.threads):
            self.flush()
        return True

    def flush(self) -> None:
        """Let go what waits for company."""
        if self._waiting:
            group, self._waiting = self._waiting, []
            self._groups += 1
            self._pool.submit(partial(self._run, group)).add_done_callback(self._crashed)

    def _run(self, items: Sequence[Item]) -> None:
        """Send all, then hear what became of each: so many wait for the store at once, without a thread for each."""
        left, shipped, executed = deque(items), deque[Shipped](), list[Executed]()
        otherwise: deque[RelPath] = deque()
        try:
            renamed = self._renamed(items)
            with self._context.tree.small_files() as files:
                with self._turn:
                    self._send(left, renamed, files, shipped, otherwise)
                while shipped:
                    step, shipment = shipped.popleft()
                    there = self._tried(step, otherwise, partial(shipment.finish, files))
                    if there is not None:
                        executed.append((step, uploaded(self._context, step, there)))
            while otherwise:
                self._long_way(otherwise.popleft())
        finally:
            for path in (*otherwise, *(step.path for step, _ in shipped), *(path for path, _ in left)):
                self._dropped(path)
            self._settle(executed)

    def _send(
        self,
        left: deque[Item],
        renamed: frozenset[int],
        files: SmallFiles,
        shipped: deque[Shipped],
        otherwise: deque[RelPath],
    ) -> None:
        while left and not (self._context.stop.stopped() or self._breaker.tripped):
            path, stat = left.popleft()
            step = Step(path=path, rule=self._rule, sides=Sides(None, stat, None))
            if stat.inode in renamed or self._breaker.refusing:
                otherwise.append(path)
                continue
            shipment = self._tried(step, otherwise, partial(self._started, step, files))
            if shipment is not None:
                shipped.append((step, shipment))

    def _started(self, step: Step, files: SmallFiles) -> Shipment:
        self._number += 1  # two threads may read the same number: the path in the key tells such operations apart
        operation = f"{self._operation}{self._number:012x}"
        types = self._small if step.stat.size <= content.FREE_MD5 else self._larger
        return Shipment.start(self._context, files, step.path, step.stat, types, operation)

    def _tried(self, step: Step, otherwise: deque[RelPath], act: Callable[[], T]) -> T | None:
        """What that gives; None where it gave nothing, and the path has come, or will come, to another end."""
        try:
            return act()
        except (Stale, ItemError):
            otherwise.append(step.path)
        except RemoteError as error:
            self._failed(step, error)
        except BaseException:
            self._dropped(step.path)
            raise
        return None

    def _settle(self, executed: Sequence[Executed]) -> None:
        if not executed:
            return
        try:
            self._site.settle_all(executed, self._settled)
        except BaseException:
            for step, _ in executed:
                self._dropped(step.path)
            raise

    def _renamed(self, items: Sequence[Item]) -> frozenset[int]:
        """The inodes that some row knows: where a file only changed its name, the store copies."""
        if not self._renames:
            return frozenset()
        return self._context.records.known_inodes([stat.inode for _, stat in items])
