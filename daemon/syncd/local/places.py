"""Small new files put in place, one after the other: whole, durable and dated before anybody sees them."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
from syncd.ports import Lasting, OwnTemporary, Written

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
        self._open: dict[str, int] = {}  # descriptors of what is not lasting yet, by temporary name
        self._lasting: set[str] = set()  # and the names of what is, without a place

    def __enter__(self) -> SmallPlaces:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for name in (*self._open, *self._lasting):
            self._gone(name)
        self._held.close()

    def prepare(self, path: RelPath) -> bool:
        """Make the folders of a path; True. Stale where a file cannot be there now; ItemError where the disk fails."""
        with translated(path), _few_descriptors(path):
            self._folder(path.rpartition("/")[0])
        return True

    def write(self, path: RelPath, content: bytes, *, mtime_ns: int) -> Written:
        """A dated file of ours for that path. Stale where it cannot be made now; ItemError where the disk fails."""
        self._number += 1
        name = f"{self._name}{self._number:08x}"
        with translated(path):
            with _few_descriptors(path), checkpoint.LOCAL_CREATE:
                fd = self._open[name] = os.open(name, _NEW, 0o644, dir_fd=self._tmp)
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(fd, left) :]
                os.utime(fd, ns=(mtime_ns, mtime_ns))
            except BaseException as error:
                self._gone(name)  # at once: a full disk has use for the room
                if isinstance(error, OverflowError):  # a time that no file can have
                    raise Stale(path) from error
                raise
        return Written(path, name)

    def sync(self, written: Written) -> Lasting:
        """Make what is in it last, and be done with writing. ItemError where the disk fails: it is gone then."""
        path, name = written
        with translated(path):
            try:
                with checkpoint.LOCAL_SYNC_FILE:
                    os.fsync(self._open[name])
                seen = os.fstat(self._open[name])
            except BaseException:
                self._gone(name)  # a second fsync would succeed, and say nothing
                raise
        let_go(self._open.pop(name))
        self._lasting.add(name)
        return Lasting(path, name, seen.st_ino, seen.st_mtime_ns)

    def place(self, lasting: Lasting) -> LocalStat:
        """Give it its name, where nothing is; its stat. Stale where something is; ItemError."""
        folder, _, name = lasting.path.rpartition("/")
        with translated(lasting.path):
            target = Spot(self._folder(folder), name)
            try:
                self._renames.give(Spot(self._tmp, lasting.name), target)
            except OSError as error:
                if isinstance(error, FileExistsError) and _is_full(target):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)) from error
                raise Stale(lasting.path) from error  # whatever else stands in the way, the long way tells
            self._lasting.discard(lasting.name)
            seen = target.look()
        if seen is None or (seen.inode, seen.mtime_ns) != (lasting.inode, lasting.mtime_ns):
            raise Stale(lasting.path)
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

    def _gone(self, name: str) -> None:
        self._lasting.discard(name)
        fd = self._open.pop(name, None)
        if fd is not None:
            let_go(fd)
        with suppress(OSError):  # what stays is swept at the next start
            unlink(Spot(self._tmp, name), OwnTemporary(name))


@contextmanager
def _few_descriptors(path: RelPath) -> Iterator[None]:
    """Where no more files may be open the long way is gone, which has few open at a time."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_MORE_OPEN:
            raise Stale(path) from error
        raise


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
