"""A small set of paths that just changed here: decided by point reads, never by a listing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial

from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine.backlog import Backlog
from syncd.engine.context import Context
from syncd.engine.observe import decide_step, listed_by_record, sides_of
from syncd.engine.outcome import Outcome
from syncd.engine.pool import Pool
from syncd.engine.work import Worksite
from syncd.errors import ItemError, PairHalted, RemoteError, Stale

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

    def run(self, paths: Iterable[RelPath]) -> None:
        """Hand the paths to the pool; returns once all have a place in it. Raises what an earlier one crashed with."""
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash
        for path in paths:
            if self._context.stop.stopped():
                return
            self._pool.submit(partial(self._one, path)).add_done_callback(self._note_crash)

    def _note_crash(self, future: Future[None]) -> None:
        error = None if future.cancelled() else future.exception()
        if error is not None:
            self._crash = error
            self._unready()

    def _one(self, path: RelPath) -> None:
        if self._context.stop.stopped():
            return
        if not self._context.claims.take(path):
            self._again(path)
            return
        handed_on = False
        try:
            handed_on = self._decide(path)
        except Stale:
            self._again(path)
        except (ItemError, RemoteError, PairHalted) as error:  # the next pass tries once more, and says so
            self._forget(path)
            self._backlog.note(path, 0, self._context.clock.now(), "failed", str(error))
        finally:
            if not handed_on:
                self._context.claims.release(path)

    def _decide(self, path: RelPath) -> bool:
        sides = sides_of(self._context, path, None)
        if sides.stat is None or (sides.record is not None and sides.record.stat == sides.stat):
            self._forget(path)
            self._backlog.done(path)  # gone, or already as recorded (our own write): the next pass has the rest
            return False
        self._backlog.note(path, sides.stat.size, self._context.clock.now(), "queued")
        if self._site.unready(path, sides):
            self._unready()
            return False
        sides = sides_of(self._context, path, listed_by_record(sides.record))
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

    def _through(self, outcome: Outcome) -> None:
        self._context.claims.release(outcome.step.path)
        self._finished(outcome)
