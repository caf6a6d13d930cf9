"""Whether inode numbers last from one pass to the next: some network and FUSE file systems give new ones."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from syncd.core.model import LocalStat, Record

FEW = 20
"""Fewer files with new numbers are a copy that somebody put back."""

SHARE = 0.9
PASSES = 2
"""So many passes in a row that saw new numbers make a habit of it: a restored backup does so once."""


def renumbered(moved: int, seen: int) -> bool:
    """Whether all were numbered anew: of `seen` files in a pass, `moved` had nothing but another inode."""
    return moved >= FEW and moved >= SHARE * seen


def only_inode_moved(before: LocalStat | None, now: LocalStat | None) -> bool:
    """Whether the two differ by their inode alone."""
    if before is None or now is None or before.inode == now.inode:
        return False
    return before._replace(inode=now.inode) == now


def adopted(record: Record, stat: LocalStat | None) -> Record:
    """The record under the file's number of today, where the number alone moved."""
    if record.stat is None or not only_inode_moved(record.stat, stat):
        return record
    return replace(record, stat=stat)


def adopted_staged(record: Record, staged: LocalStat) -> Record:
    """The record under the staged file's number of today. Its content is read once more before it goes."""
    return record if record.stat is None else replace(record, stat=record.stat._replace(inode=staged.inode))


def by_path(stat: LocalStat, path: str) -> LocalStat:
    """A key for what was read of that version of the file at that path, whatever its number is today."""
    number = hashlib.blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return stat._replace(inode=int.from_bytes(number, "big") | 1 << 64)  # a number that no file system gives
