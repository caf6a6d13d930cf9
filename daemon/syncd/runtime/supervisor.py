"""The main thread: starts workers, mends crashed ones, tells systemd the truth, and stops everything in order."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from syncd import events
from syncd.errors import FatalError, SyncdError
from syncd.lifecycle.notify import Notifier
from syncd.ports import Clock, Events
from syncd.runtime.restarts import RestartPolicy, Restarts
from syncd.runtime.signals import STOPPING, Signals
from syncd.runtime.stages import StopStage
from syncd.workers.base import Worker

STATUS_SECONDS = 3.0
TICK_SECONDS = 1.0
SLICE_SECONDS = 0.05
ABANDON_SECONDS = 5.0
MARGIN_SECONDS = 10.0

EXIT_STOPPED = 0
EXIT_FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Duties:
    """What the supervisor runs. `startup`: what must stand before READY, in order; `stop`: the stages, in order.

    `status`: the one line for systemd, cheap. `reload` raises SyncdError where the new configuration is refused.
    """

    startup: Sequence[Callable[[], None]] = ()
    workers: Sequence[Worker] = ()
    stop: Sequence[StopStage] = ()
    status: Callable[[], str] = str
    reload: Callable[[], None] = field(default=lambda: None)


class Supervisor:
    """Runs until it is asked to stop or cannot go on. One use."""

    def __init__(
        self,
        duties: Duties,
        *,
        signals: Signals,
        notifier: Notifier,
        events: Events,
        clock: Clock,
        restarts: RestartPolicy | None = None,
        abandon_s: float = ABANDON_SECONDS,
    ) -> None:
        """`signals` is entered already, and left by who entered it. `abandon_s`: what an abandoned stage may take."""
        self._duties = duties
        self._signals = signals
        self._notifier = notifier
        self._events = events
        self._clock = clock
        self._abandon_s = abandon_s
        policy = restarts or RestartPolicy()
        self._restarts = {worker.name: Restarts(policy, random.random) for worker in duties.workers}
        self._restart_at: dict[str, float] = {}
        self._stalled: set[str] = set()
        self._stop_reason = ""
        self._signalled = False
        self._fatal: SyncdError | None = None
        self._abandon = threading.Event()
        self._reload = threading.Event()
        self._requested = threading.Event()
        self._pinged_at = float("-inf")
        self._told_at = float("-inf")
        self._told = ""
        self.hung: tuple[str, ...] = ()
        """Stages that did not end even when abandoned; then leave by `os._exit`, or the interpreter waits for them."""

    # --- asked from other threads ---

    def request_stop(self, *, now: bool = False) -> None:
        """Drain and stop; `now`: abandon what is under way. From any thread; again with `now` hastens it."""
        self._requested.set()
        if now:
            self._abandon.set()
        self._signals.poke()

    def request_reload(self) -> None:
        """Reload soon, as SIGHUP does. From any thread."""
        self._reload.set()
        self._signals.poke()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop, or must."""
        return bool(self._stop_reason) or self._requested.is_set()

    # --- the main thread ---

    def run(self) -> int:
        """Start, supervise, stop. Returns the exit code: 0 when asked to stop, 1 when it could not go on.

        What start-up raises comes out again after an orderly stop.
        """
        try:
            if self._start():
                self._told = self._status()
                self._notifier.ready(self._told)
                self._events.emit(events.DAEMON_READY)
                self._supervise()
        finally:
            self._stop()
        return EXIT_FAILED if self._fatal is not None or self.hung else EXIT_STOPPED

    def _start(self) -> bool:
        for step in self._duties.startup:
            step()
            self._take_signals()
            if self._stop_reason:
                return False
        for worker in self._duties.workers:
            worker.start(self._signals.poke)
        return True

    def _supervise(self) -> None:
        while True:
            self._take_signals()
            self._mend()
            if self._stop_reason:
                return
            if self._reload.is_set():
                self._reload.clear()
                self._do_reload()
            self._tell()
            self._signals.wait(self._next_wait())

    def _take_signals(self) -> None:
        while (number := self._signals.take()) is not None:
            if number == signal.SIGHUP:
                self._reload.set()
            elif number in STOPPING:
                if self._signalled:
                    self._abandon.set()
                self._signalled = True
                self._stop_reason = self._stop_reason or number.name
        if self._requested.is_set() and not self._stop_reason:
            self._stop_reason = "asked to"

    # --- workers ---

    def _mend(self) -> None:
        now = self._clock.monotonic()
        for worker in self._duties.workers:
            if worker.crashed:
                self._mend_one(worker, now)
            self._note_silence(worker)

    def _mend_one(self, worker: Worker, now: float) -> None:
        if worker.fatal is not None:
            self._fail(worker.fatal)
        elif worker.name not in self._restart_at:
            delay = self._restarts[worker.name].crashed(now)
            if delay is None:
                self._fail(FatalError(f"the worker {worker.name} crashed too often; last: {worker.last_error}"))
                return
            self._restart_at[worker.name] = now + delay
        elif now >= self._restart_at[worker.name]:
            del self._restart_at[worker.name]
            worker.start(self._signals.poke)
            self._events.emit(events.WORKER_RESTARTED, worker=worker.name, restarts=worker.restarts)

    def _fail(self, error: SyncdError) -> None:
        self._fatal = self._fatal or error
        self._stop_reason = self._stop_reason or str(error)

    @property
    def fatal(self) -> SyncdError | None:
        """Why the process could not go on; None where it was asked to stop."""
        return self._fatal

    def _note_silence(self, worker: Worker) -> None:
        if not worker.silent:
            self._stalled.discard(worker.name)
        elif worker.name not in self._stalled:
            self._stalled.add(worker.name)
            age = worker.health().heartbeat_age_s
            self._events.emit(events.WORKER_STALLED, worker=worker.name, silent_s=age, deadline_s=worker.deadline)

    # --- what systemd is told ---

    def _tell(self) -> None:
        now = self._clock.monotonic()
        interval = self._notifier.watchdog_interval
        if interval is not None and now - self._pinged_at >= interval / 2 and not self._stalled:
            self._notifier.watchdog()
            self._pinged_at = now
        if self._notifier.enabled and now - self._told_at >= STATUS_SECONDS:
            text = self._status()
            if text != self._told:
                self._notifier.status(text)
                self._told, self._told_at = text, now

    def _status(self) -> str:
        return self._duties.status() if self._notifier.enabled else ""

    def _next_wait(self) -> float:
        interval = self._notifier.watchdog_interval
        tick = TICK_SECONDS if interval is None else min(TICK_SECONDS, interval / 2)
        now = self._clock.monotonic()
        return max(min([tick, *(due - now for due in self._restart_at.values())]), 0.0)

    def _do_reload(self) -> None:
        self._notifier.reloading()
        try:
            self._duties.reload()
        except FatalError as error:
            self._fail(error)
        except SyncdError as error:
            self._events.emit(events.CONFIG_REFUSED, error=str(error))
        else:
            self._events.emit(events.CONFIG_RELOADED)
        self._notifier.ready()

    # --- stopping ---

    def _stop(self) -> None:
        began = self._clock.monotonic()
        self._notifier.stopping(f"stopping: {self._stop_reason}" if self._stop_reason else "stopping")
        self._events.emit(events.DAEMON_STOPPING, reason=self._stop_reason or "start-up failed")
        with ExitStack() as stages:  # one that raises must not keep those after it from closing
            stages.callback(self._say_stopped, began)
            for stage in reversed(self._duties.stop):
                stages.callback(self._stop_stage, stage)

    def _say_stopped(self, began: float) -> None:
        elapsed = self._clock.monotonic() - began
        self._events.emit(events.DAEMON_STOPPED, elapsed=elapsed, abandoned=self._abandon.is_set(), hung=self.hung)

    def _stop_stage(self, stage: StopStage) -> None:
        self._notifier.extend_timeout(stage.drain_s + self._abandon_s + MARGIN_SECONDS)
        stage.drain()
        if self._wait_stage(stage, stage.drain_s, hasten=True):
            return
        stage.abandon()
        if not self._wait_stage(stage, self._abandon_s, hasten=False):
            self.hung = (*self.hung, stage.name)

    def _wait_stage(self, stage: StopStage, seconds: float, *, hasten: bool) -> bool:
        """Whether it ended within the time, or before a second signal where `hasten`."""
        until = self._clock.monotonic() + seconds
        while not stage.ended(SLICE_SECONDS):
            self._take_signals()
            if hasten and self._abandon.is_set():
                return False
            if self._clock.monotonic() >= until:
                return False
        return True
