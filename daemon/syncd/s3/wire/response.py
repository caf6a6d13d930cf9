"""The body of an answer, whole or an error; the connection goes back only when nothing is left in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from syncd.s3.wire.body import PIECE
from syncd.s3.wire.connection import Connection
from syncd.s3.wire.failure import CutShort, Garbled
from syncd.s3.wire.head import FIELDS, Head
from syncd.s3.wire.pace import Pace

LINE = 1024
"""Of chunk sizes and trailers."""

MOMENT_S = 0.1
"""So long a piece waits for more of its bytes: TLS hands out 16 KiB at once, and each piece has its price."""


class Response:
    """An answer whose head is here. Close it, or use it as a context manager. For one thread."""

    def __init__(
        self, head: Head, connection: Connection, give_back: Callable[[Connection], None], pace: Callable[[], Pace]
    ) -> None:
        self.status = head.status
        self.headers: Mapping[str, str] = head.headers
        self.length = head.length  # of the body; None: not told
        self._head = head
        self._connection: Connection | None = connection
        self._give_back = give_back
        self._pace = pace
        self._whole = False
        if head.length == 0:
            self._end()

    def __enter__(self) -> Response:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go: where the body was not read whole, for good."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def read(self, limit: int) -> bytes:
        """The whole body, or its first `limit` bytes and no more of it. CutShort where it ended early; Broken."""
        pieces, size = [], 0
        for piece in self:
            pieces.append(bytes(piece))
            size += len(piece)
            if size >= limit:
                break
        self.close()
        return b"".join(pieces)[:limit]

    def __iter__(self) -> Iterator[memoryview]:
        """The pieces of the body, once. Each is valid until the next is asked for: they share one buffer."""
        connection = self._connection
        if connection is None:
            if self._whole:
                return
            raise CutShort("the answer was closed before its body was read")
        try:
            yield from self._chunks(connection) if self._head.chunked else self._plain(connection)
        except BaseException:
            self.close()
            raise

    def _end(self) -> None:
        """All was read."""
        connection, self._connection, self._whole = self._connection, None, True
        if connection is None:
            return
        if self._head.keeps and not connection.rest:
            self._give_back(connection)
        else:
            connection.close()

    def _plain(self, connection: Connection) -> Iterator[memoryview]:
        left = self._head.length
        first, connection.rest = connection.rest, b""
        if first:
            if left is not None and len(first) > left:
                connection.rest = first[left:]
                first = first[:left]
            left = None if left is None else left - len(first)
            if left == 0:
                self._end()
            yield memoryview(first)
        if left == 0:
            return
        buffer = memoryview(bytearray(PIECE if left is None else min(PIECE, left)))
        pace = self._pace()
        while left is None or left:
            count = _filled(connection, buffer if left is None else buffer[:left], pace)
            if not count:
                if left is None:
                    break
                raise CutShort(f"the body ended {left} bytes early")
            if left is not None:
                left -= count
                if not left:
                    self._end()
            yield buffer[:count]
        self._end()

    def _chunks(self, connection: Connection) -> Iterator[memoryview]:
        source = _Lines(connection, self._pace())
        while size := _chunk_size(source.line()):
            yield from source.exactly(size)
            if source.line():
                raise Garbled("a chunk that is longer than it said")
        trailers = 0
        while source.line():
            trailers += 1
            if trailers > FIELDS:
                raise Garbled("trailers without an end")
        connection.rest = source.rest
        self._end()


class _Lines:
    """Lines and counted bytes of a body in chunks."""

    def __init__(self, connection: Connection, pace: Pace) -> None:
        self._connection = connection
        self._pace = pace
        self._buffer = memoryview(bytearray(PIECE))
        self.rest, connection.rest = connection.rest, b""

    def line(self) -> bytes:
        """The next line without its end."""
        while b"\r\n" not in self.rest:
            if len(self.rest) > LINE:
                raise Garbled("a chunk without a size")
            self.rest += bytes(self._more(LINE))
        line, _, self.rest = self.rest.partition(b"\r\n")
        if len(line) > LINE:
            raise Garbled("a chunk without a size")
        return line

    def exactly(self, size: int) -> Iterator[memoryview]:
        """So many bytes."""
        if self.rest:
            first, self.rest = self.rest[:size], self.rest[size:]
            size -= len(first)
            yield memoryview(first)
        while size:
            piece = self._more(size)
            size -= len(piece)
            yield piece

    def _more(self, most: int) -> memoryview:
        count = self._pace.through(self._connection.receive, self._buffer[:most])
        if not count:
            raise CutShort("the body ended within its chunks")
        return self._buffer[:count]


def _filled(connection: Connection, buffer: memoryview, pace: Pace) -> int:
    """What comes within a moment, and a byte at least; 0 at the end. It is handed out when more came after that."""
    began, count = time.monotonic(), 0
    while count < len(buffer):
        more = connection.receive(buffer[count:])
        count += more
        if not more or time.monotonic() - began > MOMENT_S:
            break
    pace.moved(count, time.monotonic() - began)
    return count


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip(b" \t")
    if not 0 < len(digits) <= 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise Garbled(f"a chunk of {digits[:20]!r} bytes")
    return int(digits, 16)
