"""A verification of one pair as a stream of rows in path order, in bounded memory. Changes nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from dataclasses import dataclass, field, replace

from syncd.core import findings as f
from syncd.core.findings import Finding, Sign
from syncd.core.model import ListedObject, LocalStat, Record
from syncd.core.paths import RelPath
from syncd.core.sample import chosen
from syncd.core.verify import Content, Seen, judge
from syncd.engine.breaker import LOST, STRIKES
from syncd.engine.compare import Looked, look_at
from syncd.engine.context import Context
from syncd.engine.merge import merge
from syncd.engine.pool import Pool
from syncd.engine.sight import Seer, Sight
from syncd.errors import RemoteError, Stale
from syncd.ports import StopToken

MOST_AT_ONCE = 8
LOOK_S = 0.5
"""So often a wait looks up: whether anybody still listens, and to say how far it is."""

PROVEN = {f.SAME_READ.id, f.SAME_RECORDED.id, f.SAME_CHECKSUM.id, f.CLEANING.id, f.CLEANED.id, f.CLEANED_READ.id}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is verified. `path`: one file, or all below one folder. `share`: of all paths, drawn by `seed`."""

    path: RelPath | None = None
    share: float = 1.0
    seed: str = ""
    download: bool = False


@dataclass(slots=True)
class Totals:
    """What a verification has come to so far. `expected`: files in all, as far as the records tell."""

    expected: int = 0
    signs: Counter[Sign] = field(default_factory=Counter)
    intended: int = 0
    differences: int = 0
    claimed: int = 0  # of those that are the same: by metadata or size alone
    cleaned: int = 0
    received: int = 0
    skipped: int = 0  # names that can be no file or no key here

    @property
    def done(self) -> int:
        """Rows so far."""
        return sum(self.signs.values())

    def add(self, looked: Looked) -> None:
        """Count one row."""
        finding = looked.finding
        self.signs[finding.sign] += 1
        self.intended += finding.intended
        self.differences += finding.differs
        self.received += looked.received
        self.cleaned += finding.id.startswith("cleaned") and finding.sign is Sign.SAME
        self.claimed += finding.sign is Sign.SAME and finding.id not in PROVEN


class Until:
    """A stop token that is also abandoned when nobody listens any more, or when `end` was called."""

    def __init__(self, stop: StopToken, gone: Callable[[], bool]) -> None:
        self._stop = stop
        self._gone = gone
        self._ended = False

    def end(self) -> None:
        """Drop what is under way."""
        self._ended = True

    def stopped(self) -> bool:
        """Whether nothing new may begin."""
        return self._ended or self._stop.stopped() or self._gone()

    def abandoned(self) -> bool:
        """Whether what is under way is to be dropped: what changes nothing is worth no wait."""
        return self.stopped()

    def wait(self, seconds: float) -> bool:
        """Sleep so long, less if stopped."""
        return self._stop.wait(seconds) or self.stopped()


