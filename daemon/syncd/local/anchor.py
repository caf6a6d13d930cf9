"""Where a root is and which folder it was: every way into it starts here and checks that it is still the same one."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from syncd import checkpoint
from syncd.core.paths import OURS
from syncd.errors import PairHalted
from syncd.local.openat2 import open_beneath
from syncd.local.translate import item_error, printable, root_lost

Opener = Callable[[int, str, int], int]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Anchor:
    """The identity (device, inode) of a root. It keeps no descriptor, so that the root can be unmounted."""

    def __init__(self, path: Path, *, opener: Opener = open_beneath) -> None:
        self.path = path
        self._open = opener
        self._held = threading.local()
        fd = self._descriptor()
        try:
            seen = os.fstat(fd)
        except OSError as error:
            raise root_lost(str(self.path), error) from error
        finally:
            os.close(fd)
        self.identity = (seen.st_dev, seen.st_ino)
        self.check()

    def _descriptor(self) -> int:
        try:
            return os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:  # that says nothing of the root
                raise item_error(str(self.path), error) from error
            raise root_lost(str(self.path), error) from error

    @contextmanager
    def root(self) -> Iterator[int]:
        """The root's descriptor (O_PATH). PairHalted where it is gone or another folder by now."""
        held: int | None = getattr(self._held, "root", None)
        if held is not None:
            yield held
            return
        fd = self._descriptor()
        try:
            try:
                seen = os.fstat(fd)
            except OSError as error:
                raise root_lost(str(self.path), error) from error
            if (seen.st_dev, seen.st_ino) != self.identity:
                raise PairHalted(
                    f"the root {printable(str(self.path))} is another folder than the one that was opened",
                    hint="mount or move the right one back; if this one is right, restart the pair",
                )
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let all ways in of this thread start at the root as it is now: for many in a row that wait for nothing.

        Meanwhile it cannot be unmounted. What is begun within ends within.
        """
        with self.root() as root:
            before = getattr(self._held, "root", None)
            self._held.root = root
            try:
                yield
            finally:
                self._held.root = before

    def check(self) -> None:
        """Raise PairHalted where the root is gone, replaced or unreadable."""
        with self.root() as root:
            try:
                os.close(os.open(".", _FOLDER, dir_fd=root))
                os.stat(OURS, dir_fd=root)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise root_lost(str(self.path), error) from error

    def open(self, path: str, flags: int) -> int:
        """Open an existing path below the root. OSError as it comes; PairHalted for the root."""
        with self.root() as root:
            return self._open(root, path, flags)

    @contextmanager
    def folder(self, path: str, *, create: bool = False, mode: int = 0o755) -> Iterator[int]:
        """A folder below the root ("" is the root), made with its parents where `create` says so."""
        with self.root() as root:
            fd = self._folder(root, path, create, mode)
        try:
            yield fd
        finally:
            os.close(fd)

    def _folder(self, root: int, path: str, create: bool, mode: int) -> int:
        try:
            return self._open(root, path or ".", _FOLDER)
        except FileNotFoundError:
            if not create or not path:
                raise
        return self._make(root, path, mode)

    def _make(self, root: int, path: str, mode: int) -> int:
        here = self._open(root, ".", _FOLDER)
        try:
            for part in path.split("/"):
                try:
                    with checkpoint.LOCAL_MKDIR:
                        os.mkdir(part, mode, dir_fd=here)
                    with checkpoint.LOCAL_SYNC_MKDIR:
                        os.fsync(here)
                except FileExistsError:
                    pass
                inner = self._open(here, part, _FOLDER)
                os.close(here)
                here = inner
        except BaseException:
            os.close(here)
            raise
        return here

    @contextmanager
    def ours(self, name: str) -> Iterator[int]:
        """A folder of our own under `.syncd`, made where it is missing. Nobody else can read below it."""
        with self.root() as root:
            try:
                fd = self._open(root, f"{OURS}/{name}", _FOLDER)
            except FileNotFoundError:
                os.close(self._make(root, OURS, 0o755))
                fd = self._make(root, f"{OURS}/{name}", 0o700)
        try:
            yield fd
        finally:
            os.close(fd)
