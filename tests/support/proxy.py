"""A TCP proxy of our own before an S3 server: it delays, slows, holds, cuts, flips and swallows what it is told to.

It knows just enough HTTP to tell one request from another: one exchange on each connection, faults by method and key.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from types import TracebackType
from typing import Any

PIECE = 64 * 1024
PATIENCE_S = 60.0
RST = struct.pack("ii", 1, 0)  # SO_LINGER: close by a reset
HTTP_END = b"\r\n\r\n"


class Cut(Exception):
    """The connection ends here, by a reset."""


class Gate:
    """Where a transfer stands still: `reached` once it does, until `open`."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def wait_reached(self, *, within: float = 20.0) -> None:
        assert self._reached.wait(within), "no transfer came to the gate"

    def open(self) -> None:
        self._opened.set()

    def hold(self) -> None:
        """Called by the proxy: stand still here."""
        self._reached.set()
        self._opened.wait(PATIENCE_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a request whose method and target (path and query) match. Byte counts are of bodies."""

    method: str = ""  # any
    target: str = ""  # a regular expression, searched for
    times: int = 1_000_000  # so many requests, then it is over
    skip: int = 0  # so many of them pass before
    delay_s: float = 0.0  # before the answer goes back
    rate: int = 0  # bytes a second, each way; 0: as fast as it goes
    hold_up_at: int | None = None  # the request's body stands still after so many bytes, until the gate opens
    reset_up_at: int | None = None  # the connection is reset after so many bytes of the request's body
    flip_up_at: int | None = None  # one bit of this byte of the request's body is flipped
    reset_down_at: int | None = None  # the connection is reset after so many bytes of the answer's body
    end_down_at: int | None = None  # the connection is closed after so many bytes of the answer's body
    flip_down_at: int | None = None  # one bit of this byte of the answer's body is flipped
    hole: bool = False  # swallow it and never answer
    drop_answer: bool = False  # the server does it; the client hears nothing but a reset
    answer: tuple[int, str] | None = None  # (status, S3 error code) instead of the server's answer
    date_shift_s: float = 0.0  # added to the Date of the answer
    begin_anew: bool = False  # the server never hears of the token of a listing, and answers its first page again
    rewrite: Callable[[bytes], bytes] | None = None  # the answer's whole body becomes this
    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that passed."""

    method: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request whose answer came from the server: the status, and the head of the request as it came."""

    method: str
    target: str
    status: int
    head: bytes


class Proxy:
    """Listens on a free port of the loopback before `upstream` (a port there). Use as a context manager.

    `patience_s`: so long the server may be silent.
    """

    def __init__(self, upstream: int, *, patience_s: float = PATIENCE_S) -> None:
        self._upstream = upstream
        self._patience_s = patience_s
        self._faults: list[list[Any]] = []  # [fault, times left, times met]
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.seen: list[Seen] = []
        self.answered: list[Answered] = []
        self.port = 0
        self.page_size = 0  # keys a page of every listing; 0: as many as are asked for

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Proxy:
        self.listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self.mend()
        self.refuse()

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def refuse(self) -> None:
        """Be a port where nobody listens, and reset whatever is under way."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            under_way = list(self._open)
        for each in under_way:
            _reset(each)

    def add(self, fault: Fault) -> Gate:
        """From now on, do this to what matches. The first fault that matches counts."""
        with self._lock:
            self._faults.append([fault, fault.times, 0])
        return fault.gate

    def mend(self) -> None:
        """Forget all faults; what stands at a gate goes on."""
        with self._lock:
            faults, self._faults = self._faults, []
        for fault, _, _ in faults:
            assert isinstance(fault, Fault)
            fault.gate.open()

    def count(self, method: str, target: str) -> int:
        """How many requests of that kind came."""
        with self._lock:
            return sum(one.method == method and re.search(target, one.target) is not None for one in self.seen)

    # --- inside ---

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with ExitStack() as stack:
            stack.callback(client.close)
            with self._lock:
                self._open.add(client)
            stack.callback(self._forget, client)
            try:
                self._exchange(client, stack)
            except Cut:
                _reset(client)
            except (OSError, ValueError):  # the client or the server went away
                return

    def _forget(self, client: socket.socket) -> None:
        with self._lock:
            self._open.discard(client)

    def _exchange(self, client: socket.socket, stack: ExitStack) -> None:
        head, rest = _head(client)
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        fault = self._fault(method, target)
        if b"\r\nexpect:" in head.lower():
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _Body(client, rest, _length(head))
        if fault.answer is not None or fault.hole:
            body.pass_on(lambda _: None, fault, upwards=True)
            if fault.hole:
                self._closed.wait(PATIENCE_S)
                return
            assert fault.answer is not None
            client.sendall(_error(*fault.answer))
            return
        server = stack.enter_context(socket.create_connection(("127.0.0.1", self._upstream), self._patience_s))
        if self.page_size:
            head = re.sub(rb"\bmax-keys=\d+", b"max-keys=%d" % self.page_size, head, count=1)
        if fault.begin_anew:
            head = re.sub(rb"continuation-token=[^& ]*&?", b"", head, count=1)
        server.sendall(_edited(head, drop=("expect", "connection"), add="Connection: close"))
        body.pass_on(server.sendall, fault, upwards=True)
        answer, rest = _head(server)
        while answer.startswith(b"HTTP/1.1 100"):
            answer, rest = _head(server, rest)
        status = int(answer.split(b" ", 2)[1])
        self.answered.append(Answered(method=method, target=target, status=status, head=head))
        self._answer(client, server, fault, method, answer, rest)

    def _answer(
        self, client: socket.socket, server: socket.socket, fault: Fault, method: str, head: bytes, rest: bytes
    ) -> None:
        self._closed.wait(fault.delay_s)
        if fault.drop_answer:
            while server.recv(PIECE):
                pass
            raise Cut
        if fault.date_shift_s:
            date = formatdate(time.time() + fault.date_shift_s, usegmt=True)
            head = _edited(head, drop=("date",), add=f"Date: {date}")
        if fault.rewrite is not None:
            while piece := server.recv(PIECE):
                rest += piece
            rest = fault.rewrite(rest)
            head = _edited(head, drop=("content-length",), add=f"Content-Length: {len(rest)}")
        client.sendall(_edited(head, drop=("connection",), add="Connection: close"))
        length = 0 if method == "HEAD" else _length(head, default=None)
        _Body(server, rest, length).pass_on(client.sendall, fault, upwards=False)

    def _fault(self, method: str, target: str) -> Fault:
        with self._lock:
            self.seen.append(Seen(method=method, target=target))
            for row in self._faults:
                fault, left, _ = row
                assert isinstance(fault, Fault)
                assert isinstance(left, int)
                if left > 0 and fault.method in {"", method} and re.search(fault.target, target):
                    row[2] += 1
                    if row[2] <= fault.skip:
                        continue
                    row[1] = left - 1
                    return fault
        return Fault()


class _Body:
    """The body of one message, passed on piece by piece with what the fault does to it. length None: to the end."""

    def __init__(self, source: socket.socket, rest: bytes, length: int | None) -> None:
        self._source = source
        self._rest = rest
        self._length = length
        self._at = 0

    def pass_on(self, sink: Callable[[bytes], object], fault: Fault, *, upwards: bool) -> None:
        end_down = fault.end_down_at if fault.reset_down_at is None else fault.reset_down_at
        hold, cut = (fault.hold_up_at, fault.reset_up_at) if upwards else (None, end_down)
        flip = fault.flip_up_at if upwards else fault.flip_down_at
        while self._length is None or self._at < self._length:
            marks = [mark for mark in (hold, cut) if mark is not None and mark > self._at]
            piece = self._next(min([PIECE, *(mark - self._at for mark in marks)]))
            if not piece:
                return
            if flip is not None and self._at <= flip < self._at + len(piece):
                place = flip - self._at
                piece = piece[:place] + bytes([piece[place] ^ 0x20]) + piece[place + 1 :]
            sink(piece)
            self._at += len(piece)
            if fault.rate:
                threading.Event().wait(len(piece) / fault.rate)
            if self._at == hold:
                fault.gate.hold()
            if self._at == cut:
                if upwards or fault.reset_down_at is not None:
                    raise Cut
                return

    def _next(self, count: int) -> bytes:
        if self._length is not None:
            count = min(count, self._length - self._at)
        if self._rest:
            piece, self._rest = self._rest[:count], self._rest[count:]
            return piece
        return self._source.recv(count)


def _head(source: socket.socket, rest: bytes = b"") -> tuple[bytes, bytes]:
    """The head of a message with its empty line, and what came with it of the body."""
    while HTTP_END not in rest:
        piece = source.recv(PIECE)
        if not piece:
            raise ValueError("no whole head came")
        rest += piece
    head, _, rest = rest.partition(HTTP_END)
    return head + HTTP_END, rest


def _length(head: bytes, default: int | None = 0) -> int | None:
    found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return default if found is None else int(found.group(1))


def _edited(head: bytes, *, drop: tuple[str, ...], add: str) -> bytes:
    """The head without the named headers and with one more."""
    lines = head[: -len(HTTP_END)].split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].decode("latin-1").lower() not in drop]
    return b"\r\n".join([*kept, add.encode("latin-1")]) + HTTP_END


def _error(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>said by the proxy</Message></Error>".encode()
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def _reset(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        sock.shutdown(socket.SHUT_RD)
    with suppress(OSError):
        sock.close()
