"""The spool: a folder of our own where archives lie between their sealing and their proof on S3."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from syncd import checkpoint
from syncd.core.timeuuid import is_time_uuid
from syncd.errors import ItemError, PairHalted, Stale
from syncd.local.handle import Handle
from syncd.local.spot import Spot, let_go
from syncd.local.translate import printable, translated, words
from syncd.local.unlink import unlink
from syncd.ports import OwnTemporary

SUFFIX = ".tar"

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class SpooledFile:
    """An archive being written: a `SpoolFile`. It owns its descriptor; the folder's it borrows."""

    def __init__(self, folder: int, name: str) -> None:
        self._folder = folder
        self._name = name
        with checkpoint.SPOOL_CREATE:
            self._fd = os.open(name, _NEW, 0o600, dir_fd=folder)
        self.finished = False

    def write(self, piece: bytes) -> None:
        """Append. ItemError on a full disk."""
        view = memoryview(piece)
        with translated(self._name):
            while view:
                view = view[os.write(self._fd, view) :]

    def finish(self) -> None:
        """fsync of the file and its folder; nothing is written any more. ItemError on a full disk."""
        with translated(self._name):
            with checkpoint.SPOOL_SYNC:
                os.fsync(self._fd)
            with checkpoint.SPOOL_SYNC_FOLDER:
                os.fsync(self._folder)
            done, self._fd = self._fd, -1
            os.close(done)
        self.finished = True

    def close(self) -> None:
        """Give the descriptor back."""
        if self._fd >= 0:
            let_go(self._fd)
            self._fd = -1


class SpoolFolder:
    """A `Spool` in one folder, made (0700) where it is missing. It keeps no descriptor; any file system will do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def free(self) -> int:
        """Bytes that we may still write on that file system."""
        with self._folder() as folder:
            seen = os.fstatvfs(folder)
            return seen.f_bavail * seen.f_frsize

    @contextmanager
    def create(self, uuid: str) -> Iterator[SpooledFile]:
        """A new file; removed on exit unless finished. ItemError where that name is taken, or the disk is full."""
        with self._folder() as folder:
            with translated(_name(uuid)):
                file = SpooledFile(folder, _name(uuid))
            try:
                yield file
            finally:
                file.close()
                if not file.finished:
                    with suppress(OSError):  # what failed before is what is told; the next run tidies the spool
                        _remove(folder, _name(uuid))

    def open(self, uuid: str) -> AbstractContextManager[Handle]:
        """Open an archive for reading. Stale where there is none, or no regular file."""
        return self._handle(_name(uuid))

    @contextmanager
    def _handle(self, name: str) -> Iterator[Handle]:
        with self._folder() as folder, translated(name):
            fd = os.open(name, _READ, dir_fd=folder)
        handle = Handle(fd, name)
        try:
            if not stat.S_ISREG(handle.identity().st_mode):
                raise Stale(f"{name} is no regular file")
            yield handle
        finally:
            handle.close()

    def remove(self, uuid: str) -> None:
        """Remove our own file; one that is gone already is no error."""
        with self._folder() as folder, translated(_name(uuid)):
            _remove(folder, _name(uuid))

    def uuids(self) -> Iterator[str]:
        """Archives that lie there, in the order of their time."""
        return iter([name.removesuffix(SUFFIX) for name, ours in self._names() if ours])

    def strangers(self) -> Iterator[str]:
        """Names that are not ours, printable. They are never touched."""
        return iter([printable(name) for name, ours in self._names() if not ours])

    def _names(self) -> list[tuple[str, bool]]:
        with self._folder() as folder, translated(str(self._path)):
            return [(name, _is_ours(folder, name)) for name in sorted(os.listdir(folder))]

    @contextmanager
    def _folder(self) -> Iterator[int]:
        try:
            fd = self._opened()
        except OSError as error:
            message, hint = words(error)
            raise PairHalted(f"the spool {printable(str(self._path))} cannot be used: {message}", hint=hint) from error
        try:
            yield fd
        finally:
            os.close(fd)

    def _opened(self) -> int:
        try:
            return os.open(self._path, _FOLDER)
        except FileNotFoundError:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.mkdir(mode=0o700, exist_ok=True)
            return os.open(self._path, _FOLDER)


def _name(uuid: str) -> str:
    """The file's name. ItemError for what is no uuid of ours: nothing else may ever be named."""
    if not is_time_uuid(uuid):
        raise ItemError(uuid, f"{printable(uuid)} names no archive of ours")
    return uuid + SUFFIX


def _is_ours(folder: int, name: str) -> bool:
    return name.endswith(SUFFIX) and is_time_uuid(name.removesuffix(SUFFIX)) and Spot(folder, name).look() is not None


def _remove(folder: int, name: str) -> None:
    with suppress(FileNotFoundError):
        unlink(Spot(folder, name), OwnTemporary(name))
