"""Remote syslog beside the journal: a bounded queue, and one thread that brings it to the server.

The standard library's SysLogHandler knows neither RFC 5424 nor octet counting, looks hosts up and connects in the
thread that logs, and blocks it for as long as the server hangs.
"""

from __future__ import annotations

import errno
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from syncd import events
from syncd.config.types import Syslog
from syncd.lifecycle.syslog_wire import Wire, open_wire
from syncd.ports import Events

LINES = 10_000
LOOK_S = 1.0
HINT = "the journal has every line; the newest of them wait for the server, and what does not fit is counted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long what may take, in seconds. Rests between attempts double from `rest_s`, with jitter."""

    send_s: float = 10.0
    rest_s: float = 0.5
    longest_rest_s: float = 30.0
    tell_s: float = 60.0  # between two counts of what was dropped while the server answers


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogState:
    """How it stands. `sent` were handed to the kernel: syslog acknowledges nothing. `dropped` were not."""

    server: str  # "tcp logs.example.com:514"
    connected: bool
    queued: int
    sent: int
    dropped: int
    last_error: str


class SyslogSink:
    """Takes frames at any time, from any thread, without waiting; sends them in order as soon as the server lets it.

    While the server is away at most `lines` frames wait; later ones are dropped and counted, told by one event when
    it works again. What the kernel had taken when the server died is lost, and nobody can count it.
    """

    def __init__(
        self,
        server: Syslog,
        *,
        lines: int = LINES,
        patience: Patience | None = None,
        opened: Callable[[Syslog, float], Wire] = open_wire,
    ) -> None:
        self.name = f"{server.protocol} {_address(server)}"
        self._server = server
        self._lines = lines
        self._patience = patience or Patience()
        self._opened = opened
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._closing = threading.Event()
        self._wire: Wire | None = None
        self._sent = self._dropped = self._told = 0
        self._told_at = float("-inf")
        self._lost_at: float | None = None
        self._error = ""
        self._events: Events | None = None
        self._thread = threading.Thread(target=self._run, name="syslog", daemon=True)

    def start(self, said: Events) -> None:
        """Begin to send. What happens to the way itself is said there."""
        self._events = said
        self._thread.start()

    def put(self, frame: bytes) -> None:
        """Queue one message, or drop and count it where the queue is full."""
        with self._changed:
            if self._closing.is_set() or len(self._queue) >= self._lines:
                self._dropped += 1
                return
            self._queue.append(frame)
            self._changed.notify()

    def state(self) -> SyslogState:
        """How it stands now."""
        with self._changed:
            return SyslogState(
                server=self.name,
                connected=self._wire is not None and self._lost_at is None,
                queued=len(self._queue),
                sent=self._sent,
                dropped=self._dropped,
                last_error=self._error,
            )

    def close(self, within_s: float = 1.0) -> int:
        """Send what waits, for at most about so long. Returns how many lines were dropped that no event told of."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(within_s)
        with self._changed:
            if self._wire is not None:
                self._wire.interrupt()
            self._dropped += len(self._queue)
            self._queue.clear()
            return self._dropped - self._told

    # --- the thread ---

    def _run(self) -> None:
        attempt = 0
        while self._awaited():
            last = self._closing.is_set()
            before = self._sent
            try:
                self._send_all()
            except (OSError, UnicodeError) as error:  # UnicodeError: a host name that DNS cannot spell
                attempt = 1 if self._sent > before else attempt + 1
                self._disconnect()
                self._fail(error)
                if last:
                    break
                self._closing.wait(self._rest(attempt))
        self._disconnect()

    def _awaited(self) -> bool:
        """Wait for something to send; False once there is nothing and nothing comes any more."""
        with self._changed:
            while not self._queue and not self._closing.is_set():
                self._changed.wait(LOOK_S)
            return bool(self._queue)

    def _send_all(self) -> None:
        while (frame := self._first()) is not None:
            if self._wire is not None and self._wire.gone():
                self._disconnect()
            if self._wire is None:
                wire = self._opened(self._server, self._patience.send_s)
                with self._changed:
                    self._wire = wire
            try:
                self._wire.send(frame)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                self._done(sent=0)  # no way takes it: it must not hold up the others
                continue
            self._done(sent=1)
            self._tell()

    def _first(self) -> bytes | None:
        with self._changed:
            return self._queue[0] if self._queue else None

    def _done(self, *, sent: int) -> None:
        """The first frame needs no more care."""
        with self._changed:
            if self._queue:  # else `close` gave it up, and counted it
                self._queue.popleft()
                self._sent += sent
                self._dropped += 1 - sent

    def _disconnect(self) -> None:
        with self._changed:
            wire, self._wire = self._wire, None
        if wire is not None:
            with suppress(OSError):
                wire.close()

    def _rest(self, attempt: int) -> float:
        """A time between half and all of what this attempt is due, so that a fleet does not come back at once."""
        due = min(self._patience.rest_s * 2.0 ** min(attempt - 1, 20), self._patience.longest_rest_s)
        return due * random.uniform(0.5, 1.0)

    # --- telling ---

    def _fail(self, error: Exception) -> None:
        """Say once that the server is away."""
        with self._changed:
            self._error = str(error) or type(error).__name__
            first = self._lost_at is None
            if first:
                self._lost_at = time.monotonic()
        if first and self._events is not None and not self._closing.is_set():
            self._events.emit(events.SYSLOG_LOST, server=self.name, error=self._error, hint=HINT)

    def _tell(self) -> None:
        """After a frame went: say once that it works again, and how many lines it cost."""
        now = time.monotonic()
        with self._changed:
            lost_at, untold = self._lost_at, self._dropped - self._told
            due = lost_at is not None or (untold and now - self._told_at >= self._patience.tell_s)
            if not due or len(self._queue) > self._lines // 2:  # the event is a line of its own, and wants room
                return
            self._lost_at, self._error = None, ""
            self._told += untold
            self._told_at = now if untold else self._told_at
        if self._events is None:
            return
        seconds = {} if lost_at is None else {"seconds": round(now - lost_at, 1)}
        if untold:
            self._events.emit(events.SYSLOG_DROPPED, server=self.name, lines=untold, **seconds)
        else:
            self._events.emit(events.SYSLOG_FOUND, server=self.name, **seconds)


class SyslogHandler(logging.Handler):
    """The end of the logs that a sink hangs on: its formatter makes the frames."""

    def __init__(self, sink: SyslogSink) -> None:
        super().__init__()
        self.sink = sink

    def emit(self, record: logging.LogRecord) -> None:
        """Queue one line."""
        self.sink.put(self.format(record).encode("utf-8", "backslashreplace"))


def _address(server: Syslog) -> str:
    return f"[{server.host}]:{server.port}" if ":" in server.host else f"{server.host}:{server.port}"
