"""A small set of paths that just changed here: decided by point reads, never by a listing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from itertools import islice

from syncd.core.model import ListedObject, LocalStat
from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine.backlog import Backlog
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.express import Express
from syncd.engine.lane import Ends
from syncd.engine.observe import decide_step, listed_by_facts, listed_by_record, sides_of
from syncd.engine.outcome import Outcome
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import ItemError, PairHalted, RemoteError, Stale, SyncdError
from syncd.ports import Openness

LEAST_TOGETHER, MOST_TOGETHER = 4, 16
"""So many paths are looked at by one thread: a burst is shared by all."""

MET = (Stale, ItemError, RemoteError, PairHalted)
"""What a path may meet on its way."""

RUNS = {Do.UPLOAD, Do.STORE_CONFLICT, Do.ADOPT, Do.MARK_SUPERSEDED}
"""What the hot path does by itself. Deletions and downloads wait for a pass, which sees the whole."""


class HotPath:
    """Sends up at once what just changed.

    `again(path)`: look at it once more. `unready()`: one waits for its time. `forget(path)`: it waits no more.
    `hand_over()`: one needs a pass, soon.
    """

    def __init__(
        self,
        context: Context,
        pool: Pool,
        backlog: Backlog,
        *,
        again: Callable[[RelPath], None],
        unready: Callable[[], None],
        forget: Callable[[RelPath], None],
        hand_over: Callable[[], None],
        finished: Callable[[Outcome], None],
    ) -> None:
        self._context = context
        self._pool = pool
        self._site = Worksite(context, pool, backlog)
        self._backlog = backlog
        self._again = again
        self._unready = unready
        self._forget = forget
        self._hand_over = hand_over
        self._finished = finished
        self._crash: BaseException | None = None
        self._turn = Turn()

    def run(self, paths: Collection[RelPath]) -> None:
        """Hand the paths to the pool; returns once all have a place in it. Raises what an earlier one crashed with."""
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash
        left = iter(paths)
        each = min(MOST_TOGETHER, max(LEAST_TOGETHER, -(-len(paths) // self._pool.threads)))
        while (some := list(islice(left, each))) and not self._context.stop.stopped():
            self._pool.submit(partial(self._some, some)).add_done_callback(self._note_crash)

    def _note_crash(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._crash = error
            self._unready()

    # --- on a thread of the pool ---

    def _some(self, paths: Sequence[RelPath]) -> None:
        """Send together what may go the short way, then the others: by themselves where a thread is free for each."""
        breaker = Breaker()
        short = Express(self._context, self._site, self._pool, self._ends(breaker), self._turn, breaker)
        together: dict[RelPath, LocalStat] = {}
        others: list[RelPath] = []
        try:
            for path in paths:
                stat = self._new(path)
                if stat is None or not short.fits(stat):
                    others.append(path)
                elif self._is_ready(path):
                    together[path] = stat
            items, together = list(together.items()), {}
            with suppress(PairHalted):  # each was let go, is looked at again, and tells it
                short.go(items)
        finally:
            self._context.claims.release_all(together)
        for path in others:
            if len(others) > 1 and self._pool.queued < self._pool.threads:
                self._pool.later(partial(self._one, path)).add_done_callback(self._note_crash)
            else:
                self._one(path)

    def _new(self, path: RelPath) -> LocalStat | None:
        """The file, where no row knows it. None for all else, that which cannot be looked at included."""
        with suppress(*MET):
            return self._context.tree.lstat(path) if self._context.records.get(path) is None else None
        return None

    def _is_ready(self, path: RelPath) -> bool:
        """Whether that file may be read now; it is claimed then."""
        return self._claimed(path, lambda: self._ready(path) is not None)

    def _one(self, path: RelPath) -> None:
        """A path by itself, from the first look on."""

        def decided() -> bool:
            stat = self._ready(path)
            return stat is not None and self._decide(path, stat)

        self._claimed(path, decided)

    def _otherwise(self, path: RelPath, stat: LocalStat) -> None:
        """A claimed file that was ready as `stat`, and could not go the short way."""
        tree = self._context.tree

        def decided() -> bool:
            if self._context.stop.stopped():
                return False
            if tree.open_elsewhere(path, for_writing=True) is Openness.OPEN:
                raise Stale(path)
            facts = self._context.objects.head(self._context.key(path))
            return self._decide(path, stat, listed_by_facts(path, facts))

        self._handed_on(path, decided)

    def _claimed(self, path: RelPath, act: Callable[[], bool]) -> bool:
        if self._context.stop.stopped():
            return False
        if not self._context.claims.take(path):
            self._again(path)
            return False
        return self._handed_on(path, act)

    def _handed_on(self, path: RelPath, act: Callable[[], bool]) -> bool:
        """Whether the claim goes with what `act` began; else it is given back."""
        handed_on = False
        try:
            handed_on = act()
        except Stale:
            self._again(path)
        except MET as error:  # the next pass tries once more, and says so
            self._forget(path)
            self._backlog.note(path, 0, self._context.clock.now(), "failed", str(error))
        finally:
            if not handed_on:
                self._context.claims.release(path)
        return handed_on

    def _ready(self, path: RelPath) -> LocalStat | None:
        """A changed file that may be read now. None: there is nothing to do, or not yet."""
        sides = sides_of(self._context, path, None)
        if sides.stat is None or (sides.record is not None and sides.record.stat == sides.stat):
            self._forget(path)
            self._backlog.done(path)  # gone, or already as recorded (our own write): the next pass has the rest
            return None
        self._backlog.note(path, sides.stat.size, self._context.clock.now(), "queued")
        if self._site.unready(path, sides):
            self._unready()
            return None
        return sides.stat

    def _decide(self, path: RelPath, stat: LocalStat, listed: ListedObject | None = None) -> bool:
        """Decide for a file that was ready as `stat`, and go. Stale where it is another one by now."""
        listed = listed or listed_by_record(self._context.records.get(path))
        sides = sides_of(self._context, path, listed)
        if sides.stat != stat:
            raise Stale(path)
        step = decide_step(self._context, path, sides)
        if step.rule.do not in RUNS:
            if step.rule.do is Do.NOTHING:
                self._backlog.done(path)
            else:
                self._backlog.note(path, step.size, self._context.clock.now(), "queued", "the next pass has it")
                self._hand_over()
            return False
        self._site.run(step, "hot", self._through)
        return True

    def _ends(self, breaker: Breaker) -> Ends[LocalStat]:
        return Ends(
            begun=lambda: None,
            settled=self._all_through,
            failed=partial(self._failed, breaker),
            long_way=self._otherwise,
            dropped=self._let_go,
            crashed=self._note_crash,
        )

    def _failed(self, breaker: Breaker, step: Step, error: SyncdError) -> None:
        outcome = self._site.failed(step, error, "hot")
        breaker.count(outcome)
        self._through(outcome)

    def _let_go(self, path: RelPath) -> None:
        self._context.claims.release(path)
        self._again(path)

    def _all_through(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self._through(outcome)

    def _through(self, outcome: Outcome) -> None:
        self._context.claims.release(outcome.step.path)
        self._finished(outcome)
