"""A file being written under `.syncd/tmp`: whole, durable and dated before anybody sees it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from syncd import checkpoint
from syncd.core.model import LocalStat
from syncd.errors import ItemError
from syncd.local.spot import Spot, let_go, local_stat
from syncd.local.translate import translated
from syncd.local.unlink import unlink
from syncd.ports import OwnTemporary

FOLDER = "tmp"
PERMISSIONS = 0o777
NO_ROOM_AHEAD = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
"""A file system that takes no room ahead: what is missing is then found while writing."""

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class PartialFile:
    """One temporary file, named at random. `folder` is a descriptor of `.syncd/tmp` that it does not own."""

    def __init__(self, folder: int, *, suffix: str = "") -> None:
        self.name = secrets.token_hex(16) + suffix
        self._folder = folder
        self._held = -1  # O_PATH: knows the file after it is closed, and is no open file to a lease
        with checkpoint.LOCAL_CREATE:
            self._fd = os.open(self.name, _NEW, 0o644, dir_fd=folder)
        try:
            self._held = os.open(self.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        except BaseException:
            self.close()
            raise

    def write(self, piece: bytes) -> None:
        """Append. ItemError on a full disk."""
        view = memoryview(piece)
        with translated(self.name):
            while view:
                view = view[os.write(self._fd, view) :]

    def preallocate(self, size: int) -> None:
        """Take the room for so many bytes, which then read as zeros. ItemError where the disk has none."""
        with translated(self.name):
            try:
                os.posix_fallocate(self._fd, 0, size)
            except OSError as error:
                if error.errno not in NO_ROOM_AHEAD:
                    raise
                os.ftruncate(self._fd, size)

    def write_at(self, piece: bytes, offset: int) -> None:
        """Write at a place of its own; several threads may. ItemError on a full disk."""
        view = memoryview(piece)
        with translated(self.name):
            while view:
                with checkpoint.LOCAL_WRITE:
                    count = os.pwrite(self._fd, view, offset)
                view, offset = view[count:], offset + count

    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer with what was written there, as far as one read goes. ItemError where nothing is there."""
        with translated(self.name):
            count = os.preadv(self._fd, [buffer], offset)
        if not count:
            raise ItemError(self.name, "it has become shorter while it was written", hint="look at the disk")
        return count

    def finish(self, *, mtime_ns: int | None, mode: int | None = None) -> None:
        """fsync, set the mtime (nanoseconds since the epoch), close. ItemError on a full disk.

        `mode`: permission bits to give it; set-user-id and its like never come back.
        """
        with translated(self.name):
            if mode is not None:
                os.fchmod(self._fd, mode & PERMISSIONS)
            if mtime_ns is not None:
                self._date(mtime_ns)
            with checkpoint.LOCAL_SYNC_FILE:
                os.fsync(self._fd)
            done, self._fd = self._fd, -1
            os.close(done)

    def _date(self, mtime_ns: int) -> None:
        try:
            os.utime(self._fd, ns=(mtime_ns, mtime_ns))
        except (OverflowError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise ItemError(self.name, "a modification time that no file can have", hint="see `explain`") from error

    @property
    def finished(self) -> bool:
        """Whether finish() has returned."""
        return self._fd < 0

    @property
    def spot(self) -> Spot:
        """Where it lies, unless it was placed."""
        return Spot(self._folder, self.name)

    def stat(self) -> LocalStat:
        """The stat of the file that we wrote, wherever it is by now."""
        return local_stat(os.fstat(self._held))

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in (self._fd, self._held):
            if fd >= 0:
                let_go(fd)
        self._fd = self._held = -1


@contextmanager
def partial_file(folder: int, *, suffix: str = "") -> Iterator[PartialFile]:
    """A PartialFile that is unlinked at the end, unless it was placed; where that fails, the next start sweeps it."""
    partial = PartialFile(folder, suffix=suffix)
    try:
        yield partial
    finally:
        partial.close()
        with suppress(OSError):  # placed; or what failed before is what is told
            unlink(partial.spot, OwnTemporary(partial.name))
