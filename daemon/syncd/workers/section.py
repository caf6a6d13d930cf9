"""One configured pair at run time: its world once it is open, what it does, and what its last passes told."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from syncd import events
from syncd.config.types import Pair
from syncd.core.inodes import PASSES, renumbered
from syncd.core.model import LocalStat, LocalState, Mode
from syncd.core.paths import RelPath
from syncd.engine.backlog import Backlog
from syncd.engine.claims import Claims
from syncd.engine.context import Context
from syncd.engine.cycle import Cycle
from syncd.engine.leftover import drop_left_uploads, tidy_uploads
from syncd.engine.outcome import Outcome, Result
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.engine.sweep import Memory
from syncd.engine.tally import Tally
from syncd.engine.verify import Scope, Totals, Verification
from syncd.errors import ConfigError, PairHalted, RemoteError, RemoteKind, SyncdError
from syncd.local.stability import Held, Ready, Stability
from syncd.ports import Clock, Events, Openness
from syncd.workers.audited import AuditStanding
from syncd.workers.standing import Standing

HOT_LOST = {RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED, RemoteKind.MISSING}
"""Failures of one hot file that are the endpoint's. A DENIED may be of that key alone."""

SKEW_SAID_S = 60.0
"""Clocks further apart than this are told and shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A pair's world. `prove` sends a canary where it is time for one and gives the world that uses what it found.

    That is the same world where nothing is new. RemoteError where the first of all fails.
    """

    context: Context
    prove: Callable[[Context], Context]


Opener = Callable[["Section"], Opened]


