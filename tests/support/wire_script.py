"""The lean client before a server whose every word is known, cut where a test says: no thread, no time."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any
from unittest.mock import patch

from syncd.s3.wire.origin import Origin
from syncd.s3.wire.request import Request
from syncd.s3.wire.response import Response
from syncd.s3.wire.transport import Transport


class Sipping(socket.socket):
    """A socket that hands out what came in sips of these sizes, then as it comes."""

    sips: Iterator[int] = repeat(1 << 20)
    broken: OSError | None = None

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        broken, self.broken = self.broken, None  # a kernel tells it once; after that the connection just ended
        if broken is not None:
            raise broken
        return super().recv_into(memoryview(buffer)[: next(self.sips)], nbytes, flags)


class Script:
    """`raw` is all that the server says, and then it ends the connection."""

    def __init__(self, raw: bytes, sips: Sequence[int] = ()) -> None:
        near, self._far = socket.socketpair()
        self._far.settimeout(5)  # what does not fit into the buffer of a socket is no script
        self._far.sendall(raw)
        self._far.shutdown(socket.SHUT_WR)
        self.socket = Sipping(fileno=near.detach())
        self.socket.sips = chain(sips, repeat(1 << 20))
        self.transport = Transport(Origin("http", "localhost", 80))

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None:
        self.transport.close()
        self.socket.close()
        self._far.close()

    def answer(self, method: str = "GET", *, looked_for: bool = False) -> Response:
        """The answer to a request without a body, taken at once or when it is there."""
        with patch("syncd.s3.wire.connection.connected", return_value=self.socket):
            started = self.transport.start(Request(method, b"/", b"Host: localhost\r\n", None))
            assert not looked_for or started.there()
            return started.response()

    def kept(self) -> bool:
        """Whether the connection is still open, for another request."""
        return self.socket.fileno() != -1


def answered(
    raw: bytes, sips: Sequence[int] = (), method: str = "GET", *, looked_for: bool = False
) -> tuple[int, bytes]:
    """Status and body of the answer. A WireError where it is none."""
    with Script(raw, sips) as script, script.answer(method, looked_for=looked_for) as response:
        return response.status, response.read(1 << 24)
