"""Bodies on their way: what is sent, of exactly its size, and what is read, all of it or an error."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from syncd.core.model import ObjectFacts
from syncd.errors import Stale

if TYPE_CHECKING:
    from botocore.response import StreamingBody

    from syncd.s3.translate import Place

PIECE = 256 * 1024
SMALL = 64 * 1024
"""Up to here a body is sent from memory: no `Expect: 100-continue`, so no round trip (or a second's wait) for it."""


class SentBody:
    """Exactly `size` bytes of a seekable file from where it stands, as botocore reads them. Short: Stale.

    `signed`: whether its SHA-256 went into the signature of the request (see `signing`).
    """

    def __init__(self, source: BinaryIO, size: int, *, sha256: bytes | None = None) -> None:
        self._source = source
        self._start = source.tell()
        self._size = size
        self._at = 0
        self.sha256_hex = "" if sha256 is None else sha256.hex()
        self.signed = False
        self.passing: Callable[[int], None] | None = None  # set while it is sent: a limit on the rate

    def __len__(self) -> int:
        return self._size

    def read(self, count: int | None = -1) -> bytes:
        """The next bytes, none past `size`. Stale where the file ended before."""
        left = self._size - self._at
        piece = self._source.read(left if count is None or count < 0 else min(count, left))
        if not piece and left and count != 0:
            raise Stale(f"the file ended {left} bytes early while it was sent")
        self._at += len(piece)
        if self.passing is not None:
            self.passing(len(piece))
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the `size` bytes."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, min(base + offset, self._size))
        self._source.seek(self._start + self._at)
        return self._at

    def tell(self) -> int:
        """The position within the `size` bytes."""
        return self._at


def signed_payload(body: Any) -> str:
    """The hash that the request with this body was signed with, in hex; "" where it went unsigned or unknown."""
    return body.sha256_hex if isinstance(body, SentBody) and body.signed else ""


def sendable(source: BinaryIO, size: int, *, sha256: bytes | None) -> Any:
    """What is given to botocore: the bytes themselves where they are few."""
    body = SentBody(source, size, sha256=sha256)
    if size > SMALL:
        return body
    whole = io.BytesIO()
    while whole.tell() < size:
        whole.write(body.read())
    return whole.getvalue()


class ReadBody:
    """The pieces of a GET of `size` bytes, with the facts of its headers. RemoteError where they are fewer."""

    def __init__(
        self, stream: StreamingBody, facts: ObjectFacts, place: Place, *, received: Callable[[int], None]
    ) -> None:
        self.facts = facts
        self._stream = stream
        self._place = place
        self._received = received

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of up to 256 KiB."""
        while True:
            with self._place.translated():
                piece = self._stream.read(PIECE)
            if not piece:
                return
            self._received(len(piece))
            yield piece
