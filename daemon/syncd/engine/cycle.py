"""One full pass: see both sides, decide every path, let new content go at once, guard the rest, make it durable."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from syncd import events
from syncd.core.classify import Sides
from syncd.core.clearing import Newest
from syncd.core.model import ListedObject, LocalStat
from syncd.core.paths import RelPath
from syncd.core.rules import REFRESH, Do, Rule
from syncd.engine.arrivals import Arrivals
from syncd.engine.backlog import Backlog
from syncd.engine.breaker import Breaker
from syncd.engine.clearance import clearance_of
from syncd.engine.context import Context
from syncd.engine.departures import Departures
from syncd.engine.errands import Errands
from syncd.engine.express import Express
from syncd.engine.guarding import Verdict, judge, settle_plans
from syncd.engine.lane import Ends, Seen
from syncd.engine.looks import Looks
from syncd.engine.observe import sides_of
from syncd.engine.obstacle import obstacle
from syncd.engine.outcome import Outcome, Result
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.engine.rereads import Rereads
from syncd.engine.sight import Sight
from syncd.engine.step import Step
from syncd.engine.sweep import Memory, Sweep
from syncd.engine.tally import Tally
from syncd.engine.turn import Turn
from syncd.engine.work import Worksite
from syncd.errors import ItemError, RemoteError, Stale, SyncdError

FULL = "the store takes no more: it is asked again in the next pass"

LOOKED_AT = Rule(id="look", do=Do.NOTHING, why="looking at it failed or had to wait")


class Cycle:
    """A full pass over one pair, or over one folder of it. Use once.

    `dry`: decide everything, change nothing. `held`: a guard halted the pair, so only what needs no guard runs.
    `memory`: what the passes before it found settled in the same world.
    """

    def __init__(
        self,
        context: Context,
        pool: Pool,
        backlog: Backlog,
        *,
        once: Callable[[str, str], bool],
        under: RelPath | None = None,
        dry: bool = False,
        held: bool = False,
        moved: Callable[[], None] = lambda: None,
        memory: Memory | None = None,
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.tally = Tally()
        self.steps: list[Step] = []  # of a dry pass: every step; else those staged for the guard
        self._context = context
        self._pool = pool
        self._backlog = backlog
        self._site = Worksite(context, pool, backlog, dry=dry)
        self._sight = Sight(newest=Newest(context.pair.cleanup_keep_newest))
        self._once = once
        self._under = under
        self._dry = dry
        self._held = held
        self._moved = moved
        self._memory = memory
        self._lock = threading.Lock()
        self._breaker = Breaker()
        self._errands = Errands(pool, self._breaker)
        self._turn = Turn()

    def run(self) -> CycleReport:
        """Do the pass. Raises RemoteError or PairHalted where a side was not seen whole; nothing is removed then."""
        started, began = self._context.clock.now(), self._context.clock.monotonic()
        newest = self._context.records.seq()
        whole = self._under is None and not self._dry
        number = self._backlog.begin() if whole else 0
        self._context.tree.check_root()
        self._site.clearance = clearance_of(self._context)
        try:
            self._merge(newest)
        finally:
            self._errands.wait()
        self._breaker.check()
        self._context.tree.check_root()
        self._spare_newest()
        verdict = Verdict(allowed=()) if self._dry or self._held else self._judge()
        self._run_staged(verdict)
        self._breaker.check()
        self._note_unseen()
        if whole and not self._stopped():
            if not verdict.plan_id:
                settle_plans(self._context)
            self._backlog.forget_unmet(number)
        return self._report(started, self._context.clock.monotonic() - began, verdict)

    def _spare_newest(self) -> None:
        """The records knew which files were the newest when the pass began; by now the scan has seen them all."""
        newest = self._sight.newest
        if newest.most:
            self.steps = [
                step
                for step in self.steps
                if step.rule.do is not Do.CLEAN or not newest.holds(step.stat.mtime_ns, step.path)
            ]

    def _note_unseen(self) -> None:
        """What could not be looked into holds files, for all we know, that are not safe yet."""
        now = self._context.clock.now()
        for path, reason in self._sight.unreadable:
            self._backlog.note(path, 0, now, "failed", reason)
        for bucket in self._context.objects.incomplete:
            self._backlog.note(RelPath(bucket), 0, now, "failed", "the bucket could not be listed")

    def _stopped(self) -> bool:
        return self._context.stop.stopped()

    # --- the streams ---

    def _merge(self, newest: int) -> None:
        parts = self._context, self._site, self._pool
        up = Express(*parts, self._ends(newest, lambda _: None), self._turn, self._breaker)
        down = Arrivals(*parts, self._ends(newest, lambda listed: listed), self._turn, self._breaker)
        again = Rereads(*parts, self._ends(newest, lambda seen: seen.listed), self._turn, self._breaker)
        looks = Looks(*parts, self._ends(newest, lambda seen: seen.listed), self._turn)

        def paged() -> None:
            again.flush()  # nobody else gets what they hold, and a listing may take its time
            looks.flush()

        def moved() -> None:
            self._moved()
            for way in (up, down, again, looks):
                way.hurry()

        sweep = Sweep(
            self._context,
            self._sight,
            once=self._once,
            cleans=self._site.cleans,
            moved=moved,
            paged=paged,
            newest=newest,
            memory=None if self._dry or self._context.pair.layout == "buckets" else self._memory,
        )
        with closing(up), closing(down), closing(again), closing(looks):
            for path, stat, listed, record in sweep.rows(self._under):
                if self._stopped() or self._breaker.tripped:
                    break
                if not self._dry:
                    if record is None:
                        short = self._goes_short(path, stat, listed, up, down)
                    else:
                        short = again.offer(path, stat, listed, record) or looks.offer(path, stat, listed, record)
                    if short:
                        continue
                self._errands.hand_out(partial(self._look, path, listed, newest))

    def _goes_short(
        self, path: RelPath, stat: LocalStat | None, listed: ListedObject | None, up: Express, down: Arrivals
    ) -> bool:
        """Whether a path that no row knows is only here, or only there, and is taken as that."""
        if listed is None:
            return stat is not None and up.offer(path, stat)
        return stat is None and down.offer(path, listed)

    def _ends(self, newest: int, listed_of: Callable[[Seen], ListedObject | None]) -> Ends[Seen]:
        """What becomes of what goes the short way."""
        return self._ends_of(lambda path, seen: self._otherwise(path, listed_of(seen), newest))

    def _ends_of(self, otherwise: Callable[[RelPath, Seen], bool]) -> Ends[Seen]:
        def dropped(path: RelPath) -> None:
            self._context.claims.release(path)
            self._errands.end()

        return Ends(
            begun=self._errands.begin,
            settled=self._all_finished,
            failed=lambda step, error: self._errands.run(partial(self._fail, step, error)),
            long_way=lambda path, seen: self._errands.run(partial(otherwise, path, seen)),
            dropped=dropped,
            crashed=self._errands.note_crash,
        )

    # --- one path, on a thread of the pool ---

    def _look(self, path: RelPath, listed: ListedObject | None, newest: int) -> bool:
        if self._stopped():
            return False
        if self._dry:  # it changes nothing, so it keeps nobody off
            return self._decide(path, listed, newest)
        if not self._context.claims.take(path):
            self._backlog.meet(path)
            step = Step(path=path, rule=LOOKED_AT, sides=Sides(None, None, listed))
            self.tally.add(Outcome(step=step, result=Result.WAITING, reason="being transferred by the hot path"))
            return False
        return self._claimed(path, listed, newest)

    def _otherwise(self, path: RelPath, listed: ListedObject | None, newest: int) -> bool:
        """The long way of what was to go the short one, and is claimed."""
        if self._stopped() or self._breaker.tripped:
            self._context.claims.release(path)
            return False
        return self._claimed(path, listed, newest)

    def _claimed(self, path: RelPath, listed: ListedObject | None, newest: int) -> bool:
        on_its_way = False
        try:
            on_its_way = self._decide(path, listed, newest)
        finally:
            if not on_its_way:
                self._context.claims.release(path)
        return on_its_way

    def _decide(self, path: RelPath, listed: ListedObject | None, newest: int) -> bool:
        """Look, decide, and run what may run at once. True: the outcome is on its way, claim and count go with it."""
        sides = Sides(None, None, listed)
        try:
            sides = sides_of(self._context, path, listed)
            if not self._dry and self._site.unready(path, sides):
                return self._wait(path, sides, "still being written")
            step = self._site.look(path, sides, newest_seq=newest)
        except Stale as stale:
            return self._wait(path, sides, str(stale) or "changed while it was looked at")
        except (ItemError, RemoteError) as error:
            outcome = self._site.failed(Step(path=path, rule=LOOKED_AT, sides=sides), error, self.id)
            self.tally.add(outcome)
            self._breaker.count(outcome)
            return False
        if step is None:
            return False
        if step.rule.do is Do.NOTHING:
            self._backlog.done(path)
            self.tally.add(Outcome(step=step, result=Result.DONE))
            if self._dry and step.rule.shown_as:
                self._stage(step)
            return False
        if step.rule.do is Do.DOWNLOAD and step.sides.stat is None and self._obstructed(step):
            return False
        if self._dry or _staged(step):
            if not (self._dry and step.rule is REFRESH):  # it touches neither side
                self._stage(step)
            return False
        if self._breaker.full(step):
            return self._wait(path, sides, FULL)
        self._site.run(step, self.id, self._finished)
        return True

    def _obstructed(self, step: Step) -> bool:
        """Whether the key cannot be a file here; said once, left alone, and no failure."""
        reason = obstacle(self._context.tree, step.path)
        if not reason:
            return False
        self._backlog.done(step.path)
        self.tally.count("obstructed")
        if self._once("unrepresentable", step.path):
            self._context.events.emit(
                events.FILE_SKIPPED,
                pair=self._context.pair.name,
                path=step.path,
                kind="unrepresentable",
                reason=reason,
            )
        return True

    def _wait(self, path: RelPath, sides: Sides, reason: str) -> bool:
        step = Step(path=path, rule=LOOKED_AT, sides=sides)
        state = "queued" if reason is FULL else "writing"
        self._backlog.note(path, step.size, self._context.clock.now(), state, reason)
        self.tally.add(Outcome(step=step, result=Result.WAITING, reason=reason))
        return False

    def _stage(self, step: Step) -> None:
        with self._lock:
            self.steps.append(step)

    def _finished(self, outcome: Outcome) -> None:
        self.tally.add(outcome)
        self._breaker.count(outcome)
        self._context.claims.release(outcome.step.path)
        self._moved()
        self._errands.end()

    def _fail(self, step: Step, error: SyncdError) -> bool:
        self._finished(self._site.failed(step, error, self.id))
        return True

    def _all_finished(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.tally.add(outcome)
            self._breaker.count(outcome)
        self._context.claims.release_all(outcome.step.path for outcome in outcomes)
        self._moved()
        self._errands.end(len(outcomes))

    # --- what was staged ---

    def _judge(self) -> Verdict:
        self.steps.sort(key=lambda step: step.path)
        if self._stopped():
            return Verdict(allowed=())
        return judge(self._context, self.steps, self._sight)

    def _run_staged(self, verdict: Verdict) -> None:
        ends: Ends[Step] = self._ends_of(lambda _, step: self._run_claimed(step))
        out = Departures(self._context, self._site, self._pool, ends, self._turn, self._breaker)
        others: list[Step] = []
        with closing(out):  # first, so that none is claimed while large ones are waited for
            for step in verdict.allowed:
                if self._stopped() or self._breaker.tripped:
                    break
                if not out.offer(step):
                    others.append(step)
        for step in others:
            if self._stopped() or self._breaker.tripped:
                break
            self._errands.hand_out(partial(self._run_one, step))
        self._errands.wait()

    def _run_one(self, step: Step) -> bool:
        if self._stopped() or not self._context.claims.take(step.path):
            self.tally.add(Outcome(step=step, result=Result.STALE, reason="another worker has it"))
            return False
        return self._run_claimed(step)

    def _run_claimed(self, step: Step) -> bool:
        on_its_way = False
        try:
            if self._stopped() or self._breaker.tripped:
                return False
            if self._breaker.full(step):
                return self._wait(step.path, step.sides, FULL)
            self._site.run(step, self.id, self._finished)
            on_its_way = True
        finally:
            if not on_its_way:
                self._context.claims.release(step.path)
        return on_its_way

    def _report(self, started: float, duration: float, verdict: Verdict) -> CycleReport:
        sight = self._sight
        shown = dict(self.tally.shown)
        shown["unrepresentable"] = sight.problems["unrepresentable"] + self.tally.counts["obstructed"]
        counts = Counter(self.tally.counts)
        counts.update(skipped=sum(sight.problems.values()), errors=len(sight.unreadable))
        shown["unseen"] = sight.problems["unreadable"] + len(self._context.objects.incomplete)
        return CycleReport(
            id=self.id,
            started_at=started,
            duration_s=duration,
            counts=dict(counts),
            shown=shown,
            bytes_up=self.tally.bytes_up,
            bytes_down=self.tally.bytes_down,
            tracked=self._context.records.count(),
            local_files=sight.local_files,
            local_bytes=sight.local_bytes,
            remote_objects=sight.remote_objects + self.tally.objects,
            renumbered=sight.renumbered,
            unfinished=tuple(self.tally.unfinished),
            halted_plan=verdict.plan_id,
            halt_reason=verdict.reason,
            stopped=self._stopped(),
        )


def _staged(step: Step) -> bool:
    """Whether the step waits for the guard: it removes, or it overwrites what is there. New content goes at once."""
    match step.rule.do:
        case Do.UPLOAD:
            return step.sides.listed is not None
        case Do.DOWNLOAD:
            return step.sides.stat is not None
        case Do.ADOPT | Do.STORE_CONFLICT | Do.MARK_DIVERGED | Do.MARK_SUPERSEDED | Do.RECORD_CLEANED | Do.UNSTAGE:
            return False
        case _:
            return True
