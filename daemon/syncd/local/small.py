"""Small files read whole, one after the other, the way into their folder taken once."""

from __future__ import annotations

import os
import stat
from types import TracebackType

from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.errors import Stale
from syncd.local import lease
from syncd.local.anchor import Anchor
from syncd.local.holders import Holders
from syncd.local.spot import let_go, local_stat
from syncd.ports import Openness

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


class SmallFiles:
    """One thread's reader. It holds a descriptor of the last folder, so it must not be kept for long."""

    def __init__(self, anchor: Anchor, holders: Holders, *, blind_age_s: float) -> None:
        self._anchor = anchor
        self._holders = holders
        self._blind_age_s = blind_age_s
        self._folder = ""
        self._fd = -1
        self._flags = _READ | os.O_NOATIME

    def __enter__(self) -> SmallFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._leave()

    def read(self, path: RelPath, expect: LocalStat) -> bytes:
        """The content of exactly that version, which nobody has open for writing as far as can be seen.

        Stale for whatever is not so, a disk that fails included: who looks closely finds out. PairHalted for the root.
        """
        folder, _, name = path.rpartition("/")
        try:
            if self._fd < 0 or folder != self._folder:
                self._enter(folder)
            fd = self._open(name)
        except OSError as error:
            raise Stale(path) from error
        try:
            if self._open_for_writing(fd):
                raise Stale(f"{path} is open for writing elsewhere")
            content = os.pread(fd, expect.size + 1, 0)  # of a pipe, which would lose what is read of it, an error
            seen = os.fstat(fd)
        except OSError as error:
            raise Stale(path) from error
        finally:
            let_go(fd)
        # The stat was taken before, by the scan, and again after the read: what lies between is one version.
        if len(content) != expect.size or local_stat(seen) != expect or not stat.S_ISREG(seen.st_mode):
            raise Stale(path)
        return content

    def unchanged(self, path: RelPath, expect: LocalStat) -> bool:
        """Whether the file at that path is still that version."""
        folder, _, name = path.rpartition("/")
        try:
            if self._fd < 0 or folder != self._folder:
                self._enter(folder)
            return local_stat(os.stat(name, dir_fd=self._fd, follow_symlinks=False)) == expect
        except OSError:
            return False

    def _open(self, name: str) -> int:
        try:
            return os.open(name, self._flags, dir_fd=self._fd)
        except PermissionError:  # O_NOATIME is for the owner alone
            self._flags = _READ
            return os.open(name, self._flags, dir_fd=self._fd)

    def _open_for_writing(self, fd: int) -> bool:
        answer = lease.ask(fd, for_writing=True)
        if answer is None:
            answer = self._holders.ask(os.fstat(fd), for_writing=True, max_age_s=self._blind_age_s)
        return answer is Openness.OPEN

    def _enter(self, folder: str) -> None:
        self._leave()
        self._fd = self._anchor.open(folder or ".", _FOLDER)
        self._folder = folder

    def _leave(self) -> None:
        if self._fd >= 0:
            let_go(self._fd)
            self._fd = -1