class Section(Standing):
    """A pair with its state. Passes are run by one thread at a time; everything else may be read from any."""

    def __init__(
        self,
        pair: Pair,
        *,
        opener: Opener,
        pool: Pool,
        clock: Clock,
        events: Events,
        requests: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        super().__init__(pair.name, clock=clock, events=events)
        self.pair = pair
        self.backlog = Backlog()
        self.stability = Stability(pair.settle.total_seconds(), pair.settle_max.total_seconds())
        self.watch = "off"
        self.last_report: CycleReport | None = None
        self.last_pass_at: float | None = None
        self.next_pass_at: float | None = None
        self.last_pass_failed = False
        self.tracked = 0
        self.clock_skew_s = 0.0
        self.audit = AuditStanding()
        self.halted_plan = ""
        self.accepted_root = ""
        self._opener = opener
        self._pool = pool
        self._requests = requests
        self._opened: Opened | None = None
        self._tidied: set[tuple[str, ...]] = set()
        self.claims = Claims()
        self._hot = Tally()
        self._remembers: Context | None = None
        self._memory = Memory()
        self._lock = threading.Lock()

    # --- the world ---

    @property
    def context(self) -> Context | None:
        """The open world, if it is open."""
        return None if self._opened is None else self._opened.context

    def open(self) -> Context:
        """Open the root and its records. Raises PairHalted where the root is missing or another one."""
        with self._lock:
            if self._opened is None:
                self._opened = self._opener(self)
            self._opened.context.tree.check_root()
            return self._opened.context

    def close(self) -> None:
        """Forget the open world: the next pass opens it anew."""
        with self._lock:
            self._opened = None

    def reconfigure(self, pair: Pair) -> None:
        """Go on with other settings: what runs ends as it began, the next pass opens the world anew."""
        with self._lock:
            self.pair = pair
            self.stability = Stability(pair.settle.total_seconds(), pair.settle_max.total_seconds())
            self._opened = None

    def prepare(self, *, dry: bool = False) -> Context:
        """Before a pass: the world is open, what an earlier run left is tidied, the endpoint is proven of late."""
        try:
            context = self.open()
        except PairHalted:
            self.close()
            raise
        if dry:
            return context
        self._tidy(context)
        if context.pair.mode is Mode.DOWNLOAD:  # it writes nothing there, a canary neither
            return context
        return self._proved(context)

    def _tidy(self, context: Context) -> None:
        """What an earlier process left goes, once in the life of this one: later there may be some of our own."""
        root, bucket = (str(context.pair.local),), (context.pair.s3.endpoint_url, context.pair.bucket)
        if root not in self._tidied:
            context.tree.sweep_temporaries()
            context.tree.sweep_staged(
                lambda: [record.path for record in context.records.walk() if record.local is LocalState.CLEANING]
            )
        if bucket not in self._tidied:
            tidy_uploads(context)
        else:
            drop_left_uploads(context)
        self._tidied |= {root, bucket}

    def _proved(self, context: Context) -> Context:
        """The world that uses what the canary found, unless another one was opened meanwhile."""
        opened = self._opened
        if opened is None or opened.context is not context:
            return self.prepare()
        proved = opened.prove(context)
        with self._lock:
            if self._opened is opened:
                self._opened = replace(opened, context=proved)
                return proved
        return self.prepare()  # the settings changed meanwhile

    def ready(self, path: RelPath, stat: LocalStat) -> bool:
        """Whether a changed file may be read now: closed, or left alone for `settle`, and not open for writing."""
        context = self.context

        def openness() -> Openness:
            return Openness.UNKNOWN if context is None else context.tree.open_elsewhere(path, for_writing=True)

        verdict = self.stability.consider(path, stat, self._clock.monotonic(), self._clock.now_ns(), openness)
        if isinstance(verdict, Held):
            reason = f"still written after {self.pair.settle_max.total_seconds():g} s"
            self.backlog.note(path, stat.size, self._clock.now(), "held", reason)
            if self.once("held", path):
                self._events.emit(events.FILE_HELD, pair=self.name, path=path, reason=reason)
        return isinstance(verdict, Ready)

    def quiet(self, path: RelPath, stat: LocalStat) -> bool:
        """Whether it was left alone for `settle` by its times, and no event tells otherwise."""
        return self.stability.quiet(path, stat, self._clock.now_ns())

    # --- passes ---

    @property
    def working(self) -> bool:
        """Whether the endpoint answered and nothing is halted: the hot path may send.

        Not before the first pass has tidied: it would take a running upload for one that an earlier process left.
        """
        return bool(self._tidied) and self.state not in {"halted", "unreachable", "auth-expired", "paused", "draining"}

    def run_pass(
        self, *, under: RelPath | None = None, dry: bool = False, moved: Callable[[], None] = lambda: None
    ) -> tuple[CycleReport, Cycle]:
        """One full pass, or one over a folder. Raises what stops it: RemoteError, PairHalted, FatalError."""
        context = self.prepare(dry=dry)
        held = under is not None and bool(self.halted_plan)  # a halted plan is not carried out by instalments
        cycle = Cycle(
            context,
            self._pool,
            self.backlog,
            once=self.once,
            under=under,
            dry=dry,
            held=held,
            moved=moved,
            memory=self._memory_of(context),
        )
        if not dry:
            self._state("scanning" if self.state != "draining" else "draining")
        before = self._requests()
        try:
            report = cycle.run()
        except PairHalted:
            self.close()  # another root, or one that another daemon worked on: the next pass opens what is there then
            raise
        sent = {kind: count - before.get(kind, 0) for kind, count in self._requests().items()}
        report = replace(report, requests=sent)
        if not dry:
            report = self._with_hot(report)
        if not dry:
            self._passed(report, whole=under is None)
        return report, cycle

    def _memory_of(self, context: Context) -> Memory:
        """What passes remember of this very world: another one may decide otherwise."""
        if self._remembers is not context:
            self._remembers, self._memory = context, Memory()
        return self._memory

    def verification(
        self, scope: Scope, *, gone: Callable[[], bool], moved: Callable[[Totals], None] = lambda _: None
    ) -> Verification:
        """Both sides and the record, compared beside whatever else runs. Raises PairHalted where there is no root."""
        return Verification(self.open(), self._pool, scope, gone=gone, moved=moved)

    def _with_hot(self, report: CycleReport) -> CycleReport:
        """The pass, with what the hot path did since the one before: one line tells of both."""
        hot, self._hot = self._hot, Tally()
        counts = Counter(report.counts)
        counts.update({name: count for name, count in hot.counts.items() if name not in {"errors", "waiting"}})
        return replace(
            report,
            counts=dict(counts),
            bytes_up=report.bytes_up + hot.bytes_up,
            bytes_down=report.bytes_down + hot.bytes_down,
        )

    def _passed(self, report: CycleReport, *, whole: bool) -> None:
        now = self._clock.now()
        self._measure_skew()
        if report.stopped:  # broken off: it tells nothing
            return
        if not whole and self.halted_plan:  # only a whole pass ends a halt
            self._state("halted")
            return
        self.last_pass_failed = False
        if whole:
            self.stability.forget_unseen(self._clock.monotonic() - report.duration_s)
            self.last_report, self.last_pass_at, self.tracked = report, now, report.tracked
        self.last_error, self.last_failure = "", None
        if report.halted_plan:
            if report.halted_plan != self.halted_plan:
                self._events.emit(
                    events.PAIR_HALTED, pair=self.name, plan_id=report.halted_plan, reason=report.halt_reason
                )
            self.halted_plan, self.last_error = report.halted_plan, report.halt_reason
        else:
            self.halted_plan = ""
            if not report.errors:
                self.last_success_at = now
            else:
                self.last_error = _first_error(report)
        if whole:
            self._mind_numbers(report)
        expired = _expired(report)
        if expired is None or self.halted_plan:
            self._recovered()
            resting = "idle" if self.paused_until is None else "paused"
            self._state("halted" if self.halted_plan else resting)
        else:  # the listing still went through
            super().failed(expired)
        self._events.emit(
            events.CYCLE_FINISHED,
            pair=self.name,
            cycle=report.id,
            elapsed=round(report.duration_s, 3),
            bytes_up=report.bytes_up,
            bytes_down=report.bytes_down,
            waiting=report.waiting,
            **{name: report.counts.get(name, 0) for name in ("uploaded", "downloaded", "deleted", "cleaned", "errors")},
        )

    def _mind_numbers(self, report: CycleReport) -> None:
        """Give inode numbers up where each pass finds other ones: every file would be read again every time."""
        context = self.context
        if context is None or not context.numbered:
            return
        before = context.records.renumbered_passes()
        passes = before + 1 if renumbered(report.renumbered, report.local_files) else 0
        if passes != before:
            context.records.set_renumbered_passes(passes)
        if passes >= PASSES:
            self._events.emit(
                events.INODES_DROPPED,
                pair=self.name,
                root=str(self.pair.local),
                reason="its file system numbers every file anew each time: size and times tell them apart now",
            )
            self.close()

    def _measure_skew(self) -> None:
        """How far the server's clock is from ours; direction never depends on it, but a person should know."""
        if self.context is None:
            return
        self.clock_skew_s = self.context.objects.server_now() - self._clock.now()
        if abs(self.clock_skew_s) > SKEW_SAID_S and self.once("skew", ""):
            self._events.emit(
                events.CLOCK_SKEWED,
                pair=self.name,
                seconds=round(self.clock_skew_s),
                hint="set this host's clock (timedatectl, chrony), or the server's; times only settle conflicts",
            )

    def failed(self, error: SyncdError) -> None:
        """A pass could not be done: say it once, and show it until one succeeds."""
        if isinstance(error, (PairHalted, ConfigError)):
            self.halted_plan = error.plan_id if isinstance(error, PairHalted) else ""
        self.last_pass_failed = True
        super().failed(error)

    def hot_outcome(self, outcome: Outcome) -> None:
        """What became of a hot file."""
        self._hot.add(outcome)
        if outcome.result is Result.DONE:
            self.last_success_at = self._clock.now()
            self.tracked += outcome.step.record is None
        elif isinstance(outcome.error, RemoteError) and outcome.error.kind in HOT_LOST:
            self.failed(outcome.error)
        self.changed()


def _expired(report: CycleReport) -> RemoteError | None:
    """The refusal of expired credentials that some file of the pass met."""
    for outcome in report.unfinished:
        if isinstance(outcome.error, RemoteError) and outcome.error.kind is RemoteKind.EXPIRED:
            return outcome.error
    return None


def _first_error(report: CycleReport) -> str:
    for outcome in report.unfinished:
        if outcome.error is not None:
            return f"{outcome.step.path}: {outcome.error}"
    return ""
