"""A body on its way out: counted, summed, and stopped where the daemon stops."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from syncd.errors import Stale
from syncd.ports import Digester, Hashes, StopToken


class Watched(io.RawIOBase):
    """Reads through to a seekable body. A seek to the start begins the sums anew (an SDK retry, or its signing)."""

    def __init__(
        self,
        body: BinaryIO,
        size: int,
        digester: Callable[[], Digester],
        advance: Callable[[int], None],
        stop: StopToken,
    ) -> None:
        self._body = body
        self._size = size
        self._make = digester
        self._digester = digester()
        self._advance = advance
        self._stop = stop
        self._at = 0
        self._summed = 0
        self._counted = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes; raises Stale once the daemon abandons its transfers."""
        if self._stop.abandoned():
            raise Stale("stopped")
        piece = self._body.read(size)
        if self._at == self._summed:
            self._digester.update(piece)
            self._summed += len(piece)
        self._at += len(piece)
        if self._at > self._counted:
            self._advance(self._at - self._counted)
            self._counted = self._at
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move. At the start the sums begin anew."""
        self._at = self._body.seek(offset, whence)
        if self._at == 0:
            self._digester, self._summed = self._make(), 0
        return self._at

    def tell(self) -> int:
        return self._at

    def __len__(self) -> int:
        return self._size

    def whole_hashes(self) -> Hashes:
        """The sums of the last pass if it saw every byte in order, else none."""
        return self._digester.result() if self._summed == self._size else Hashes()
