"""Bytes in memory, sent and summed as an open file is."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from syncd.core.model import LocalStat
from syncd.ports import Digester, Hashes, Inode

SUMS = frozenset({"sha256", "md5", "crc64nvme"})
"""All that can be compared with what a store answers."""


class InMemory:
    """An `OpenFile` of bytes that never change. `mtime_ns`: when they were made."""

    def __init__(self, body: bytes, mtime_ns: int, digester: Callable[[frozenset[str]], Digester]) -> None:
        self._body = body
        self._stat = LocalStat(len(body), mtime_ns, mtime_ns, 0)
        self._digester = digester

    def fstat(self) -> LocalStat:
        """Their size and time."""
        return self._stat

    def inode(self) -> Inode:
        """The same; they belong to nobody."""
        return Inode(stat=self._stat, mode=0o600, uid=0, gid=0)

    def reader(self, start: int, length: int) -> BinaryIO:
        """A seekable view of that range."""
        return io.BytesIO(self._body[start : start + length])

    def hash(self, *, types: frozenset[str], stopped: Callable[[], bool]) -> Hashes:
        """Sum them at once."""
        digester = self._digester(types)
        digester.update(self._body)
        return digester.result()
