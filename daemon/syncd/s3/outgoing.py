"""What goes out over the lean client: a body as the wire takes it, with its checksums."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import Any, BinaryIO

from syncd.errors import Stale
from syncd.ports import ObjectHeaders
from syncd.s3.body import sendable
from syncd.s3.parameters import Parameters
from syncd.s3.wire.body import Body, BytesBody, FileBody, StreamBody


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A body on its way: its checksums as parameters, and what its request is signed with."""

    body: Body
    parameters: Parameters
    payload: str


@dataclass(frozen=True, slots=True)
class Write:
    """A PUT of one object. `own`: what its headers say apart from what is said `about` it. `once`: of `Unchecked`."""

    key: str
    sent: Outgoing
    headers: dict[str, str]
    own: Parameters
    about: ObjectHeaders
    once: bool


def body_of(source: BinaryIO, size: int) -> Body:
    """What is given to the wire: the bytes themselves where they are few or in memory, the file where it may be."""
    where = getattr(source, "fileno_span", lambda: None)()
    if where is not None:
        fd, offset, length = where
        return FileBody(fd, offset, length, getattr(source, "went", None))
    if isinstance(source, io.BytesIO):
        start = source.tell()
        # no `getbuffer`: collected as a part of a cycle, it ends the process (CPython up to 3.12)
        held = memoryview(source.getvalue())[start : start + size]
        if len(held) < size:
            raise Stale(f"the file ended {size - len(held)} bytes early while it was sent")
        return BytesBody(held)
    sent = sendable(source, size, sha256=None)
    return BytesBody(sent) if isinstance(sent, bytes) else StreamBody(sent, size)


def summed(body: Body, sum: Any) -> Any:
    """That sum once it has seen the whole body."""
    for piece in body.pieces():
        sum.update(piece)
    return sum


class Crc32:
    """Like a hash of hashlib."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, piece: bytes) -> None:
        """Take the next bytes."""
        self.value = zlib.crc32(piece, self.value)
