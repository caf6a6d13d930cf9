"""A name in an open folder, and how to look at it without following it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

from syncd import checkpoint
from syncd.core.model import LocalStat


def local_stat(seen: os.stat_result) -> LocalStat:
    """The four things that we compare of a stat."""
    return LocalStat(seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)


def let_go(fd: int) -> None:
    """Close a descriptor of which nothing is expected any more: whatever the disk says to that changes nothing.

    It is closed even where the kernel reports an error. Who wrote and needs it to last asks fsync, then `os.close`.
    """
    with suppress(OSError):
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Spot:
    """One name in a folder that is open as `folder` (a descriptor that the spot does not own)."""

    folder: int
    name: str

    def stat(self) -> os.stat_result | None:
        """What stands there, of any kind, not followed. None where nothing does."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def look(self) -> LocalStat | None:
        """The stat of a regular file. None where there is none."""
        seen = self.stat()
        return local_stat(seen) if seen is not None and stat.S_ISREG(seen.st_mode) else None

    def holds(self, expect: LocalStat) -> bool:
        """Whether the file there is that one (all but ctime, which our own rename moves)."""
        seen = self.look()
        return seen is not None and seen.same_file(expect)

    def sync(self) -> None:
        """Make the folder's names durable."""
        with checkpoint.LOCAL_SYNC_FOLDER:
            os.fsync(self.folder)
