"""One connection: a request goes out whole, or an early answer is heard; an answer's head comes in."""

from __future__ import annotations

import os
import select
import ssl
import threading
import time

from syncd.s3.wire.body import PIECE, BytesBody, FileBody
from syncd.s3.wire.failure import Broken, Garbled
from syncd.s3.wire.head import END, LIMIT, Head, parse_head
from syncd.s3.wire.origin import Origin, Patience, connected
from syncd.s3.wire.request import Request

JOINED = 64 * 1024
"""Up to so many bytes a body goes out together with its head."""

ASKED_FIRST = 1 << 20
"""Over so many bytes the server is asked whether it wants them."""

CONTINUE_S = 1.0

AGE_S = 300.0
"""A connection is used for so long: the name may lead elsewhere by then."""

RESTED_S = 0.5
"""After so long without use it is looked at before it is used."""

PROVISIONAL = 8
"""So many answers of the kind 1xx at most come before the real one."""

_own = threading.local()


class Connection:
    """For one request at a time, and for one thread while it lasts."""

    def __init__(self, origin: Origin, tls: ssl.SSLContext | None, patience: Patience) -> None:
        self.made = time.monotonic()
        self.used = 0
        self.idle_since = 0.0
        self.rest = b""  # what came behind a head
        self._socket = connected(origin, tls, patience)
        self._plain = tls is None
        self._patience = patience
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    def close(self) -> None:
        """End it, whatever is under way."""
        self._socket.close()

    def usable(self, now: float) -> bool:
        """Whether it may be used once more. After a rest the server may have ended it, or spoken unasked."""
        if now - self.made > AGE_S or self.rest:
            return False
        return now - self.idle_since < RESTED_S or not self._readable.poll(0)

    # --- out ---

    def send(self, request: Request) -> Head | None:
        """Send it. A head that came before all was sent is returned, and the connection is then of no more use.

        Broken where it ended, or takes too little. What reading the body raises goes through.
        """
        self.used += 1
        head = b"%s %s HTTP/1.1\r\n%s" % (request.method.encode(), request.target, request.headers)
        body = request.body
        try:
            if body is None or body.size == 0:
                self._all(head + b"\r\n")
            elif isinstance(body, BytesBody) and body.size <= JOINED:
                self._all(b"%s\r\n%s" % (head, body.data))
            elif body.size > ASKED_FIRST:
                self._all(head + b"Expect: 100-continue\r\n\r\n")
                if self._readable.poll(CONTINUE_S * 1000) and (early := self._early(request.method)) is not None:
                    return early
                return self._body(request)
            else:
                self._all(head + b"\r\n")
                return self._body(request)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError) as error:
            return self._last_word(request.method, error)
        return None

    def _body(self, request: Request) -> Head | None:
        assert request.body is not None
        watch = Pace(self._patience)
        if isinstance(request.body, FileBody) and self._plain:
            return self._from_file(request.body, request.method, watch)
        for piece in request.body.pieces():
            if self._readable.poll(0) and (early := self._early(request.method)) is not None:
                return early
            self._all(piece)
            watch.moved(len(piece))
        return None

    def _from_file(self, body: FileBody, method: str, watch: Pace) -> Head | None:
        at, end = body.offset, body.offset + body.size
        while at < end:
            if self._readable.poll(0) and (early := self._early(method)) is not None:
                return early
            try:
                sent = os.sendfile(self._socket.fileno(), body.fd, at, min(PIECE, end - at))
            except BlockingIOError as error:
                raise Broken("nothing was taken in time") from error
            if not sent:
                raise EOFError(f"the file ended {end - at} bytes early")
            at += sent
            watch.moved(sent)
        return None

    def _all(self, data: bytes | memoryview) -> None:
        """Send all of it."""
        try:
            sent = self._socket.send(data)
            if sent < len(data):
                left = memoryview(data)[sent:]
                watch = Pace(self._patience)
                while left:
                    sent = self._socket.send(left)
                    left = left[sent:]
                    watch.moved(sent)
        except (BlockingIOError, TimeoutError) as error:
            raise Broken("nothing was taken in time") from error
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            raise
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or error}") from error

    # --- in ---

    def head(self, method: str) -> Head:
        """The head of the answer; what came behind it is in `rest`. Broken or Garbled where none comes."""
        for _ in range(PROVISIONAL):
            head = self._next_head(method)
            if head.status >= 200:
                return head
            if head.status == 101:
                break
        raise Garbled("provisional answers and no other")

    def receive(self, buffer: memoryview) -> int:
        """Up to so many bytes; 0 at the end of the connection. Broken where it breaks or stays silent."""
        try:
            return self._socket.recv_into(buffer)
        except (BlockingIOError, TimeoutError) as error:
            raise Broken("no answer in time") from error
        except (ConnectionResetError, ssl.SSLEOFError) as error:
            raise Closed("the connection was reset") from error
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or error}") from error

    def _next_head(self, method: str) -> Head:
        raw, self.rest = self.rest, b""
        if not raw:
            raw = self._some()
        if END not in raw:
            raw = self._until_end(raw)
        size = raw.index(END) + len(END)
        if size > LIMIT:
            raise Garbled("the head of the answer has no end")
        self.rest = raw[size:]
        return parse_head(raw[:size], method)

    def _some(self) -> bytes:
        buffer: memoryview | None = getattr(_own, "buffer", None)
        if buffer is None:
            buffer = _own.buffer = memoryview(bytearray(LIMIT))
        count = self.receive(buffer)
        if not count:
            raise Closed("the connection was closed before an answer came")
        return bytes(buffer[:count])

    def _until_end(self, raw: bytes) -> bytes:
        end = time.monotonic() + self._patience.answer_s
        pieces = bytearray(raw)
        while END not in pieces:
            if len(pieces) > LIMIT:
                raise Garbled("the head of the answer has no end")
            if time.monotonic() > end:
                raise Broken("the head of the answer did not come in time")
            try:
                pieces += self._some()
            except Closed as error:
                raise Broken("the connection ended within the head of the answer") from error
        return bytes(pieces)

    def _early(self, method: str) -> Head | None:
        """An answer that is there before all was sent; None where nothing of the kind is."""
        if not self._plain and not self._readable_inside():
            return None
        head = self._next_head(method)
        if head.status < 200:
            return None
        return _final(head)

    def _readable_inside(self) -> bool:
        """Whether TLS has bytes for us: the socket is readable by its own housekeeping too."""
        secured = self._socket
        assert isinstance(secured, ssl.SSLSocket)
        secured.settimeout(0.0)
        try:
            first = secured.recv(LIMIT)
        except ssl.SSLWantReadError:
            return False
        except OSError as error:
            raise Broken(f"the connection broke: {error.strerror or error}") from error
        finally:
            secured.settimeout(self._patience.answer_s)
        if not first:
            raise Closed("the connection was closed before an answer came")
        self.rest += first
        return True

    def _last_word(self, method: str, error: OSError) -> Head:
        """The server would not hear us out: what did it say?"""
        try:
            return _final(self.head(method))
        except (Broken, Garbled):
            raise Closed("the connection was closed while the request was sent") from error


class Closed(Broken):
    """The server ended the connection without a word."""


class Pace:
    """Broken where less than the lowest rate goes through."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._since = time.monotonic()
        self._bytes = 0

    def moved(self, count: int) -> None:
        """So many more bytes went through."""
        self._bytes += count
        elapsed = time.monotonic() - self._since
        if elapsed < self._patience.over_s:
            return
        if self._bytes < self._patience.rate * elapsed:
            raise Broken(f"{self._bytes} bytes in {elapsed:.0f} s: too slow")
        self._since, self._bytes = self._since + elapsed, 0


def _final(head: Head) -> Head:
    """That head, of a connection that is not used again."""
    return Head(head.status, head.headers, head.length, head.chunked, False)
