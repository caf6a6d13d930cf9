"""One descriptor on one version of a file: its stat, its hash and views for sending are all of the same bytes."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable
from typing import BinaryIO, cast

from syncd.core.model import LocalStat
from syncd.errors import Stale
from syncd.local import lease
from syncd.local.anchor import Anchor
from syncd.local.digest import PIECE, Digester
from syncd.local.spot import let_go, local_stat
from syncd.local.translate import item_error, translated
from syncd.ports import Hashes, Inode, Openness

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_regular(anchor: Anchor, path: str) -> int:
    """A descriptor for reading a regular file below the root. Stale where it is none; OSError as it comes."""
    try:
        return _regular(_open(anchor, path, os.O_NONBLOCK), path)  # a fifo put there by now must not hang us
    except BlockingIOError:  # somebody's lease: wait until the kernel breaks it, if it is a file at all
        os.close(_regular(anchor.open(path, os.O_PATH | os.O_NOFOLLOW), path))
    return _regular(_open(anchor, path, 0), path)


def _regular(fd: int, path: str) -> int:
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise Stale(f"{path} is no regular file")
    except BaseException:
        let_go(fd)
        raise
    return fd


def _open(anchor: Anchor, path: str, more: int) -> int:
    try:
        return anchor.open(path, _READ | os.O_NOATIME | more)
    except PermissionError:  # O_NOATIME is for the owner alone
        return anchor.open(path, _READ | more)


class Handle:
    """An open regular file. It owns the descriptor."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def close(self) -> None:
        """Give the descriptor back; readers of it end."""
        if self._fd >= 0:
            let_go(self._fd)
            self._fd = -1

    def fstat(self) -> LocalStat:
        """The stat of what is open, wherever its name leads by now. ItemError where the disk fails."""
        return local_stat(self.identity())

    def inode(self) -> Inode:
        """The same with permission bits and owner."""
        seen = self.identity()
        return Inode(stat=local_stat(seen), mode=stat.S_IMODE(seen.st_mode), uid=seen.st_uid, gid=seen.st_gid)

    def identity(self) -> os.stat_result:
        """The whole stat, device included."""
        with translated(self._path):
            return os.fstat(self._fd)

    def lease(self, *, for_writing: bool) -> Openness | None:
        """Whether others have it open (for writing), asked by a lease; None where leases are refused."""
        return lease.ask(self._fd, for_writing=for_writing)

    def pread(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes at `offset`; nothing at the end of the file. ItemError where the disk fails."""
        if self._fd < 0:
            raise ValueError("read of a closed file")
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise item_error(self._path, error) from error

    def fileno(self) -> int:
        """The descriptor, while it is open."""
        return self._fd

    def reader(self, start: int, length: int) -> BinaryIO:
        """A seekable view of [start, start+length) with its own offset. Stale where the file ends before."""
        return cast(BinaryIO, RangeReader(self, self._path, start, length))

    def hash(self, *, types: frozenset[str], stopped: Callable[[], bool]) -> Hashes:
        """Read it all once. Stale where size or mtime moved while it was read, or when stopped."""
        before = self.fstat()
        digester = Digester(types)
        buffer = memoryview(bytearray(min(PIECE, before.size + 1)))
        done = 0
        while done <= before.size and (count := self.read_into(buffer, done)):
            if stopped():
                raise Stale(f"{self._path}: stopped while it was hashed")
            digester.update(buffer[:count])
            done += count
        if done != before.size or not self.fstat().same_file(before):
            raise Stale(f"{self._path} changed while it was hashed")
        return digester.result()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer from `offset`, as far as one read goes. ItemError where the disk fails."""
        if self._fd < 0:
            raise ValueError("read of a closed file")
        try:
            return os.preadv(self._fd, [buffer], offset)
        except OSError as error:
            raise item_error(self._path, error) from error


class RangeReader(io.RawIOBase):
    """A part of an open file as a stream. Several at once do not disturb each other."""

    def __init__(self, source: Handle, path: str, start: int, length: int) -> None:
        super().__init__()
        self._source = source
        self._path = path
        self._start = start
        self._length = length
        self._at = 0

    def __len__(self) -> int:
        """The bytes of the whole view, as HTTP clients ask for them."""
        return self._length

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes: a retry starts over."""
        return True

    def tell(self) -> int:
        """The offset within the view."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move within the view; before its start is ValueError."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("a seek before the start")
        self._at = base + offset
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes, all that is left for -1. Stale where the file has become shorter."""
        left = max(self._length - self._at, 0)
        want = left if size is None or size < 0 else min(size, left)
        pieces: list[bytes] = []
        while want > 0:
            piece = self._source.pread(want, self._start + self._at)
            if not piece:
                raise Stale(f"{self._path} became shorter while it was read")
            pieces.append(piece)
            self._at += len(piece)
            want -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readall(self) -> bytes:
        """All that is left."""
        return self.read(-1)

    def readinto(self, buffer: memoryview | bytearray, /) -> int:  # type: ignore[override]
        """Fill the buffer as far as one read of the view goes. Stale where the file has become shorter."""
        view = memoryview(buffer)[: max(self._length - self._at, 0)]
        count = self._source.read_into(view, self._start + self._at)
        if view and not count:
            raise Stale(f"{self._path} became shorter while it was read")
        self._at += count
        return count

    def fileno_span(self) -> tuple[int, int, int]:
        """(descriptor, offset, bytes) of the view, for a sender that hands it to the kernel."""
        return self._source.fileno(), self._start, self._length
