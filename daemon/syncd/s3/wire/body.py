"""What a request carries: bytes, a part of a file, or a stream; each begins anew from its own offset."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Protocol

PIECE = 256 * 1024


class Body(Protocol):
    """`size` bytes. `pieces` begins at the first of them each time it is called."""

    @property
    def size(self) -> int: ...

    def pieces(self) -> Iterator[bytes | memoryview]: ...


@dataclass(frozen=True, slots=True)
class BytesBody:
    """Bytes in memory."""

    data: bytes | memoryview

    @property
    def size(self) -> int:
        """Their number."""
        return len(self.data)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """In pieces, so that an early answer is heard."""
        whole = memoryview(self.data)
        for start in range(0, len(whole), PIECE):
            yield whole[start : start + PIECE]


@dataclass(frozen=True, slots=True)
class FileBody:
    """A part of an open file; over plain HTTP the kernel sends it, and no byte of it comes by here.

    `passed` is told now and then how many bytes have gone; what it raises ends the request.
    """

    fd: int
    offset: int
    size: int
    passed: Callable[[int], None] | None = None

    def behind(self, at: int) -> FileBody:
        """What is left of it from that place in the file; `passed` counts on."""
        passed, gone = self.passed, at - self.offset
        told = None if passed is None else lambda more: passed(gone + more)
        return FileBody(self.fd, at, self.size - gone, told)

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Read one after the other. EOFError where the file ends before."""
        at, end = self.offset, self.offset + self.size
        while at < end:
            piece = os.pread(self.fd, min(PIECE, end - at), at)
            if not piece:
                raise EOFError(f"the file ended {end - at} bytes early")
            at += len(piece)
            yield piece
            if self.passed is not None:
                self.passed(at - self.offset)


class StreamBody:
    """`size` bytes of a seekable stream from where it stands. What its `read` raises goes through."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.size = size
        self._stream = stream
        self._start = stream.tell()

    def pieces(self) -> Iterator[bytes | memoryview]:
        """Read one after the other. EOFError where the stream ends before."""
        self._stream.seek(self._start)
        left = self.size
        while left > 0:
            piece = self._stream.read(min(PIECE, left))
            if not piece:
                raise EOFError(f"the stream ended {left} bytes early")
            left -= len(piece)
            yield piece
