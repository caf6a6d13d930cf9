"""One connection of a client: its requests in, its answers out, never waiting."""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections.abc import Callable
from typing import Any

from bench.sink.answers import Answers
from bench.sink.pattern import Pattern
from bench.sink.reply import Reply
from bench.sink.request import Request
from bench.sink.taken import Body

SCRATCH = bytearray(1 << 20)
VIEW = memoryview(SCRATCH)
SMALL = 64 << 10
"""A body up to this size is awaited whole, and an answer up to it is sent in one go."""
TLS_PIECE = 256 << 10
MAX_HEAD = 64 << 10
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
AGAIN = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Later = Callable[["Connection", Reply], None]


class Closed(Exception):
    """The other side is gone, or speaks no HTTP."""


class Connection:
    """`poll` is told what to wait for. `later` takes an answer that is to be held back, None sends it at once."""

    __slots__ = ("_answers", "_body", "_inbox", "_need", "_out", "_pattern", "_poll", "_request", "_tls",
                 "_waiting", "later", "sock")  # fmt: skip

    def __init__(self, sock: socket.socket, answers: Answers, poll: select.epoll, later: Later | None) -> None:
        self.sock = sock
        self.later = later
        self._answers = answers
        self._pattern: Pattern = answers.pattern
        self._poll = poll
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._inbox = b""
        self._need = 0  # bytes of its body, where they are awaited whole
        self._request: Request | None = None
        self._body: Body | None = None  # what is streamed
        self._out: list[memoryview | tuple[int, int]] = []  # bytes, or a stretch of the pattern
        self._waiting = False  # for room to send

    def ready(self) -> None:
        """Something can be read or sent. Closed or OSError: it is over."""
        if self._out:
            self._flush()
            if self._out:
                return
            self._take_on()
            if not self._tls:
                return
        while self._read() and self._tls:  # what OpenSSL has decrypted no poll tells of
            pass

    # --- in -----------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """Whether there may be more."""
        try:
            if self._body is not None:
                size = self.sock.recv_into(SCRATCH)
                piece: Any = VIEW[:size]
            else:
                piece = self.sock.recv(SMALL)
                size = len(piece)
        except AGAIN:
            return False
        if not size:
            raise Closed
        body = self._body
        if body is None:
            self._inbox = self._inbox + piece if self._inbox else piece
            self._take_on()
            return True
        used = body.feed(piece)
        if used < size:
            self._inbox = bytes(piece[used:])
        if body.done:
            assert self._request is not None
            self._answer(self._request, body)
        return True

    def _take_on(self) -> None:
        """As far as what has come in goes."""
        while self._inbox and not self._out:
            if self._request is None and not self._begin():
                return
            request = self._request
            assert request is not None
            if self._body is None and len(self._inbox) < self._need:  # a small one, awaited whole
                return
            body = self._body or Body(request)
            self._inbox = self._inbox[body.feed(self._inbox) :]
            if not body.done:
                return
            self._answer(request, body)

    def _begin(self) -> bool:
        """Take the head off; False where it is not whole."""
        end = self._inbox.find(b"\r\n\r\n")
        if end < 0:
            if len(self._inbox) > MAX_HEAD:
                raise Closed
            return False
        request = self._request = Request(self._inbox[:end])
        self._inbox = self._inbox[end + 4 :]
        self._need = request.length
        if request.framed or self._need > SMALL:
            self._body = Body(request)
        if "expect" in request.headers and (request.framed or self._need > len(self._inbox)):
            self.sock.send(CONTINUE)
        if not self._need and not request.framed:
            self._answer(request, Body(request))
            return bool(self._inbox) and self._request is not None
        return True

    # --- out ----------------------------------------------------------------------------------------------

    def _answer(self, request: Request, body: Body) -> None:
        self._request, self._body, self._need = None, None, 0
        reply = self._answers.answer(request, body.taken)
        self._answers.counts.add("bytes_in", body.taken.size)
        if self.later is not None:
            self.later(self, reply)
        else:
            self.send(reply)

    def send(self, reply: Reply) -> None:
        """As much of it as goes now; the rest when there is room."""
        if reply.piece is None:
            self._out.append(memoryview(reply.head + reply.body))
        else:
            stretches = list(self._pattern.pieces(*reply.piece))
            self._answers.counts.add("bytes_out", reply.piece[2])
            if len(stretches) == 1 and stretches[0][1] <= SMALL:
                at, size = stretches[0]
                self._out.append(memoryview(reply.head + self._pattern.view[at : at + size]))
            else:
                self._out += [memoryview(reply.head), *stretches]
        self._flush()

    def _flush(self) -> None:
        out = self._out
        while out:
            first = out[0]
            try:
                if isinstance(first, memoryview):
                    sent = self.sock.send(first, socket.MSG_MORE if len(out) > 1 and not self._tls else 0)
                    left: memoryview | tuple[int, int] | None = first[sent:] if sent < len(first) else None
                else:
                    at, size = first
                    sent = self._send_stretch(at, size)
                    left = (at + sent, size - sent) if sent < size else None
            except AGAIN:
                break
            if left is None:
                out.pop(0)
            else:
                out[0] = left
        if self._waiting != bool(out):
            self._waiting = bool(out)
            self._poll.modify(self.sock, select.EPOLLOUT if out else select.EPOLLIN)

    def _send_stretch(self, at: int, size: int) -> int:
        if self._tls:
            return self.sock.send(self._pattern.view[at : at + min(size, TLS_PIECE)])
        return os.sendfile(self.sock.fileno(), self._pattern.fd, at, size)
