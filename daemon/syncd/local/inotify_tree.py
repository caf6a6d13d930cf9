"""The folders below a root and their watches: turns the kernel's records into hints that name whole paths.

The kernel queues what happened; the disk shows what is. Where both disagree the disk wins, and a later record in
the queue mends the rest: adding a watch is idempotent (the same inode has the same number), so a folder that was
found ahead of its event, or under a name that it has left, ends where it is once the queue is empty.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from syncd.core.paths import OURS, RelPath, Unrepresentable, parse_relpath
from syncd.local import inotify_kernel as kernel
from syncd.local.inotify_events import Closed, FolderAppeared, FolderGone, Gone, HotEvent, RootGone, Touched

_OURS = OURS.encode()
_LIMBO_S = 1.0  # seconds a folder that left may take to arrive elsewhere in the tree; both records come together


class Lost(Exception):
    """The tree no longer matches the kernel's queue (overflow, or a knot of renames): build it anew."""


@dataclass(slots=True, eq=False)
class Folder:
    """A watched folder. One without parent that is not the root is in limbo: moved away, arrival not yet seen."""

    wd: int
    name: bytes
    parent: Folder | None
    children: dict[bytes, Folder] = field(default_factory=dict)


class WatchedTree:
    """All folders of one root. Not thread-safe. Building and applying raise Exhausted and Lost; building, OSError."""

    def __init__(self, root: bytes, inotify: kernel.Inotify, stopped: Callable[[], bool]) -> None:
        self._path = root
        self._inotify = inotify
        self._stopped = stopped
        self._by_wd: dict[int, Folder] = {}
        self._limbo: dict[int, tuple[Folder, float]] = {}
        self._parent_wd = self._watch_parent()
        self._root = Folder(inotify.add(root, kernel.ROOT), b"", None)
        self._by_wd[self._root.wd] = self._root
        self._device, self._inode = _identity(root)
        self._walk(self._root)

    def __len__(self) -> int:
        return len(self._by_wd)

    @property
    def unsettled(self) -> bool:
        """Whether a folder is in limbo, so that `expire` is to be called soon."""
        return bool(self._limbo)

    def apply(self, raw: kernel.RawEvent, now: float) -> Iterator[HotEvent]:
        """Follow one record and say what it means. `now` in monotonic seconds."""
        if raw.mask & kernel.OVERFLOW:
            raise Lost
        if raw.wd == self._parent_wd:
            yield from self._of_parent(raw)
            return
        folder = self._by_wd.get(raw.wd)
        if folder is None or raw.name == _OURS:
            return
        if not raw.name:
            yield from self._of_itself(folder, raw.mask)
        elif raw.mask & kernel.ISDIR:
            yield from self._of_subfolder(folder, raw, now)
        else:
            yield from self._of_file(folder, raw)

    def expire(self, now: float) -> None:
        """Stop watching the folders that left and did not arrive anywhere in the tree."""
        for cookie, (folder, until) in list(self._limbo.items()):
            if until <= now:
                del self._limbo[cookie]
                if folder.parent is None:
                    self._drop(folder)

    # --- records ---

    def _of_parent(self, raw: kernel.RawEvent) -> Iterator[HotEvent]:
        # An rmdir of the root is not told to its own watch while anybody holds the root open, as we do.
        if raw.name == os.path.basename(self._path) and not self._root_stands():
            yield RootGone()

    def _root_stands(self) -> bool:
        try:
            return _identity(self._path) == (self._device, self._inode)
        except OSError:
            return False

    def _of_itself(self, folder: Folder, mask: int) -> Iterator[HotEvent]:
        if folder is self._root:
            if mask & (kernel.SELF_GONE | kernel.UNMOUNT | kernel.IGNORED):
                yield RootGone()
        elif mask & kernel.IGNORED:
            self._drop(folder)

    def _of_file(self, folder: Folder, raw: kernel.RawEvent) -> Iterator[HotEvent]:
        path = self._relative(folder, raw.name)
        if path is None:
            return
        if raw.mask & (kernel.CLOSE_WRITE | kernel.MOVED_TO):
            yield Closed(path)
        elif raw.mask & (kernel.DELETE | kernel.MOVED_FROM):
            yield Gone(path)
        elif raw.mask & (kernel.CREATE | kernel.MODIFY | kernel.ATTRIB):
            yield Touched(path)

    def _of_subfolder(self, folder: Folder, raw: kernel.RawEvent, now: float) -> Iterator[HotEvent]:
        path = self._relative(folder, raw.name)
        child = folder.children.get(raw.name)
        if raw.mask & (kernel.DELETE | kernel.MOVED_FROM):
            if child is not None:
                self._leave(child, raw, now)
            if path is not None:
                yield FolderGone(path)
        elif path is None:
            return
        elif raw.mask & kernel.MOVED_TO:
            self._arrive(folder, raw)
            yield FolderAppeared(path)
        elif raw.mask & kernel.CREATE:
            placed = self._place(folder, raw.name)
            if placed is None or placed is not child:  # else it was found, and told with the folder that holds it
                self._walk(placed)
                yield FolderAppeared(path)
        elif child is None and self._readable(folder, raw.name):  # it has other rights now
            self._walk(self._place(folder, raw.name))
            yield FolderAppeared(path)

    def _readable(self, folder: Folder, name: bytes) -> bool:
        at = self._absolute(folder, name)
        try:
            return at is not None and os.lstat(at).st_dev == self._device and os.access(at, os.R_OK | os.X_OK)
        except OSError:
            return False

    def _leave(self, child: Folder, raw: kernel.RawEvent, now: float) -> None:
        if raw.mask & kernel.MOVED_FROM:
            self._detach(child)
            self._limbo[raw.cookie] = (child, now + _LIMBO_S)
        else:
            self._drop(child)

    def _arrive(self, folder: Folder, raw: kernel.RawEvent) -> None:
        left, _ = self._limbo.pop(raw.cookie, (None, 0.0))
        placed = self._place(folder, raw.name)
        if left is not None and left is not placed and left.parent is None:
            self._drop(left)
        self._walk(placed)  # also below a known folder: what came from it while it was in limbo was not followed

    # --- folders ---

    def _walk(self, top: Folder | None) -> None:
        """Watch everything below a folder. Each is watched before it is listed, so that no subfolder falls between."""
        todo = [] if top is None else [top]
        while todo and not self._stopped():
            folder = todo.pop()
            names = self._subfolders(folder)
            for name in folder.children.keys() - names:
                self._drop(folder.children[name])
            placed = (self._place(folder, name) for name in names)
            todo.extend(child for child in placed if child is not None)

    def _subfolders(self, folder: Folder) -> set[bytes]:
        path = self._absolute(folder)
        if path is None:
            return set()
        try:
            with os.scandir(path) as entries:
                return {entry.name for entry in entries if self._to_watch(entry)}
        except OSError:  # gone or unreadable by now: an event or the scan will say so
            return set()

    def _to_watch(self, entry: os.DirEntry[bytes]) -> bool:
        try:
            if entry.name == _OURS or not entry.is_dir(follow_symlinks=False):
                return False
            return entry.stat(follow_symlinks=False).st_dev == self._device  # scans do not enter other mounts either
        except OSError:
            return False

    def _place(self, parent: Folder, name: bytes) -> Folder | None:
        """Watch the folder that has this name now, and note that it is here. None where there is none to watch."""
        at = None if self._relative(parent, name) is None else self._absolute(parent, name)
        wd = None if at is None else self._add(at)
        before = parent.children.get(name)
        if before is not None and before.wd != wd:
            self._drop(before)
        if wd is None:
            return None
        folder = self._by_wd.get(wd)
        if folder is None:
            folder = self._by_wd[wd] = Folder(wd, name, parent)
        elif folder is self._root or _holds(folder, parent):
            raise Lost
        self._detach(folder)
        folder.name, folder.parent = name, parent
        parent.children[name] = folder
        return folder

    def _add(self, path: bytes) -> int | None:
        try:
            return self._inotify.add(path, kernel.BELOW)
        except OSError:  # gone, replaced by something else, or unreadable: the scan says which
            return None

    def _detach(self, folder: Folder) -> None:
        parent, folder.parent = folder.parent, None
        if parent is not None and parent.children.get(folder.name) is folder:
            del parent.children[folder.name]

    def _drop(self, folder: Folder) -> None:
        self._detach(folder)
        todo = [folder]
        while todo:
            one = todo.pop()
            todo.extend(one.children.values())
            if self._by_wd.pop(one.wd, None) is not None:
                self._inotify.remove(one.wd)

    # --- paths ---

    def _names(self, folder: Folder) -> list[bytes] | None:
        names = []
        while folder.parent is not None:
            names.append(folder.name)
            folder = folder.parent
        return names[::-1] if folder is self._root else None

    def _absolute(self, folder: Folder, *more: bytes) -> bytes | None:
        names = self._names(folder)
        return None if names is None else b"/".join([self._path.rstrip(b"/"), *names, *more]) or b"/"

    def _relative(self, folder: Folder, name: bytes) -> RelPath | None:
        names = self._names(folder)
        if names is None:
            return None
        try:
            return parse_relpath(b"/".join([*names, name]).decode("utf-8", "surrogateescape"))
        except Unrepresentable:
            return None

    def _watch_parent(self) -> int | None:
        parent = os.path.dirname(self._path)
        if parent == self._path:
            return None
        try:
            return self._inotify.add(parent, kernel.PARENT)
        except OSError:  # not ours to read: the root's own watch must do
            return None


def _identity(path: bytes) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _holds(folder: Folder, below: Folder | None) -> bool:
    while below is not None and below is not folder:
        below = below.parent
    return below is not None
