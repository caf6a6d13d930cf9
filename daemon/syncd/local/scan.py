"""Walking a root in the order of the merge, one folder's names in memory at a time."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from syncd.core.paths import MAX_KEY, OURS, RelPath, Unrepresentable, parse_relpath
from syncd.local.anchor import Anchor
from syncd.local.spot import local_stat
from syncd.local.translate import printable, root_lost, words
from syncd.ports import ScanEntry, ScanProblem

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SYMLINK = "a symlink is never followed"
_MOUNT = "another file system is mounted there: give it its own pair"
_VANISHED = "it vanished during the scan"

Found = ScanEntry | ScanProblem


def scan(anchor: Anchor, under: RelPath | None = None) -> Iterator[Found]:
    """Every regular file below the root (or `under`) in the order of `core.paths.order`, and what is none.

    A problem that is named by a path says nothing of what lies at or below it: it is unknown, not deleted.
    PairHalted where the root itself fails. Where `under` is a file, that file; where it is gone, nothing.
    """
    if under is None:
        yield from _Walk(anchor).run("")
        return
    parent, slash, name = under.rpartition("/")
    folder = _Folder(parent + slash, [name])
    walk = _Walk(anchor)
    try:
        folder.fd = walk.enter(parent)
        kind = os.stat(name, dir_fd=folder.fd, follow_symlinks=False).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        yield _problem(under, error)
        return
    finally:
        folder.close()
    yield from walk.run(f"{under}/") if stat.S_ISDIR(kind) else walk.files(folder)


class _Folder:
    """A folder on the way: its prefix ("" or with a slash at the end) and the names still to come, last first."""

    __slots__ = ("fd", "names", "prefix")

    def __init__(self, prefix: str, names: list[str]) -> None:
        self.prefix = prefix
        self.names = names
        self.fd = -1

    def close(self) -> None:
        """Give the descriptor back; it is opened again when more of its files are looked at."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class _Walk:
    """One pass. An explicit stack, so that no depth is too deep; one open folder, so that none runs out."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._device = anchor.identity[0]

    def run(self, prefix: str) -> Iterator[Found]:
        """Walk the folder of that prefix."""
        stack: list[_Folder] = []
        try:
            yield from self._push(stack, prefix)
            while stack:
                folder = stack[-1]
                yield from self.files(folder)
                folder.close()
                if folder.names:
                    yield from self._push(stack, folder.prefix + folder.names.pop())
                else:
                    stack.pop()
        finally:
            for folder in stack:
                folder.close()

    def _push(self, stack: list[_Folder], prefix: str) -> Iterator[ScanProblem]:
        """List one folder whole before anything of it is told: a listing that breaks off says nothing."""
        if prefix and (refused := _unrepresentable(prefix)):
            yield refused
            return
        folder = _Folder(prefix, [])
        try:
            folder.fd = self.enter(prefix[:-1])
            folder.names = _names(folder.fd)
        except OSError as error:
            folder.close()
            if not prefix:
                raise root_lost(str(self._anchor.path), error) from error
            yield _problem(prefix, error)
            return
        stack.append(folder)

    def enter(self, path: str) -> int:
        """Open a folder below the root for reading. OSError where it is none, unreadable, or another mount."""
        fd = self._anchor.open(path or ".", _FOLDER)
        if os.fstat(fd).st_dev != self._device:
            os.close(fd)
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        return fd

    def files(self, folder: _Folder) -> Iterator[Found]:
        """What stands before the folder's next subfolder."""
        names, prefix = folder.names, folder.prefix
        room = MAX_KEY - len(prefix.encode("utf-8", "surrogateescape"))  # the kernel sees to it that it is a name
        while names and names[-1][-1] != "/":
            name = names.pop()
            try:
                if folder.fd < 0:
                    folder.fd = self.enter(prefix[:-1])
                seen = os.stat(name, dir_fd=folder.fd, follow_symlinks=False)
                path = RelPath(prefix + name) if name.isascii() and len(name) <= room else parse_relpath(prefix + name)
            except Unrepresentable as refused:
                yield ScanProblem(printable(prefix + name), "unrepresentable", refused.reason)
                continue
            except OSError as error:
                yield _problem(prefix + name, error)
                continue
            if stat.S_ISREG(seen.st_mode) and (seen.st_dev == self._device or self._is_here(path)):
                yield ScanEntry(path, local_stat(seen))
            else:
                yield _odd(path, seen)

    def _is_here(self, path: RelPath) -> bool:
        """A file of another device is a mount, or an overlay's way of telling its layers: opening knows."""
        try:
            os.close(self._anchor.open(path, os.O_PATH | os.O_NOFOLLOW))
        except OSError:
            return False
        return True


def _names(fd: int) -> list[str]:
    """The folder's names in reverse order, folders with a slash. Code points sort as UTF-8 bytes do."""
    names: list[str] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            name = entry.name
            if name != OURS:
                names.append(f"{name}/" if entry.is_dir(follow_symlinks=False) else name)
    names.sort(reverse=True)
    return names


def _unrepresentable(prefix: str) -> ScanProblem | None:
    """A folder below which no path can be a key."""
    try:
        path = parse_relpath(prefix[:-1])
    except Unrepresentable as refused:
        return ScanProblem(printable(prefix), "unrepresentable", refused.reason)
    if len(path.encode()) > MAX_KEY - 2:
        return ScanProblem(printable(prefix), "unrepresentable", f"no key below it fits in {MAX_KEY} bytes", path)
    return None


def _odd(path: RelPath, seen: os.stat_result) -> ScanProblem:
    mode = seen.st_mode
    if stat.S_ISLNK(mode):
        return ScanProblem(printable(path), "symlink", _SYMLINK, path)
    if stat.S_ISREG(mode):
        return ScanProblem(printable(path), "mount", _MOUNT, path)
    if stat.S_ISDIR(mode):
        return ScanProblem(printable(path), "vanished", "a folder took its place during the scan", path)
    kind = "socket" if stat.S_ISSOCK(mode) else "fifo" if stat.S_ISFIFO(mode) else "device"
    return ScanProblem(printable(path), "special", f"a {kind} is no file", path)


def _problem(name: str, error: OSError) -> ScanProblem:
    """What an errno means for a name (a folder's ends with a slash)."""
    shown = printable(name)
    try:
        path = parse_relpath(name.rstrip("/"))
    except Unrepresentable as refused:
        return ScanProblem(shown, "unrepresentable", refused.reason)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return ScanProblem(shown, "vanished", _VANISHED, path)
        case errno.ELOOP:
            return ScanProblem(shown, "symlink", _SYMLINK, path)
        case errno.EXDEV:
            return ScanProblem(shown, "mount", _MOUNT, path)
        case _:
            message, hint = words(error)
            return ScanProblem(shown, "unreadable", f"{message}: {hint}", path)
