"""One client: its calls in order, its time-outs, its end. What it does wrong hurts it alone."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from syncd.control.dispatch import Dispatcher, LineLost
from syncd.control.permission import Caller
from syncd.control.port import Row
from syncd.control.requests import Call, WireError, parse_call
from syncwire import names
from syncwire.framing import MAX_REPLY, MAX_REQUEST, Frames, Junk, decode, encode

LARGE_BYTES = 64 << 10
LARGE_CALLS = 4
"""Requests over `LARGE_BYTES` at once: parsed, one of a mebibyte may take 25 of memory while it is answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client is waited for, in seconds.

    `idle`: between calls; `message`: from the first byte of a call to its last; `reply`: for it to read one
    reply; `farewell`: for all calls in progress to end when the server stops.
    """

    idle: float = 120.0
    message: float = 10.0
    reply: float = 20.0
    farewell: float = 3.0


class Connection:
    """Serves one accepted socket in the thread that calls `serve`."""

    def __init__(
        self,
        sock: socket.socket,
        caller: Caller,
        dispatcher: Dispatcher,
        patience: Patience,
        stopping: threading.Event,
        large: threading.BoundedSemaphore,
    ) -> None:
        self.caller = caller
        self.waiting_since: float | None = time.monotonic()  # None: not the client, but we are to do something
        self._sock = sock
        self._frames = Frames(sock, limit=MAX_REQUEST)
        self._dispatcher = dispatcher
        self._patience = patience
        self._stopping = stopping
        self._large = large

    def serve(self) -> None:
        """Answer calls until the client hangs up, misbehaves, is idle for too long, or the server stops."""
        try:
            while not self._stopping.is_set() and self._answer_one():
                self.waiting_since = time.monotonic()
        except (LineLost, OSError):  # OSError: it broke off, or a time-out of its own
            return
        finally:
            self._sock.close()

    def hang_up(self) -> None:
        """Break it off, from another thread."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is gone already

    def _mark(self, waiting: bool) -> None:
        self.waiting_since = time.monotonic() if waiting else None

    def _answer_one(self) -> bool:
        line = _Line(self._sock, self._patience.reply, self._stopping, self._mark)
        try:
            frame = self._frames.frame(first=self._patience.idle, rest=self._patience.message)
            if frame is None:
                return False
            with self._room_for(frame):
                call = parse_call(decode(frame))
                self.waiting_since = None
                self._dispatcher.answer(call, self.caller, line.for_call(call))
        except Junk as junk:
            line.fail(WireError(names.BAD_REQUEST, message=str(junk), hint="one JSON object, then a NUL byte"))
            return False
        except _NoRoom:
            said = f"{LARGE_CALLS} requests over {LARGE_BYTES >> 10} KiB are answered already"
            line.fail(WireError(names.BUSY, message=said, hint="try again later"))
        return True

    @contextmanager
    def _room_for(self, frame: bytes) -> Iterator[None]:
        """Hold one of the few places for large requests while it is parsed and answered."""
        if len(frame) <= LARGE_BYTES:
            yield
            return
        if not self._large.acquire(blocking=False):
            raise _NoRoom
        try:
            yield
        finally:
            self._large.release()


class _NoRoom(Exception):
    """Enough large requests are in memory."""


class _Line:
    """The way back for one call. `hint` may come from another thread."""

    def __init__(
        self, sock: socket.socket, patience: float, stopping: threading.Event, waits: Callable[[bool], None]
    ) -> None:
        self.more = False
        self._oneway = False
        self._sock = sock
        self._patience = patience
        self._stopping = stopping
        self._waits = waits
        self._lock = threading.Lock()
        self._lost = False
        self._ended = False

    def for_call(self, call: Call) -> _Line:
        self.more = call.more and not call.oneway
        self._oneway = call.oneway
        return self

    def stopping(self) -> bool:
        return self._stopping.is_set()

    def gone(self) -> bool:
        return self._lost or self._ended or self._stopping.is_set() or _hung_up(self._sock)

    def hint(self, answer: Row) -> None:
        if not self.more:
            return
        with self._lock:
            if self._ended or self._lost:
                return
            try:
                self._send({"parameters": answer, "continues": True})
            except LineLost:
                return  # `gone` says so from now on

    def reply(self, answer: Row, *, continues: bool) -> None:
        message: Row = {"parameters": answer}
        if continues:
            message["continues"] = True
        with self._lock:
            self._send(message)
            self._ended = not continues

    def fail(self, error: WireError) -> None:
        with self._lock:
            self._send({"error": error.name, "parameters": error.parameters})
            self._ended = True

    def _send(self, message: Row) -> None:
        if self._lost:
            raise LineLost
        if self._oneway:
            return
        frame = encode(message)
        if len(frame) > MAX_REPLY:
            raise WireError(names.EXPECTED_MORE)
        self._waits(True)
        self._sock.settimeout(self._patience)
        try:
            self._sock.sendall(frame)
        except OSError as error:  # a time-out too: half a message may be out, so the line is of no more use
            self._lost = True
            raise LineLost from error
        finally:
            self._waits(False)


def _hung_up(sock: socket.socket) -> bool:
    """Whether the other end is closed. One that only said that it will send no more still listens."""
    poll = select.poll()
    poll.register(sock, 0)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
