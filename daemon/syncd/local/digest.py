"""Content hashes, computed piece by piece in one pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from syncd.ports import MARK, Hashes

if TYPE_CHECKING:
    from hashlib import _Hash

PIECE = 256 * 1024
TYPES = frozenset({"sha256", "md5", "crc64nvme"})


class Digester:
    """Everything asked for, of bytes that pass by. `types` of {"sha256", "md5", "crc64nvme"}; ValueError for others."""

    def __init__(self, types: Iterable[str]) -> None:
        asked = frozenset(types)
        if asked - TYPES:
            raise ValueError(f"no such hash: {', '.join(sorted(asked - TYPES))}")
        self._sha256: _Hash | None = hashlib.sha256() if "sha256" in asked else None
        self._md5: _Hash | None = hashlib.md5(usedforsecurity=False) if "md5" in asked else None
        self._crc: int | None = None
        self._count = 0
        self._marks: list[int] = []
        if "crc64nvme" in asked:
            from awscrt import checksums  # 10 MB of library: only where it is wanted

            self._crc, self._more = 0, checksums.crc64nvme

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        if self._sha256 is not None:
            self._sha256.update(piece)
        if self._md5 is not None:
            self._md5.update(piece)
        if self._crc is not None:
            self._crc = self._more(piece, self._crc)
            self._count += len(piece)
            if not self._count % MARK:
                self._marks.append(self._crc)

    def result(self) -> Hashes:
        """What the bytes so far hash to; what was not asked for is None."""
        return Hashes(
            sha256=None if self._sha256 is None else self._sha256.digest(),
            md5=None if self._md5 is None else self._md5.digest(),
            crc64nvme=self._crc,
            marks=tuple(self._marks) if len(self._marks) == self._count // MARK else (),
        )
