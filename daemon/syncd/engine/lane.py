"""A short way through a pass: paths that are all decided alike go in groups, each group on one thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.outcome import Outcome
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.engine.work import Worksite
from syncd.errors import InUse, ItemError, RemoteError, Stale, SyncdError

LARGEST = 256 * 1024
"""Up to so many bytes a content is held whole in memory."""

MOST = 64
"""So many paths at most in one go of one thread, and in one commit."""

MOST_BYTES = 1 << 20
"""So many bytes of content at about most in one go: each thread holds as many."""

UNDER_WAY = 128
"""So many requests at most are under way at once, each on a connection of its own, where `concurrency` says nothing."""

LINGER_S = 0.5
"""So long a path waits for company at most: a pass may meet the next one in an hour."""

T = TypeVar("T")


class Sized(Protocol):
    """What was seen of a path."""

    @property
    def size(self) -> int: ...


Seen = TypeVar("Seen", bound=Sized)


@dataclass(frozen=True, kw_only=True)
class Ends(Generic[Seen]):
    """What is told of a path that goes the short way: `begun`, and then exactly one of these, on any thread.

    `settled`: it was done, and this became of it. `failed`: another way would fail, too. `long_way`: it is not as it
    was seen. `dropped`: nothing was done, as the daemon stops or the pair is halted. `crashed` is told of the future of
    each group that the pool ran.
    """

    begun: Callable[[], None]
    settled: Callable[[Sequence[Outcome]], None]
    failed: Callable[[Step, SyncdError], None]
    long_way: Callable[[RelPath, Seen], None]
    dropped: Callable[[RelPath], None]
    crashed: Callable[[Future[None]], None]


class Group(Generic[Seen]):
    """The paths of one go. Each is open until it has come to an end."""

    def __init__(self, ends: Ends[Seen], site: Worksite, items: Iterable[tuple[RelPath, Seen]]) -> None:
        self._ends = ends
        self._site = site
        self._open = dict(items)
        self._otherwise: dict[RelPath, None] = {}
        self._executed: list[tuple[Step, Done]] = []

    def tried(self, step: Step, act: Callable[[], T]) -> T | None:
        """What that gives; None where it gave nothing, and the path comes to another end."""
        try:
            return act()
        except InUse as waits:
            del self._open[step.path]
            self._ends.settled([self._site.stale(step, str(waits))])
        except Stale:
            self.goes_otherwise(step.path)
        except (ItemError, RemoteError) as error:
            self.failed(step, error)
        return None

    def failed(self, step: Step, error: SyncdError) -> None:
        """It failed, and another way would not mend it."""
        del self._open[step.path]
        self._ends.failed(step, error)

    def goes_otherwise(self, path: RelPath) -> None:
        """It goes the long way, when all others are through; nothing where it has come to an end."""
        if path in self._open:
            self._otherwise[path] = None

    def done(self, step: Step, done: Done) -> None:
        """It is executed, and is committed with the others."""
        self._executed.append((step, done))

    def go_otherwise(self) -> None:
        """Let those go the long way that must."""
        otherwise, self._otherwise = self._otherwise, {}
        for path in otherwise:
            self._ends.long_way(path, self._open.pop(path))

    def commit(self) -> None:
        """Make durable what was executed so far."""
        executed, self._executed = self._executed, []
        if executed:
            self._site.settle_all(executed, self._ends.settled)
            for step, _ in executed:
                del self._open[step.path]

    def drop(self) -> None:
        """Nothing more is done with what is still open."""
        for path in self._open:
            self._ends.dropped(path)


class Lane(Generic[Seen]):
    """Takes paths with what was seen of them. `work` brings a group to its ends."""

    def __init__(
        self,
        context: Context,
        site: Worksite,
        pool: Pool,
        ends: Ends[Seen],
        work: Callable[[Sequence[tuple[RelPath, Seen]], Group[Seen]], None],
    ) -> None:
        self._context = context
        self._site = site
        self._pool = pool
        self._ends = ends
        self._work = work
        self._waiting: list[tuple[RelPath, Seen]] = []
        self._bytes = 0  # of what waits
        self._since = 0.0  # the first of them waits
        self._groups = 0
        self._under_way = context.pair.s3.concurrency or UNDER_WAY

    def take(self, path: RelPath, seen: Seen) -> bool:
        """Claim a path for the short way; False where somebody has it. Waits for room in the pool."""
        if not self._context.claims.take(path):
            return False
        self._ends.begun()
        if not self._waiting:
            self._since = self._context.clock.monotonic()
        self._waiting.append((path, seen))
        self._bytes += seen.size
        if len(self._waiting) >= self._company() or self._bytes >= MOST_BYTES:
            self.flush()
        return True

    def _company(self) -> int:
        """How many go together: single paths first, so that every thread has one at once; more once all are busy."""
        return min(self._most(), 1 << min(self._groups // self._pool.threads, MOST))

    def _most(self) -> int:
        return min(MOST, max(1, self._under_way // self._pool.threads))

    def go(self, items: Sequence[tuple[RelPath, Seen]]) -> None:
        """Bring these, which the caller has claimed, to their ends: now, and on this thread."""
        left = deque(items)
        try:
            while left:
                group, size = [left.popleft()], 0
                while left and len(group) < self._most() and (size := size + group[-1][1].size) < MOST_BYTES:
                    group.append(left.popleft())
                self._run(group, Group(self._ends, self._site, group))
        finally:
            for path, _ in left:
                self._ends.dropped(path)

    def hurry(self) -> None:
        """Let go what has waited for long enough."""
        if self._waiting and self._context.clock.monotonic() - self._since >= LINGER_S:
            self.flush()

    def flush(self) -> None:
        """Let go what waits for company."""
        if not self._waiting:
            return
        items, self._waiting, self._bytes = self._waiting, [], 0
        self._groups += 1
        group = Group(self._ends, self._site, items)
        try:
            future = self._pool.submit(partial(self._run, items, group))
        except BaseException:
            group.drop()
            raise
        future.add_done_callback(self._ends.crashed)

    def _run(self, items: Sequence[tuple[RelPath, Seen]], group: Group[Seen]) -> None:
        try:
            try:
                self._work(items, group)
            finally:
                group.commit()
            group.go_otherwise()
        finally:
            group.drop()
