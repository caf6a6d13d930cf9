"""The rolling audit of one pair: every recorded path read on both sides once in a period, at an even pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from syncd import events
from syncd.core.findings import Sign
from syncd.core.model import Record
from syncd.core.pace import Pace
from syncd.core.paths import RelPath
from syncd.engine.audit import Audited, audit_path, say_differed
from syncd.engine.context import Context
from syncd.engine.verify import Until
from syncd.errors import PairHalted, RemoteError, Stale
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.ports import Clock, Events
from syncd.ports.audits import AuditFinding, AuditRound, AuditStore
from syncd.workers.audited import AuditStanding
from syncd.workers.base import Worker
from syncd.workers.section import HOT_LOST, Section

SETTINGS = "settings"
"""The reason of a round after the configuration was read again."""

LOOK_EVERY_S = 60.0
"""While it may not work."""

REST_MOST_S = 600.0
"""What was found wrong is looked at again so often, where its record changed."""

GIVE_WAY_S = 5.0
SLICE_S = 5.0
"""So long it goes on before it notes how far it is."""

LOOKS = 3
GROWTH = 1.05


@dataclass(slots=True)
class _Walk:
    """Where in the records it is, page by page; another world starts another walk."""

    context: Context
    rows: Iterator[Record]


class Auditor(Worker):
    """Walks the records in the order of their paths, from a cursor that outlives the process.

    It gives way to transfers unless it is late, and rests while the pair is paused, halted or without its endpoint.
    """

    def __init__(
        self,
        section: Section,
        audits: AuditStore,
        *,
        busy: Callable[[], bool],
        stop: Stop,
        events: Events,
        clock: Clock,
    ) -> None:
        super().__init__(f"auditor {section.name}", deadline=120.0, stop=stop, events=events, clock=clock)
        self.section = section
        self._audits = audits
        self._busy = busy
        self._walk: _Walk | None = None
        self._known: dict[RelPath, AuditFinding] = {}
        self._looked_at = float("-inf")
        self._raced = 0

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """What is due by now."""
        period = self.section.pair.audit
        if period is None:
            self._show(None, None)
            return None
        context = self.section.context
        if context is None or not self.section.working or self.section.paused_for() is not None:
            if context is None or self.section.last_pass_at is None:
                return GIVE_WAY_S  # the first pass is on its way
            self._show(self._audits.round(), period.total_seconds())
            return LOOK_EVERY_S
        until = Until(context.stop, self.stop.stopped)
        with self.progress.waiting("reading both sides"):  # one large object may take long: no silence
            return self._go_on(replace(context, stop=until), context, period.total_seconds())

    def _go_on(self, context: Context, world: Context, period: float) -> float:
        lap = self._grown(self._audits.round() or self._begin(None))
        self._open(context, world, lap)
        self._look_again(context)
        delay = self._slice(context, lap, Pace(started=min(lap.started_at, self.clock.now()), period=period))
        self._show(self._audits.round(), period)
        return min(delay, REST_MOST_S)

    def _open(self, context: Context, world: Context, lap: AuditRound) -> None:
        """Begin to walk where it stopped: after a start, a failure, or in another world."""
        if self._walk is None or self._walk.context is not world:
            self._known = {each.path: each for each in self._audits.findings()}
            self._walk = _Walk(context=world, rows=context.records.walk(after=lap.cursor))

    def _slice(self, context: Context, lap: AuditRound, pace: Pace) -> float:
        """Look at what is due, for a few seconds at most; returns the seconds until the next is."""
        began = self.clock.monotonic()
        rows = iter(()) if self._walk is None else self._walk.rows
        while (wait := pace.due(lap.done_share) - self.clock.now()) <= 0:
            if context.stop.stopped():
                return LOOK_EVERY_S
            if self._busy() and not pace.late(lap.done_share, self.clock.now()):
                return GIVE_WAY_S
            record = next(rows, None)
            if record is None:
                return self._finish(lap)
            before = lap.done_share
            try:
                lap = self._step(context, lap, record)
            except (RemoteError, PairHalted):
                self._walk = None
                return LOOK_EVERY_S
            except Stale:  # stopped, or somebody works on that path: it is looked at once more
                self._walk = None
                return GIVE_WAY_S
            self._audits.save(lap)
            pause = pace.pause(before, lap.done_share, self.clock.now())
            if pause > 0 or self.clock.monotonic() - began > SLICE_S:
                return max(pause, 0.0)
        return wait

    def _step(self, context: Context, lap: AuditRound, record: Record) -> AuditRound:
        """One path, and the round with it done. Raises what means that it is not done yet."""
        wrong = 0
        if context.wants(record.path):
            try:
                wrong = self._judge(context, record.path, audit_path(context, record.path))
            except Stale:
                self._raced += 1
                if context.stop.stopped() or self._raced < LOOKS:
                    raise
                wrong = 1  # somebody writes to it all the time: the next round meets it again
            self._raced = 0
        return replace(
            lap,
            cursor=record.path,
            files=lap.files + 1,
            bytes=lap.bytes + record.size,
            errors=lap.errors + wrong,
        )

    def _judge(self, context: Context, path: RelPath, audited: Audited | None) -> int:
        """Remember and say what was found. 1 where it could not be looked at."""
        known = self._known.get(path)
        if audited is None:
            self._clear(path)
            return 0
        looked = audited.looked
        if looked.finding.sign is Sign.ERROR:
            if isinstance(looked.error, RemoteError) and looked.error.kind in HOT_LOST:
                raise looked.error
            return 1
        if looked.finding.refutes:
            found = AuditFinding(path=path, seq=audited.seq, at=self.clock.now(), finding=looked.finding.id)
            self._audits.note(found)
            self._known[path] = found
            if known is None or known.finding != looked.finding.id:
                say_differed(context, looked)
        else:
            self._clear(path)
        return 0

    def _clear(self, path: RelPath) -> None:
        if self._known.pop(path, None) is not None:
            self._audits.clear(path)

    def _look_again(self, context: Context) -> None:
        """What was found wrong and whose record has changed since: it may be mended."""
        if self.clock.monotonic() - self._looked_at < REST_MOST_S:
            return
        self._looked_at = self.clock.monotonic()
        for found in list(self._known.values()):
            record = context.records.get(found.path)
            if record is not None and record.seq == found.seq:
                continue
            if context.stop.stopped():
                return
            try:
                self._judge(context, found.path, None if record is None else audit_path(context, found.path))
            except (Stale, RemoteError, PairHalted):
                continue

    def _begin(self, before: AuditRound | None) -> AuditRound:
        """A new round over the records as they are now. One over nothing tells nothing of its age."""
        files, size = self._audits.totals()
        finished = None if before is None else before.finished_at
        if before is not None and before.files:
            finished = self.clock.now()
        lap = AuditRound(started_at=self.clock.now(), total_files=files, total_bytes=size, finished_at=finished)
        self._audits.save(lap)
        return lap

    def _grown(self, lap: AuditRound) -> AuditRound:
        """The round over as many files as there are by now: a pair that fills up must not be read in a rush."""
        if self.section.tracked <= lap.total_files * GROWTH:
            return lap
        files, size = self._audits.totals()
        return replace(lap, total_files=max(files, lap.total_files), total_bytes=max(size, lap.total_bytes))

    def _finish(self, lap: AuditRound) -> float:
        """Every record was met: tell it, and begin anew."""
        self._walk = None
        if lap.files:
            self.events.emit(
                events.AUDIT_FINISHED,
                pair=self.section.name,
                files=lap.files,
                bytes=lap.bytes,
                errors=lap.errors,
                differences=len(self._known),
                elapsed=round(max(self.clock.now() - lap.started_at, 0.0), 3),
            )
        self._begin(lap)
        return 0.0 if lap.files else LOOK_EVERY_S

    def _show(self, lap: AuditRound | None, period: float | None) -> None:
        findings = [] if period is None else self._audits.findings()
        self.section.audit = AuditStanding(
            period_s=period,
            done_share=0.0 if lap is None else lap.done_share,
            finished_at=None if lap is None else lap.finished_at,
            differences=len(findings),
            first=findings[0].path if findings else "",
        )
        self.section.changed()
