"""Persistent connections to one server, and how a request finds one."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable

from syncd.s3.wire.connection import Closed, Connection, Pace
from syncd.s3.wire.head import Head
from syncd.s3.wire.origin import Origin, Patience
from syncd.s3.wire.request import Request
from syncd.s3.wire.response import Response

IDLE = 256
"""So many wait for the next request at most; more are closed."""

USUAL = Patience()

Meter = Callable[[int], None]


class Transport:
    """Exchanges requests with one server. Thread-safe; a connection has one user at a time, the warmest goes first.

    `meter` is told of the bytes of a body before they go, and may take its time.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        tls: ssl.SSLContext | None = None,
        patience: Patience = USUAL,
        meter: Meter | None = None,
    ) -> None:
        self.origin = origin
        self._tls = tls
        self._patience = patience
        self._meter = meter
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def exchange(self, request: Request) -> Response:
        """Send a request and wait for the head of its answer. A WireError where none comes."""
        return self.start(request).response()

    def start(self, request: Request) -> Started:
        """Send a request. The same thread asks for the answer, or closes it."""
        return Started(self, request)

    def close(self) -> None:
        """End the connections that wait; the others end with what they do."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # --- for what was started ---

    def take(self) -> Connection:
        """The connection that was used last, or a new one."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self.fresh()
            if connection.usable(time.monotonic()):
                return connection
            connection.close()

    def fresh(self) -> Connection:
        """A new connection. Unreachable."""
        return Connection(self.origin, self._tls, self._patience)

    def give_back(self, connection: Connection) -> None:
        """It may be used again."""
        connection.idle_since = time.monotonic()
        with self._lock:
            if not self._closed and len(self._idle) < IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def sent(self, connection: Connection, request: Request) -> Head | None:
        """Send it there; the connection ends where that fails."""
        try:
            if self._meter is not None and request.body is not None:
                self._meter(request.body.size)
            return connection.send(request)
        except BaseException:
            connection.close()
            raise

    def pace(self) -> Pace:
        """A watch over the rate of one body."""
        return Pace(self._patience)


class Started:
    """A request that was sent, or a failure to send it that is told when the answer is asked for.

    A connection that had been used before and was closed without a word is no answer: the request goes once more, over
    a new one. What was asked may have been done all the same.
    """

    def __init__(self, transport: Transport, request: Request) -> None:
        self._transport = transport
        self._request = request
        self._early: Head | None = None
        self._connection = transport.take()
        self._used = self._connection.used > 0
        self._closed: Closed | None = None
        try:
            self._early = transport.sent(self._connection, request)
        except Closed as closed:
            if not self._used:
                raise
            self._closed = closed

    def response(self) -> Response:
        """The answer, its head read."""
        if self._closed is None:
            try:
                return self._answer()
            except Closed:
                if not self._used:
                    raise
        self._used, self._connection = False, self._transport.fresh()
        self._early = self._transport.sent(self._connection, self._request)
        return self._answer()

    def close(self) -> None:
        """Nobody wants the answer."""
        self._connection.close()

    def _answer(self) -> Response:
        connection = self._connection
        try:
            head = self._early or connection.head(self._request.method)
        except BaseException:
            connection.close()
            raise
        return Response(head, connection, self._transport.give_back, self._transport.pace)