class Verification:
    """One verification. Iterate it once; `totals` grow meanwhile. `moved` is told now and then.

    Raises RemoteError where the endpoint is away, PairHalted where the root is. Ends early where it is stopped.
    """

    def __init__(
        self,
        context: Context,
        pool: Pool,
        scope: Scope,
        *,
        gone: Callable[[], bool] = lambda: False,
        moved: Callable[[Totals], None] = lambda _: None,
    ) -> None:
        self._until = Until(context.stop, gone)
        self._context = replace(context, stop=self._until)
        self._pool = pool
        self._scope = scope
        self._moved = moved
        self._sight = Sight()
        self._strikes = 0
        self._broken_off = True  # until it has come to its end
        self._ahead = min(MOST_AT_ONCE, max(1, pool.threads // 2))  # passes and transfers keep the other half
        self._waiting: deque[Future[Looked | None]] = deque()
        self.totals = Totals()

    @property
    def stopped(self) -> bool:
        """Whether it was broken off before its end."""
        return self._broken_off

    def __iter__(self) -> Iterator[Looked]:
        self._context.tree.check_root()
        try:
            for looked in self._rows():
                self.totals.add(looked)
                self._moved(self.totals)
                yield looked
            self._context.tree.check_root()
            self._broken_off = self._until.stopped()
        finally:
            self._until.end()
            for future in self._waiting:
                future.cancel()

    def _rows(self) -> Iterator[Looked]:
        waiting, said = self._waiting, set[str]()
        for path, known in self._paths():
            if self._until.stopped():
                return
            waiting.append(self._begin(path, known))
            while len(waiting) >= self._ahead:
                yield from self._next(said)
        while waiting and not self._until.stopped():
            yield from self._next(said)
        if not self._until.stopped():
            yield from self._unseen(said)

    def _next(self, said: set[str]) -> Iterator[Looked]:
        """The row of the path that has waited longest; none where nothing is there by now."""
        looked = self._result(self._waiting[0])
        self._waiting.popleft()
        if looked is not None:
            if looked.finding is f.UNREADABLE:
                said.add(looked.path)
            self._count_strike(looked)
            yield looked

    def _result(self, future: Future[Looked | None]) -> Looked | None:
        while True:
            try:
                return future.result(LOOK_S)
            except StillRunning:
                self._moved(self.totals)
                if self._until.stopped():
                    return None

    def _begin(self, path: RelPath, known: Looked | None) -> Future[Looked | None]:
        future: Future[Looked | None] = Future()
        if known is not None:
            future.set_result(known)
            return future

        def look() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(look_at(self._context, path, download=self._scope.download))
            except Stale:  # stopped
                future.set_result(None)
            except BaseException as error:
                future.set_exception(error)
                raise

        self._pool.submit(look)
        return future

    def _count_strike(self, looked: Looked) -> None:
        """One endpoint that fails for one path after another is away: that is one sentence, not a million rows."""
        error = looked.error
        if isinstance(error, RemoteError) and error.kind in LOST:
            self._strikes += 1
            if self._strikes >= STRIKES:
                raise error
        elif error is None and not looked.finding.intended:
            self._strikes = 0

    # --- which paths ---

    def _paths(self) -> Iterator[tuple[RelPath, Looked | None]]:
        """Every path that is asked for, with what the cheap look settled already."""
        single = self._single()
        if single is not None:
            self.totals.expected = 1
            yield single, None
            return
        scope, sight = self._scope, self._sight
        seer = Seer(self._context, sight, lambda kind, name: False)
        if scope.path is None:
            self.totals.expected = round(self._context.records.count() * scope.share)
        rows = merge(seer.local(scope.path), seer.remote(scope.path), seer.records(scope.path))
        for path, stat, listed, record in rows:
            if self._until.stopped():
                return
            if chosen(path, seed=scope.seed, share=scope.share):
                yield path, self._blind(path, stat, listed) or self._settled(path, stat, listed, record)
        self.totals.skipped = sum(sight.problems.values()) - sight.problems["unreadable"]

    def _single(self) -> RelPath | None:
        """The one file that was asked for, where it is one on any side."""
        path, context = self._scope.path, self._context
        if path is None:
            return None
        known = context.records.get(path) is not None or context.tree.lstat(path) is not None
        return path if known or context.objects.head(context.key(path)) is not None else None

    def _blind(self, path: RelPath, stat: LocalStat | None, listed: ListedObject | None) -> Looked | None:
        """A side that cannot be seen is an error, and nothing follows from it."""
        if stat is None and self._sight.is_blind(path):
            return Looked(path=path, finding=f.UNREADABLE, reason="its folder, or the file itself, cannot be read here")
        if listed is None and path.partition("/")[0] in self._context.objects.incomplete:
            return Looked(path=path, finding=f.UNREADABLE, reason="its bucket could not be listed")
        return None

    def _settled(
        self, path: RelPath, stat: LocalStat | None, listed: ListedObject | None, record: Record | None
    ) -> Looked | None:
        """What the mode leaves on one side on purpose costs no request of its own."""
        if stat is not None and listed is not None:
            return None
        seen = Seen(
            mode=self._context.pair.mode,
            record=record,
            local=None if stat is None else Content(size=stat.size),
            remote=None if listed is None else Content(size=listed.size),
            as_recorded=stat is not None and record is not None and record.stat == stat,
            etag=None if listed is None else listed.etag,
        )
        finding = judge(seen)
        if finding is None or not finding.intended:
            return None
        size = stat.size if stat is not None else listed.size if listed is not None else 0
        return Looked(path=path, finding=finding, reason=finding.why, size=size)

    def _unseen(self, said: set[str]) -> Iterator[Looked]:
        """What could not be looked into and came by no other way."""
        for path, reason in self._sight.unreadable:
            if path not in said and chosen(path, seed=self._scope.seed, share=self._scope.share):
                yield Looked(path=path, finding=f.UNREADABLE, reason=reason)


def sentence(looked: Looked, waits: str = "") -> str:
    """The reason of a row, with why it still waits where that is known."""
    pending: tuple[Finding, ...] = (f.CHANGED_HERE, f.NEW_HERE)
    return f"{looked.reason} ({waits})" if waits and looked.finding in pending else looked.reason
