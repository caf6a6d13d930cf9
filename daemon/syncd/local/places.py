"""Small new files put in place, one after the other: whole, durable and dated before anybody sees them."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import ExitStack, suppress
from types import TracebackType

from syncd import checkpoint
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.errors import Stale
from syncd.local.anchor import Anchor
from syncd.local.renameat2 import Renames
from syncd.local.spot import Spot, let_go
from syncd.local.translate import translated
from syncd.local.unlink import unlink
from syncd.ports import OwnTemporary, Unplaced

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_MORE_OPEN = {errno.EMFILE, errno.ENFILE}
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class SmallPlaces:
    """One thread's. It holds the folders that it has written to until its context ends.

    Each file is written, made to last, and given its name by calls of their own: what the disk takes its time for is
    apart from what costs Python time.
    """

    def __init__(self, anchor: Anchor, renames: Renames, tmp: int) -> None:
        self._anchor = anchor
        self._renames = renames
        self._held = ExitStack()
        self._folders: dict[str, int] = {}
        self._tmp = tmp  # a descriptor of `.syncd/tmp` that it does not own
        self._name = secrets.token_hex(12)
        self._number = 0
        self._open: dict[str, int] = {}  # descriptors of what is not placed yet, by temporary name
        self._lasting: set[str] = set()

    def __enter__(self) -> SmallPlaces:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name in tuple(self._open):
            self._gone(name)
        self._held.close()

    def write(self, path: RelPath, content: bytes, *, mtime_ns: int) -> Unplaced:
        """A dated file of ours that is to lie at that path. Stale where it cannot; ItemError where the disk fails."""
        with translated(path):
            self._folder(path.rpartition("/")[0])  # the way there is known to be open before a byte is written
            self._number += 1
            name = f"{self._name}{self._number:08x}"
            fd = self._created(path, name)
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(fd, left) :]
                os.utime(fd, ns=(mtime_ns, mtime_ns))
                seen = os.fstat(fd)
            except BaseException as error:
                self._gone(name)
                if isinstance(error, OverflowError):  # a time that no file can have
                    raise Stale(path) from error
                raise
        return Unplaced(path, name, seen.st_ino, seen.st_mtime_ns)

    def sync(self, written: Unplaced) -> Unplaced:
        """Make what is in it last. ItemError where the disk fails, once and for all: it is never placed then."""
        with translated(written.path), checkpoint.LOCAL_SYNC_FILE:
            os.fsync(self._open[written.name])
        self._lasting.add(written.name)
        return written

    def place(self, written: Unplaced) -> LocalStat:
        """Give what lasts its name, where nothing is; its stat. Stale where something is; ItemError."""
        assert written.name in self._lasting, "it is not lasting yet"
        folder, _, name = written.path.rpartition("/")
        with translated(written.path):
            target = Spot(self._folder(folder), name)
            try:
                self._renames.give(Spot(self._tmp, written.name), target)
            except OSError as error:
                if isinstance(error, FileExistsError) and _is_full(target):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from error
                raise Stale(written.path) from error  # whatever else stands in the way, the long way tells
            let_go(self._open.pop(written.name))
            seen = target.look()
        if seen is None or (seen.inode, seen.mtime_ns) != (written.inode, written.mtime_ns):
            raise Stale(written.path)
        return seen

    def vacant(self, path: RelPath) -> bool:
        """Whether nothing of that name stands there, nor anything where one of its folders would be."""
        folder, _, name = path.rpartition("/")
        try:
            os.stat(name, dir_fd=self._folder(folder, create=False), follow_symlinks=False)
        except FileNotFoundError:
            return True
        except OSError:  # the long way tells what it is
            pass
        return False

    def settle(self) -> None:
        """Make the names durable."""
        for name, folder in self._folders.items():
            with translated(name or "."), checkpoint.LOCAL_SYNC_FOLDER:
                os.fsync(folder)

    def _folder(self, path: str, *, create: bool = True) -> int:
        held = self._folders.get(path)
        if held is None:
            held = self._folders[path] = self._held.enter_context(self._anchor.folder(path, create=create))
        return held

    def _created(self, path: RelPath, name: str) -> int:
        try:
            with checkpoint.LOCAL_CREATE:
                fd = self._open[name] = os.open(name, _NEW, 0o644, dir_fd=self._tmp)
        except OSError as error:
            if error.errno in _NO_MORE_OPEN:  # the long way has one at a time
                raise Stale(path) from error
            raise
        return fd

    def _gone(self, name: str) -> None:
        let_go(self._open.pop(name))
        with suppress(OSError):  # what stays is swept at the next start
            unlink(Spot(self._tmp, name), OwnTemporary(name))


def _is_full(spot: Spot) -> bool:
    """Whether a folder stands there that holds anything: an empty one may give way."""
    try:
        folder = os.open(spot.name, _FOLDER, dir_fd=spot.folder)
    except OSError:
        return False
    try:
        return bool(os.listdir(folder))
    finally:
        os.close(folder)
