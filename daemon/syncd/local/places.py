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
from syncd.ports import OwnTemporary

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class SmallPlaces:
    """One thread's. It holds the folders that it has written to until its context ends."""

    def __init__(self, anchor: Anchor, renames: Renames, tmp: int) -> None:
        self._anchor = anchor
        self._renames = renames
        self._held = ExitStack()
        self._folders: dict[str, int] = {}
        self._tmp = tmp  # a descriptor of `.syncd/tmp` that it does not own
        self._name = secrets.token_hex(12)
        self._number = 0

    def __enter__(self) -> SmallPlaces:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._held.close()

    def put(self, path: RelPath, content: bytes, *, mtime_ns: int) -> LocalStat:
        """Write a file where nothing is, durably but for its name; its stat. Stale where something is; ItemError."""
        folder, _, name = path.rpartition("/")
        with translated(path):
            target = Spot(self._folder(folder), name)
            spot = self._written(content, mtime_ns)
            try:
                inode = spot.stat()
                self._renames.give(spot, target)
            except BaseException as error:
                self._gone(spot)
                if isinstance(error, FileExistsError) and _is_full(target):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from error
                if isinstance(error, OSError):  # whatever else stands in the way, the long way tells
                    raise Stale(path) from error
                raise
            seen = target.look()
        if inode is None or seen is None or (seen.inode, seen.mtime_ns) != (inode.st_ino, inode.st_mtime_ns):
            raise Stale(path)
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

    def _written(self, content: bytes, mtime_ns: int) -> Spot:
        self._number += 1
        spot = Spot(self._tmp, f"{self._name}{self._number:08x}")
        with checkpoint.LOCAL_CREATE:
            fd = os.open(spot.name, _NEW, 0o644, dir_fd=self._tmp)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(fd, left) :]
            os.utime(fd, ns=(mtime_ns, mtime_ns))
            with checkpoint.LOCAL_SYNC_FILE:
                os.fsync(fd)
        except OverflowError as error:  # a time that no file can have
            self._gone(spot)
            raise Stale(spot.name) from error
        except BaseException:
            self._gone(spot)
            raise
        finally:
            let_go(fd)
        return spot

    def _gone(self, spot: Spot) -> None:
        with suppress(OSError):  # what stays is swept at the next start
            unlink(spot, OwnTemporary(spot.name))


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
