"""One path from look to durable outcome: claimed, decided, executed, recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from syncd import events
from syncd.core.classify import Sides, settled
from syncd.core.clearing import ALL_DUE, Clearance
from syncd.core.model import Mode, Record
from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine.backlog import Backlog
from syncd.engine.breaker import GOES_UP
from syncd.engine.commit import history
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.execute import execute
from syncd.engine.observe import decide_step, listed_by_facts, sides_of
from syncd.engine.outcome import Outcome, Result
from syncd.engine.pool import Pool
from syncd.engine.step import Step
from syncd.errors import InUse, ItemError, PairHalted, RemoteError, RemoteKind, Stale, SyncdError
from syncd.ports import Commit

LOOKS = 3
"""So often a path is looked at in one go; after that it is contended and waits."""


class Worksite:
    """Works on single paths of one pair. Every call ends by handing exactly one Outcome to `report`."""

    def __init__(self, context: Context, pool: Pool, backlog: Backlog, *, dry: bool = False) -> None:
        self._context = context
        self._pool = pool
        self._backlog = backlog
        self._dry = dry
        self.clearance: Clearance = ALL_DUE  # which cleanable files are due; a pass knows

    def cleans(self, record: Record | None) -> bool:
        """Whether the path would be cleaned now, if the record allows it."""
        return self._context.pair.cleanup and (record is None or not self.clearance.stays(record))

    def look(self, path: RelPath, sides: Sides, *, newest_seq: int | None = None) -> Step | None:
        """Decide for one path. None: nothing to do, or its row changed after the pass began (the next pass has it)."""
        pair = self._context.pair
        if newest_seq is not None and sides.record is not None and sides.record.seq > newest_seq:
            return None
        if settled(sides, mode=pair.mode, cleans=self.cleans(sides.record)):
            self._backlog.done(path)
            return None
        return decide_step(self._context, path, sides, self.clearance)

    def unready(self, path: RelPath, sides: Sides) -> bool:
        """Whether the local file changed and may not be read yet (it is being written)."""
        stat = sides.stat
        if stat is None or self._context.pair.mode is Mode.DOWNLOAD:
            return False
        if sides.record is not None and sides.record.stat == stat:
            return False
        return not self._context.ready(path, stat)

    def run(self, step: Step, cycle: str, report: Callable[[Outcome], None]) -> None:
        """Execute a decided step on this thread; its outcome is reported once it is durable."""
        if step.rule.do in GOES_UP:
            self._backlog.note(step.path, step.size, self._context.clock.now(), "queued")
        looks = 1
        while True:
            try:
                done = execute(self._context, step)
            except Stale as stale:
                retried = None if isinstance(stale, InUse) else self._again(step, looks)
                if retried is None:
                    return report(self.stale(step, str(stale), contended=looks >= LOOKS))
                step, looks = retried, looks + 1
                continue
            except (ItemError, RemoteError) as error:
                return report(self.failed(step, error, cycle))
            return self._settle(step, done, report)

    def _again(self, step: Step, looks: int) -> Step | None:
        """Look once more after a lost race; None where that is enough for now, or another kind of step is needed."""
        if looks >= LOOKS or self._context.stop.stopped():
            return None
        try:
            facts = self._context.objects.head(self._context.key(step.path))
            sides = sides_of(self._context, step.path, listed_by_facts(step.path, facts))
            if self.unready(step.path, sides):
                return None
            again = decide_step(self._context, step.path, sides, self.clearance)
        except (Stale, ItemError, RemoteError, PairHalted):
            return None
        return again if again.rule.do in {*GOES_UP, Do.ADOPT, Do.NOTHING, Do.DOWNLOAD, Do.KEEP_BOTH} else None

    def _settle(self, step: Step, done: Done, report: Callable[[Outcome], None]) -> None:
        if done.commit is None:
            for then in done.after:
                then()
            return report(self._at_once(step, done))

        def durable(future: Future[Record | None]) -> None:
            outcome = self._durable(step, done, future.exception())
            if done.after and outcome.error is None and outcome.result is not Result.STALE:
                self._pool.later(partial(_then, done, partial(report, outcome)))  # unlinks: not on the writer's thread
            else:
                report(outcome)

        self._context.records.commit(done.commit).add_done_callback(durable)
        return None

    def settle_all(self, executed: Sequence[tuple[Step, Done]], report: Callable[[Sequence[Outcome]], None]) -> None:
        """Make several executed steps durable at once; what became of them is reported together.

        For steps that have nothing to do after that.
        """
        through = [(step, done) for step, done in executed if done.commit is None]
        executed = [(step, done) for step, done in executed if done.commit is not None]

        def durable(future: Future[Sequence[object]]) -> None:
            error = future.exception()
            if error is None:
                report([self._durable(step, done, answer) for (step, done), answer in zip(executed, future.result())])
            elif isinstance(error, SyncdError):  # the database itself
                report([self._durable(step, done, error) for step, done in executed])
            else:  # one of them no column takes: each by itself, so that it harms no other
                for step, done in executed:
                    self._settle_alone(step, done, report)

        changes = [done.commit for _, done in executed if done.commit is not None]
        if changes:
            self._context.records.commit_all(changes).add_done_callback(durable)
        if through:  # last: where the database is lost nothing is told, and all of them are dropped
            report([self._at_once(step, done) for step, done in through])

    def _settle_alone(self, step: Step, done: Done, report: Callable[[Sequence[Outcome]], None]) -> None:
        """On the database's own thread, whose callbacks raise to nobody."""
        try:
            self._settle(step, done, lambda outcome: report((outcome,)))
        except SyncdError as error:
            report((self._durable(step, done, error),))

    def _at_once(self, step: Step, done: Done) -> Outcome:
        """What became of a step that leaves nothing to commit."""
        self._through(step, done)
        return _outcome(step, done)

    def _durable(self, step: Step, done: Done, answer: object) -> Outcome:
        """What became of a step whose commit was answered so: an exception refused it."""
        if not isinstance(answer, BaseException):
            outcome = _outcome(step, done)
            self._through(step, done)
            self._say(step, outcome)
            return outcome
        self._backlog.note(step.path, step.size, self._context.clock.now(), "contended")
        if isinstance(answer, SyncdError):
            return Outcome(step=step, result=Result.FAILED, error=answer)
        return Outcome(step=step, result=Result.STALE, reason="the record changed meanwhile")

    def _through(self, step: Step, done: Done) -> None:
        if done.again:
            self._backlog.note(step.path, step.size, self._context.clock.now(), "queued", done.again)
        else:
            self._backlog.done(step.path)

    def _say(self, step: Step, outcome: Outcome) -> None:
        if outcome.bytes_up or outcome.bytes_down or step.rule.do in {Do.UPLOAD, Do.DOWNLOAD}:
            self._context.events.emit(
                events.TRANSFER_FINISHED,
                pair=self._context.pair.name,
                path=step.path,
                rule=step.rule.id,
                bytes=outcome.bytes_up + outcome.bytes_down,
            )

    def stale(self, step: Step, reason: str, *, contended: bool = False) -> Outcome:
        """A lost race: the next pass looks again."""
        state = "contended" if contended else "writing"
        self._backlog.note(step.path, step.size, self._context.clock.now(), state, reason)
        return Outcome(step=step, result=Result.STALE, reason=reason)

    def failed(self, step: Step, error: SyncdError, cycle: str) -> Outcome:
        """A failed item is a value: said, remembered, and the others go on.

        Where the credentials have expired, no file is to blame: the section says that once, and the file waits.
        """
        context = self._context
        if isinstance(error, RemoteError) and error.kind is RemoteKind.EXPIRED:
            self._backlog.note(step.path, step.size, context.clock.now(), "queued", str(error))
            return Outcome(step=step, result=Result.FAILED, error=error)
        context.events.emit(
            events.TRANSFER_FAILED,
            pair=context.pair.name,
            path=step.path,
            rule=step.rule.id,
            cycle=cycle,
            **error.said,
        )
        if not self._dry:
            row = history(context, step, error=str(error), result="failed", cycle=cycle)
            context.records.commit(Commit(history=row))
        self._backlog.note(step.path, step.size, context.clock.now(), "failed", str(error))
        return Outcome(step=step, result=Result.FAILED, error=error)


def _outcome(step: Step, done: Done) -> Outcome:
    result = Result.WAITING if done.again else Result.DONE
    return Outcome(step=step, result=result, bytes_up=done.bytes_up, bytes_down=done.bytes_down, reason=done.again)


def _then(done: Done, report: Callable[[], None]) -> None:
    """What may follow only now, and then the outcome: nobody closes the pool before."""
    try:
        for then in done.after:
            then()
    finally:
        report()
