"""Persistent connections to one server, and how a request finds one."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable

from syncd.s3.wire.body import Body
from syncd.s3.wire.connection import JOINED, RESTED_S, Connection
from syncd.s3.wire.failure import Closed, Garbled
from syncd.s3.wire.head import Head
from syncd.s3.wire.origin import Origin, Patience
from syncd.s3.wire.pace import Pace
from syncd.s3.wire.request import Request
from syncd.s3.wire.response import Response

IDLE = 256
"""So many wait for the next request at most; more are closed."""

USUAL = Patience()

Meter = Callable[[int], None]


class Transport:
    """Exchanges requests with one server. Thread-safe; a connection has one user at a time, the warmest goes first.

    `meter` is told of the bytes of a body as they go, and may take its time.
    """

    def __init__(
        self,
        origin: Origin,
        *,
        tls: ssl.SSLContext | None = None,
        patience: Patience = USUAL,
        meter: Meter | None = None,
    ) -> None:
        if (origin.scheme == "https") != (tls is not None):
            raise ValueError(f"{origin}: https and TLS come together")
        self.origin = origin
        self._tls = tls
        self._patience = patience
        self._meter = meter
        self._session: ssl.SSLSession | None = None
        self._idle: list[Connection] = []  # the one that rests longest stands first
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
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self.fresh()
            if connection.usable(time.monotonic()):
                return connection
            connection.close()

    def fresh(self) -> Connection:
        """A new connection. Unreachable."""
        return Connection(self.origin, self._tls, self._patience, meter=self._meter, session=self._session)

    def give_back(self, connection: Connection) -> None:
        """It may be used again."""
        connection.idle_since = now = time.monotonic()
        if connection.used == 1:
            self._session = connection.session
        over: list[Connection] = []
        with self._lock:
            while self._idle and now - self._idle[0].idle_since > RESTED_S:
                over.append(self._idle.pop(0))
            if self._closed or len(self._idle) >= IDLE:
                over.append(connection)
            else:
                self._idle.append(connection)
        for tired in over:
            tired.close()

    def metered(self, body: Body | None) -> None:
        """Tell of a body that goes at once, before a connection waits for it; a longer one is told of on its way."""
        if self._meter is not None and body is not None and 0 < body.size <= JOINED:
            self._meter(body.size)

    def sent(self, connection: Connection, request: Request) -> Head | None:
        """Send it there; the connection ends where that fails."""
        try:
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
        transport.metered(request.body)
        connection = transport.take()
        self._again = connection.used > 0 and not request.once
        self._connection: Connection | None = connection  # None: it was closed without a word
        try:
            self._early = transport.sent(connection, request)
        except Closed:
            if not self._again:
                raise
            self._connection = None

    def response(self) -> Response:
        """The answer, its head read; asked for once."""
        connection, self._connection = self._connection, None
        again, self._again = self._again, False
        if connection is not None:
            try:
                return self._answer(connection)
            except Closed:
                if not again:
                    raise
        elif not again:
            raise RuntimeError("an answer is asked for once")
        connection = self._transport.fresh()
        self._early = self._transport.sent(connection, self._request)
        return self._answer(connection)

    def there(self) -> bool:
        """Whether something of the answer is here, or was already before all was sent."""
        return self._early is not None or (self._connection is not None and self._connection.answered())

    def close(self) -> None:
        """Nobody wants the answer; nothing where it was asked for."""
        connection, self._connection = self._connection, None
        self._again = False
        if connection is not None:
            connection.close()

    def _answer(self, connection: Connection) -> Response:
        try:
            head = self._early or connection.head(self._request.method)
            if self._early is not None and head.status < 300:
                raise Garbled("the server took for done what it did not get whole")
        except BaseException:
            connection.close()
            raise
        return Response(head, connection, self._transport.give_back, self._transport.pace)
