"""A small set of paths that just changed here: decided by point reads, never by a listing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import islice

from syncd.core.classify import Sides
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine.backlog import Backlog
from syncd.engine.breaker import Breaker
from syncd.engine.context import Context
from syncd.engine.express import Express
from syncd.engine.lane import Ends
from syncd.engine.observe import decide_step, listed_by_record, sides_of
from syncd.engine.outcome import Outcome
from syncd.engine.pool import Pool
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import ItemError, PairHalted, RemoteError, Stale

TOGETHER = 16
"""So many paths at most are looked at by one thread: a burst is shared by all."""

MET = (Stale, ItemError, RemoteError, PairHalted)
"""What a path may meet on its way."""

RUNS = {Do.UPLOAD, Do.STORE_CONFLICT, Do.ADOPT, Do.MARK_SUPERSEDED}
"""What the hot path does by itself. Deletions and downloads wait for a pass, which sees the whole."""


class HotPath:
    """Sends single paths up at once.

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
        self._ends: Ends[LocalStat] = Ends(
            begun=lambda: None,
            settled=self._all_through,
            failed=lambda step, error: self._through(self._site.failed(step, error, "hot")),
            long_way=lambda path, _: self._long_way(path),
            dropped=context.claims.release,
            crashed=self._note_crash,
        )

    def run(self, paths: Iterable[RelPath]) -> None:
        """Hand the paths to the pool; returns once all have a place in it. Raises what an earlier one crashed with."""
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash
        left = iter(paths)
        while (some := list(islice(left, TOGETHER))) and not self._context.stop.stopped():
            self._pool.submit(partial(self._some, some)).add_done_callback(self._note_crash)

    def _note_crash(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._crash = error
            self._unready()

    def _some(self, paths: Sequence[RelPath]) -> None:
        """Send what may go the short way together; the others by themselves, whichever thread is free."""
        context = self._context
        short = Express(context, self._site, self._pool, self._ends, self._turn, Breaker())
        together: list[tuple[RelPath, LocalStat]] = []
        for path in paths:
            sides = self._taken(path)
            if sides is None or sides.stat is None:
                continue
            if sides.record is None and short.fits(sides.stat):
                together.append((path, sides.stat))
            elif len(paths) == 1:
                self._long_way(path)
            else:
                self._pool.later(partial(self._long_way, path)).add_done_callback(self._note_crash)
        if together:
            short.go(together)

    def _taken(self, path: RelPath) -> Sides | None:
        """A changed file that may be read now, claimed. None: there is nothing to do, or not yet."""
        if self._context.stop.stopped():
            return None
        if not self._context.claims.take(path):
            self._again(path)
            return None
        sides = None
        try:
            sides = self._changed(path)
        except MET as error:
            self._met(path, error)
        finally:
            if sides is None:
                self._context.claims.release(path)
        return sides

    def _met(self, path: RelPath, error: Exception) -> None:
        """What kept a path from going up."""
        if isinstance(error, Stale):
            self._again(path)
            return
        self._forget(path)  # the next pass tries once more, and says so
        self._backlog.note(path, 0, self._context.clock.now(), "failed", str(error))

    def _changed(self, path: RelPath) -> Sides | None:
        sides = sides_of(self._context, path, None)
        if sides.stat is None or (sides.record is not None and sides.record.stat == sides.stat):
            self._forget(path)
            self._backlog.done(path)  # gone, or already as recorded (our own write): the next pass has the rest
            return None
        self._backlog.note(path, sides.stat.size, self._context.clock.now(), "queued")
        if self._site.unready(path, sides):
            self._unready()
            return None
        return sides

    def _long_way(self, path: RelPath) -> None:
        """Look at all its sides, decide and go. The path is claimed."""
        handed_on = False
        try:
            handed_on = self._decide(path)
        except MET as error:
            self._met(path, error)
        finally:
            if not handed_on:
                self._context.claims.release(path)

    def _decide(self, path: RelPath) -> bool:
        record = self._context.records.get(path)
        sides = sides_of(self._context, path, listed_by_record(record))
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

    def _all_through(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self._through(outcome)

    def _through(self, outcome: Outcome) -> None:
        self._context.claims.release(outcome.step.path)
        self._finished(outcome)
