"""The body of a request as it arrives: counted, summed, and kept where it is small."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from awscrt.checksums import crc64nvme

from bench.sink.request import Request

KEPT = 4096
"""A body up to this size is kept and checked by every sum that the client names."""

HASHED = 1 << 20
"""MD5 is computed up to this size: 0.7 GiB/s would measure the sink above it."""


class Taken:
    """Bytes that were taken in. `size` of them; `body` where they are few."""

    __slots__ = ("_md5", "body", "crc", "size")

    def __init__(self, expected: int, *, keep: bool = False) -> None:
        self.size = 0
        self.crc = 0
        self.body: bytes | None = b"" if keep or expected <= KEPT else None
        self._md5 = hashlib.md5(usedforsecurity=False) if expected <= HASHED else None

    def add(self, piece: bytes | memoryview) -> None:
        self.size += len(piece)
        self.crc = crc64nvme(piece, self.crc)
        if self._md5 is not None:
            self._md5.update(piece)
        if self.body is not None:
            self.body += piece

    def md5(self) -> str:
        """In hex; empty where it was not computed."""
        return "" if self._md5 is None else self._md5.hexdigest()


class Body:
    """What is taken of a connection for one request; `done` once it is whole."""

    __slots__ = ("_take", "done", "taken")

    def __init__(self, request: Request) -> None:
        self.taken = Taken(request.size, keep=request.method == "POST")
        take: Plain | Chunked = Plain(request.length, self.taken.add)
        if request.signed_in_chunks:
            take = Chunked(self.taken.add)
        if request.chunked:  # botocore sends an aws-chunked body so
            take = Chunked(take.feed if request.signed_in_chunks else self.taken.add)
        self._take = take
        self.done = take.done

    def feed(self, piece: bytes | memoryview) -> int:
        """How many of these bytes are of this body."""
        used = self._take.feed(piece)
        self.done = self._take.done
        return used


class Plain:
    """So many bytes as they stand."""

    __slots__ = ("_left", "_to", "done")

    def __init__(self, length: int, to: Callable[[bytes | memoryview], object]) -> None:
        self._left = length
        self._to = to
        self.done = not length

    def feed(self, piece: bytes | memoryview) -> int:
        size = min(len(piece), self._left)
        if size:
            self._to(piece if size == len(piece) else piece[:size])
        self._left -= size
        self.done = not self._left
        return size


class Chunked:
    """Sizes in hex, pieces, and a trailer, which is not believed: HTTP's own framing, and aws-chunked."""

    __slots__ = ("_last", "_line", "_piece", "_to", "done")

    def __init__(self, to: Callable[[bytes | memoryview], object]) -> None:
        self._to = to
        self.done = False
        self._line = b""
        self._piece = 0  # what is missing of this piece
        self._last = False  # the piece of no bytes has come; what follows is the trailer

    def feed(self, piece: bytes | memoryview) -> int:
        at, end = 0, len(piece)
        while at < end and not self.done:
            if self._piece:
                size = min(self._piece, end - at)
                self._to(piece[at : at + size])
                self._piece -= size
                at += size
                continue
            there = bytes(piece[at : at + 256])
            stop = there.find(b"\n")
            at += stop + 1 if stop >= 0 else len(there)
            self._line += there[: stop + 1] if stop >= 0 else there
            if stop >= 0:
                self._understand(self._line.strip())
                self._line = b""
        return at

    def _understand(self, line: bytes) -> None:
        if self._last:
            self.done = not line
        elif line:
            self._piece = int(line.partition(b";")[0], 16)
            self._last = not self._piece
