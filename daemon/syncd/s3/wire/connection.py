"""One connection: a request goes out whole, or an early answer is heard; an answer's head comes in."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable

from syncd.s3.wire.body import PIECE, Body, BytesBody, FileBody
from syncd.s3.wire.failure import Broken, Closed, Garbled, Stalled
from syncd.s3.wire.head import END, LIMIT, Head, parse_head
from syncd.s3.wire.origin import Origin, Patience, connected
from syncd.s3.wire.pace import Pace
from syncd.s3.wire.request import Request

JOINED = 64 * 1024
"""Up to so many bytes a body goes out together with its head."""

ASKED_FIRST = 1 << 20
"""Over so many bytes the server is asked whether it wants them."""

CONTINUE_S = 1.0

AGE_S = 300.0
"""A connection is used for so long: the name may lead elsewhere by then."""

RESTED_S = 60.0
"""After so long without use something on the way may have forgotten it."""

PROVISIONAL = 8
"""So many answers of the kind 1xx at most come before the real one."""

_NOT_BY_THE_KERNEL = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_OF_THE_NETWORK = {
    *(errno.EAGAIN, errno.EPIPE, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.ENOTCONN),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENOBUFS),
}

_own = threading.local()


class Connection:
    """For one request at a time, and for one thread while it lasts. `meter` is told of what a long body sends."""

    def __init__(
        self,
        origin: Origin,
        tls: ssl.SSLContext | None,
        patience: Patience,
        *,
        meter: Callable[[int], None] | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.made = self.idle_since = time.monotonic()
        self.used = 0
        self.rest = b""  # what came behind a head
        self._socket = connected(origin, tls, patience, session)
        self._secured = self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        self._patience = patience
        self._meter = meter
        self._heard = False  # something of an answer
        self._failure: OSError | Broken | None = None  # met by who only looked
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection begins with, where this one is TLS."""
        return None if self._secured is None else self._secured.session

    def close(self) -> None:
        """End it, whatever is under way."""
        self._socket.close()

    def usable(self, now: float) -> bool:
        """Whether it may be used once more: not where the server ended it, or spoke unasked."""
        if now - self.made > AGE_S or now - self.idle_since > RESTED_S or self.rest:
            return False
        return not self.readable()

    def readable(self) -> bool:
        """Whether something came that nobody read, or its end."""
        return bool(self._readable.poll(0)) or (self._secured is not None and self._secured.pending() > 0)

    def answered(self) -> bool:
        """Whether the answer has begun; its first bytes are in `rest` then. An end, or a failure, is told by `head`."""
        if self.rest:
            return True
        try:
            if self._secured is not None:
                return self.readable() and self._readable_inside(self._secured)
            buffer = _buffer()
            count = self._socket.recv_into(buffer, 0, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except (OSError, Broken) as error:
            self._failure = error  # the kernel tells it once
            return True
        self._heard = self._heard or count > 0
        self.rest = bytes(buffer[:count])
        return True

    # --- out ---

    def send(self, request: Request) -> Head | None:
        """Send it. A head that came before all was sent is returned, and the connection is then of no more use.

        Broken where it ended, or takes too little. What reading the body raises goes through.
        """
        self.used += 1
        self._heard = False
        head = b"%s %s HTTP/1.1\r\n%s" % (request.method.encode(), request.target, request.headers)
        body = request.body
        try:
            if body is None or body.size == 0:
                self._all(head + b"\r\n")
            elif body.size <= JOINED:
                self._all(b"%s\r\n%s" % (head, body.data if isinstance(body, BytesBody) else b"".join(body.pieces())))
            elif body.size > ASKED_FIRST:
                self._all(head + b"Expect: 100-continue\r\n\r\n")
                return self._refusal(request.method) or self._body(body, request.method)
            else:
                self._all(head + b"\r\n")
                return self._body(body, request.method)
        except (Closed, Stalled) as failure:
            return self._last_word(request.method, failure)
        return None

    def _body(self, body: Body, method: str) -> Head | None:
        pace = Pace(self._patience)
        if isinstance(body, FileBody) and self._secured is None:
            return self._from_file(body, method, pace)
        return self._pieces(body, method, pace)

    def _pieces(self, body: Body, method: str, pace: Pace) -> Head | None:
        for piece in body.pieces():
            if self._readable.poll(0) and (early := self._early(method)) is not None:
                return early
            if self._meter is not None:
                self._meter(len(piece))
            self._paced(memoryview(piece), pace)
        return None

    def _from_file(self, body: FileBody, method: str, pace: Pace) -> Head | None:
        at, end, to = body.offset, body.offset + body.size, self._socket.fileno()
        while at < end:
            if self._readable.poll(0) and (early := self._early(method)) is not None:
                return early
            began = time.monotonic()
            try:
                sent = os.sendfile(to, body.fd, at, min(PIECE, end - at))
            except OSError as error:
                if error.errno in _NOT_BY_THE_KERNEL:
                    return self._pieces(body.behind(at), method, pace)
                if error.errno in _OF_THE_NETWORK:
                    raise self._unsent(error) from error
                raise
            if not sent:
                raise EOFError(f"the file ended {end - at} bytes early")
            at += sent
            pace.moved(sent, time.monotonic() - began)
            if self._meter is not None:
                self._meter(sent)
            if body.passed is not None:
                body.passed(at - body.offset)
        return None

    def _all(self, data: bytes) -> None:
        sent = self._some(data)
        if sent < len(data):
            self._paced(memoryview(data)[sent:], Pace(self._patience))

    def _paced(self, data: memoryview, pace: Pace) -> None:
        while data:
            data = data[pace.through(self._some, data) :]

    def _some(self, data: bytes | memoryview) -> int:
        """Send what the connection takes of it."""
        try:
            return self._socket.send(data)
        except OSError as error:
            raise self._unsent(error) from error

    def _unsent(self, error: OSError) -> Broken:
        match error:
            case BlockingIOError() | TimeoutError():
                return Stalled("nothing was taken in time")
            case BrokenPipeError() | ConnectionResetError() | ssl.SSLEOFError():
                return Closed("the connection was closed while the request was sent")
        return Broken(f"the connection broke: {error.strerror or error}")

    # --- in ---

    def head(self, method: str) -> Head:
        """The head of the answer; what came behind it is in `rest`. Broken or Garbled where none comes."""
        for _ in range(PROVISIONAL + 1):
            head = self._next_head(method)
            if head.status >= 200:
                return head
        raise Garbled("provisional answers and no other")

    def receive(self, buffer: memoryview) -> int:
        """Up to so many bytes; 0 at the end of the connection. Broken where it breaks or stays silent."""
        failure, self._failure = self._failure, None
        try:
            if failure is not None:
                raise failure
            return self._socket.recv_into(buffer)
        except (BlockingIOError, TimeoutError) as error:
            raise Broken("no answer in time") from error
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            raise self._ended("the connection was reset") from error
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or error}") from error

    def _next_head(self, method: str) -> Head:
        raw, self.rest = self.rest, b""
        if not raw:
            raw = self._heard_more()
        if END not in raw:
            raw = self._until_end(raw)
        size = raw.index(END) + len(END)
        if size > LIMIT:
            raise Garbled("the head of the answer has no end")
        self.rest = raw[size:]
        head = parse_head(raw[:size], method)
        if head.status == 101:
            raise Garbled("the server changes the protocol")
        return head

    def _heard_more(self) -> bytes:
        buffer = _buffer()
        count = self.receive(buffer)
        if not count:
            raise self._ended("the connection was closed before an answer came")
        self._heard = True
        return bytes(buffer[:count])

    def _until_end(self, raw: bytes) -> bytes:
        end = time.monotonic() + self._patience.answer_s
        pieces = bytearray(raw)
        while END not in pieces:
            if not pieces.startswith(b"HTTP/1."[: len(pieces)]):
                raise Garbled(f"the answer is no HTTP: {bytes(pieces[:60])!r}")
            if len(pieces) > LIMIT:
                raise Garbled("the head of the answer has no end")
            if time.monotonic() > end:
                raise Broken("the head of the answer did not come in time")
            pieces += self._heard_more()
        return bytes(pieces)

    def _refusal(self, method: str) -> Head | None:
        """A final answer of a server that was asked whether it wants a body; None where it may have it."""
        end = time.monotonic() + CONTINUE_S
        while (left := end - time.monotonic()) > 0 and self._readable.poll(left * 1000):
            if self._secured is not None and not self._readable_inside(self._secured):
                continue
            head = self._next_head(method)
            if head.status == 100:
                return None
            if head.status >= 200:
                return _last(head)
        return None

    def _early(self, method: str) -> Head | None:
        """An answer that is there before all was sent; None where nothing of the kind is."""
        if self._secured is not None and not self._readable_inside(self._secured):
            return None
        head = self._next_head(method)
        return None if head.status < 200 else _last(head)

    def _readable_inside(self, secured: ssl.SSLSocket) -> bool:
        """Whether TLS has bytes for us: the socket is readable by its own housekeeping too."""
        secured.settimeout(0.0)
        try:
            first = secured.recv(LIMIT)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            raise self._ended(f"the connection broke: {error.strerror or error}") from error
        finally:
            secured.settimeout(self._patience.answer_s)
        if not first:
            raise self._ended("the connection was closed before an answer came")
        self.rest, self._heard = self.rest + first, True
        return True

    def _last_word(self, method: str, failure: Broken) -> Head:
        """The server would not hear us out: what did it say?"""
        if isinstance(failure, Stalled) and not self._readable.poll(0):
            raise failure
        try:
            return _last(self.head(method))
        except Closed:
            raise failure from None

    def _ended(self, words: str) -> Broken:
        return Broken(words) if self._heard else Closed(words)


def _buffer() -> memoryview:
    """This thread's own, for heads."""
    buffer: memoryview | None = getattr(_own, "buffer", None)
    if buffer is None:
        buffer = _own.buffer = memoryview(bytearray(LIMIT))
    return buffer


def _last(head: Head) -> Head:
    """That head, of a connection that is not used again."""
    return Head(head.status, head.headers, head.length, head.chunked, False)
