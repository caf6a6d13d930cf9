"""The full pass of one pair: every interval, when asked, and when events were lost."""

from __future__ import annotations

import time
from collections.abc import Callable

from syncd.core.paths import RelPath
from syncd.errors import FatalError, SyncdError
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.ports import Clock, Events
from syncd.workers.base import Worker
from syncd.workers.rounds import Rounds
from syncd.workers.section import Section

FORCE = "force"
FORCE_FOLDER = "force-folder"
LOST_EVENTS = "events-lost"

SHARE = 0.01
"""A full pass takes at most this share of one core."""

RETRY_S = 5.0
RETRY_MOST_S = 60.0


class Reconciler(Worker):
    """Runs passes over one section. `after` is told when one is through (its files may wait for their time)."""

    def __init__(
        self, section: Section, *, stop: Stop, events: Events, clock: Clock, after: Callable[[], None]
    ) -> None:
        super().__init__(f"reconciler {section.name}", deadline=120.0, stop=stop, events=events, clock=clock)
        self.section = section
        self._after = after
        self._passes = Rounds()
        self._whole_due = 0.0  # monotonic seconds
        self._failures = 0

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """One pass, or none while paused."""
        paused = self.section.paused_for()
        if paused is not None and not reasons & {FORCE, FORCE_FOLDER}:
            return min(paused, 3600.0)
        began = time.thread_time()
        with self._passes.round(lambda: self.section.last_pass_failed):
            self.section.last_pass_failed = True  # until it is through: a crash must not look like success
            delay = self._pass(reasons, payloads)
        cost = time.thread_time() - began
        self._after()
        period = max(delay, cost / SHARE) if self.section.watch == "inotify" and not self._failures else delay
        period = self._until_whole(period, whole=reasons != {FORCE_FOLDER})
        self.section.next_pass_at = self.clock.now() + period
        self.section.changed()
        return period

    def _pass(self, reasons: frozenset[str], payloads: Payloads) -> float:
        interval = self.section.pair.interval.total_seconds()
        folders = payloads.get(FORCE_FOLDER, ()) if reasons == {FORCE_FOLDER} else ()
        try:
            with self.progress.waiting("transfers, or the endpoint"):  # one large file may take hours: no silence
                if folders:
                    for folder in folders:
                        self.section.run_pass(under=RelPath(str(folder)), moved=self.progress.moved)
                else:
                    self.section.run_pass(moved=self.progress.moved)
        except FatalError:
            raise
        except SyncdError as error:
            self.section.failed(error)
            self._failures += 1
            return min(RETRY_S * float(2 ** min(self._failures - 1, 4)), RETRY_MOST_S, max(interval, RETRY_S))
        self._failures = 0
        return interval

    def _until_whole(self, period: float, *, whole: bool) -> float:
        """Seconds until the next whole pass. Those over a folder do not put it off."""
        now = self.clock.monotonic()
        if whole:
            self._whole_due = now + period
        return min(period, max(self._whole_due - now, 0.0))

    @property
    def failed(self) -> bool:
        """Whether the pass that ended last did not go through."""
        return self._passes.failed

    def ask(self, folder: RelPath | None = None) -> int:
        """Ask for a pass that begins after now; returns its number for `wait_for`."""
        number = self._passes.following()
        self.wake(FORCE if folder is None else FORCE_FOLDER, folder)
        return number

    def nudge(self) -> None:
        """There is something new to do."""
        self.ask()

    def wait_for(self, number: int, seconds: float) -> bool:
        """Wait so long for that pass to end. True when it has."""
        return self._passes.wait_for(number, seconds)
