"""A worker: one thread, a mailbox, a stop token, and rounds of work. The base owns everything but the round."""

from __future__ import annotations

import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from structlog.contextvars import bound_contextvars

from syncd import events
from syncd.errors import FatalError
from syncd.lifecycle.mailbox import Mailbox, Payloads, Wake
from syncd.lifecycle.stop import Stop
from syncd.ports import Clock, Events
from syncd.workers.progress import Activity, Mark, Progress

START = "start"
"""The reason of the first round."""

DUE = "due"
"""The reason of a round that the last one asked for."""

RESTART = "restart"
"""The reason of the first round after a crash; what the crashed round had taken comes with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHealth:
    """What status tells of a worker. `state`: idle working waiting silent crashed stopped. Ages in seconds."""

    name: str
    state: str
    heartbeat_age_s: float
    waiting_on: str = ""
    waiting_s: float = 0.0
    restarts: int = 0
    last_restart_age_s: float | None = None
    last_error: str = ""


class Worker(ABC):
    """One thread that does rounds of work, woken by posts or by the time that the last round asked for.

    A round that raises ends the thread: the supervisor starts it anew. FatalError ends the process.
    """

    def __init__(self, name: str, *, deadline: float, stop: Stop, events: Events, clock: Clock) -> None:
        """`deadline`: seconds it may be silent within a round. `stop` should be a child of its own."""
        self.name = name
        self.deadline = deadline
        self.stop = stop
        self.events = events
        self.clock = clock
        self.progress = Progress(clock, deadline)
        self.restarts = 0
        self.last_error = ""
        self.fatal: FatalError | None = None
        self._mailbox = Mailbox(stop)
        self._thread: threading.Thread | None = None
        self._crashed = False
        self._ended = threading.Event()
        self._restarted_at: float | None = None

    @abstractmethod
    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """Do one round. Returns the seconds until the next is wanted; None: only when woken.

        `payloads` is what was posted, by reason. Ask `self.stop` between steps; mark `self.progress`.
        """

    def overflowed(self, reasons: frozenset[str]) -> None:  # noqa: B027 - most workers post no payloads
        """Told before a round when the payloads of these reasons were too many and were dropped."""

    def close(self) -> None:  # noqa: B027 - most workers hold nothing open
        """Let go of what rounds keep open. Called in the worker's thread when it ends, also by a crash."""

    def wake(self, reason: str, payload: Hashable = None) -> None:
        """Ask for a round soon, from any thread. A hundred before it begins are one."""
        self._mailbox.post(reason, payload)

    def start(self, on_exit: Callable[[], None] = lambda: None) -> None:
        """Start the thread; after a crash, start it again. `on_exit` is called in the thread as its last act."""
        if self.alive:
            raise RuntimeError(f"worker {self.name} runs already")
        again = self._thread is not None
        if again:
            self.restarts += 1
            self._restarted_at = self.clock.monotonic()
        self._crashed = False
        self._ended.clear()
        self._mailbox.post(RESTART if again else START)
        # A daemon thread: one that hangs in a dead mount must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, args=(on_exit,), name=self.name, daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> bool:
        """Wait so long for the thread to end. True when it has, or never began."""
        thread = self._thread
        if thread is not None:
            thread.join(max(seconds, 0.0))
        return not self.alive

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and not self._ended.is_set()

    @property
    def crashed(self) -> bool:
        """Whether its thread ended though nobody asked it to."""
        return self._thread is not None and not self.alive and (self._crashed or not self.stop.stopped())

    @property
    def silent(self) -> bool:
        """Whether it is past its own deadline without a sign of life."""
        return self.alive and self.progress.mark().activity is Activity.SILENT

    def health(self) -> WorkerHealth:
        """A picture of it for status; takes no lock that work holds."""
        mark = self.progress.mark()
        restarted = self._restarted_at
        return WorkerHealth(
            name=self.name,
            state=self._state(mark),
            heartbeat_age_s=mark.age_s,
            waiting_on=mark.on,
            waiting_s=mark.waiting_s,
            restarts=self.restarts,
            last_restart_age_s=None if restarted is None else self.clock.monotonic() - restarted,
            last_error=self.last_error,
        )

    def _state(self, mark: Mark) -> str:
        if self.alive:
            return mark.activity.value
        return "crashed" if self.crashed else "stopped"

    def _run(self, on_exit: Callable[[], None]) -> None:
        with bound_contextvars(worker=self.name):
            try:
                self._guarded(self._loop)
                self._guarded(self.close)
            finally:
                self._ended.set()
                on_exit()

    def _guarded(self, step: Callable[[], None]) -> None:
        """The one place that catches everything: a worker's crash is told, and is the supervisor's to mend."""
        try:
            step()
        except FatalError as error:
            self.fatal = error
            self._report(error)
        except Exception as error:  # noqa: BLE001 - any bug in a round ends this thread, not the process
            self._report(error)

    def _report(self, error: Exception) -> None:
        self._crashed = True
        self.last_error = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self.events.emit(events.WORKER_CRASHED, worker=self.name, error=self.last_error, trace=trace)

    def _loop(self) -> None:
        delay: float | None = 0.0
        while True:
            wake = self._mailbox.take(delay)
            if self.stop.stopped():
                return
            delay = self._round(wake)

    def _round(self, wake: Wake) -> float | None:
        done = False
        try:
            with self.progress.round():
                if wake.overflowed:
                    self.overflowed(wake.overflowed)
                delay = self.run_once(wake.reasons or frozenset({DUE}), wake.payloads)
            done = True
            return delay
        finally:
            if not done:
                self._mailbox.put_back(wake)  # or a file that somebody waits for would be forgotten by the crash
