"""The archiver of one batch: runs by interval, by how much waits, and when asked."""

from __future__ import annotations

import time
from collections.abc import Callable

from syncd.archive.report import PlanRow
from syncd.errors import ConfigError, PairHalted, RemoteError
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.ports import Clock, Events
from syncd.workers.base import DUE, Worker
from syncd.workers.batch import BatchSection
from syncd.workers.batch_report import BatchReport
from syncd.workers.rounds import Rounds

Planned = tuple[tuple[str, PlanRow], ...]
"""(bucket, what a run would do with a file of it)."""

FORCE = "force"
FORCE_AND_PLAN = "force-and-plan"
NUDGE = "nudge"

SECOND_PHASE_S = 2.0
"""After a run that staged originals: the next one looks at them again and unlinks them."""

LOOK_EVERY_S = 60.0
SHARE = 0.01
"""Looks take at most this share of one core."""

RETRY_S = 5.0
RETRY_MOST_S = 60.0


class Archiver(Worker):
    """Runs over one batch. `after` is told when a run is over."""

    def __init__(
        self, section: BatchSection, *, stop: Stop, events: Events, clock: Clock, after: Callable[[], None]
    ) -> None:
        super().__init__(f"archiver {section.name}", deadline=120.0, stop=stop, events=events, clock=clock)
        self.section = section
        self._after = after
        self._runs = Rounds()
        self._planned: tuple[int, Planned] = (0, ())  # by which run, what another one would do
        self._run_due = 0.0  # monotonic seconds
        self._look_due = 0.0
        self._left_bytes = 0  # what the last run left on disk
        self._failures = 0

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """One run where it is time for one, or a look whether enough waits."""
        forced = bool(reasons & {FORCE, FORCE_AND_PLAN})
        paused = self.section.paused_for()
        if paused is not None and not forced:
            self._look()
            return min(paused, self._look_due - self.clock.monotonic())
        if forced or reasons != {DUE} or self._enough():
            self._archive(forced=forced, plans=FORCE_AND_PLAN in reasons)
        return max(min(self._run_due, self._look_due) - self.clock.monotonic(), 0.0)

    # --- asked from other threads ---

    @property
    def failed(self) -> bool:
        """Whether the run that ended last could not be done."""
        return self._runs.failed

    def ask(self, *, plans: bool = False) -> int:
        """Ask for a run that begins after now and waits for no min_files; returns its number for `wait_for`.

        `plans`: `planned` then knows what another such run would do. It is looked at by the thread that runs: who has
        a file open to look at it would seem to be somebody else who has it open.
        """
        number = self._runs.following()
        self.wake(FORCE_AND_PLAN if plans else FORCE)
        return number

    def planned(self, number: int) -> Planned | None:
        """What was left to do after that run, or a later one; None where it could not be seen."""
        seen, rows = self._planned
        return rows if seen >= number else None

    def nudge(self) -> None:
        """There is something new to do: other settings, or a pause that is over. By the usual rules."""
        self.wake(NUDGE)

    def wait_for(self, number: int, seconds: float) -> bool:
        """Wait so long for that run to end. True when it has."""
        return self._runs.wait_for(number, seconds)

    # --- its rounds ---

    def _archive(self, *, forced: bool, plans: bool) -> None:
        section = self.section
        with self._runs.round(lambda: section.last_run_failed) as number:
            section.last_run_failed = True  # until it is over: a crash must not look like success
            with self.progress.waiting("transfers, or the endpoint"):  # one large archive may take hours: no silence
                report = section.run(forced=forced, moved=self.progress.moved)
                planned = self._plan() if plans and report.failure is None else None
            if planned is not None:
                self._planned = (number, planned)
            self._left_bytes = self._look()
        self._after()
        period = self._until_next(report)
        self._run_due = self.clock.monotonic() + period
        section.next_run_at = self.clock.now() + period
        section.changed()

    def _plan(self) -> Planned | None:
        try:
            planned = tuple(self.section.plan(forced=True))
        except (RemoteError, PairHalted, ConfigError):  # the next run meets the same, and tells
            return None
        return None if self.section.stopping else planned  # a stop shows a part of it only

    def _until_next(self, report: BatchReport) -> float:
        interval = self.section.batch.interval.total_seconds()
        if report.failure is not None:
            self._failures += 1
            return min(RETRY_S * float(2 ** min(self._failures - 1, 4)), RETRY_MOST_S, max(interval, RETRY_S))
        self._failures = 0
        if wants_more(report):
            return min(SECOND_PHASE_S, interval)
        due_s = report.next_due_s if report.staged else None  # those that time ripens can wait for the interval
        return interval if due_s is None else min(due_s, interval)

    def _enough(self) -> bool:
        """Whether it is time for a run, or an archive could be filled by what came since the last."""
        now = self.clock.monotonic()
        if now >= self._run_due:
            return True
        return now >= self._look_due and self._look() - self._left_bytes >= self.section.batch.max_size

    def _look(self) -> int:
        """See how much waits, in bytes."""
        began = time.thread_time()
        with self.progress.waiting("a look at the folders"):
            found = self.section.look(self.progress.moved)
        cost = time.thread_time() - began
        every = min(self.section.batch.interval.total_seconds(), LOOK_EVERY_S)
        self._look_due = self.clock.monotonic() + max(every, cost / SHARE)
        return found.bytes


def wants_more(report: BatchReport) -> bool:
    """Whether another run soon has something to do: files to remove, or more than one run's spool could take."""
    due_s = report.next_due_s
    return report.failure is None and not report.stopped and due_s is not None and due_s <= 0
