"""A light look at what lies in a batch's folders: names and stats alone, nothing is opened.

It stands in for a watch. Small files come in masses: hearing of each would cost more than a walk now and then, a
watch a folder, and would still ask for a stat to learn the size; a walk is right on every file system.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from syncd.core.paths import OURS
from syncd.ports import StopToken

BREATH_EVERY = 1000
BREATH_S = 0.001
"""After so many names everybody else gets the interpreter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What is on disk alone. `since`: when the oldest got its name or its content, seconds since the epoch."""

    files: int = 0
    bytes: int = 0
    since: float | None = None


def look(
    root: Path, buckets: Iterable[str], *, wants: Callable[[str], bool], stop: StopToken, moved: Callable[[], None]
) -> Waiting | None:
    """Add up the wanted regular files below `<root>/<bucket>`; None where it was broken off by a stop.

    No symlink is followed and no other file system entered. A folder that cannot be read counts as empty.
    """
    sums = _Sums(wants, stop, moved)
    for bucket in buckets:
        if not sums.add(root / bucket):
            return None
    return Waiting(files=sums.files, bytes=sums.bytes, since=sums.since)


class _Sums:
    def __init__(self, wants: Callable[[str], bool], stop: StopToken, moved: Callable[[], None]) -> None:
        self.files = 0
        self.bytes = 0
        self.since: float | None = None
        self._wants = wants
        self._stop = stop
        self._moved = moved
        self._seen = 0

    def add(self, folder: Path) -> bool:
        """Walk one bucket folder. False where it is time to stop."""
        try:
            device = os.lstat(folder).st_dev
        except OSError:
            return True
        waiting = [("", str(folder))]
        while waiting:
            prefix, path = waiting.pop()
            for entry in _entries(path):
                if not self._breathe():
                    return False
                if entry.name == OURS:
                    continue
                try:
                    self._take(entry, prefix, device, waiting)
                except OSError:  # it vanished
                    continue
        return True

    def _take(self, entry: os.DirEntry[str], prefix: str, device: int, waiting: list[tuple[str, str]]) -> None:
        if entry.is_dir(follow_symlinks=False):
            if entry.stat(follow_symlinks=False).st_dev == device:
                waiting.append((f"{prefix}{entry.name}/", entry.path))
        elif entry.is_file(follow_symlinks=False) and self._wants(prefix + entry.name):
            stat = entry.stat(follow_symlinks=False)
            self.files += 1
            self.bytes += stat.st_size
            self.since = stat.st_ctime if self.since is None else min(self.since, stat.st_ctime)

    def _breathe(self) -> bool:
        self._seen += 1
        if self._seen % BREATH_EVERY == 0:
            self._moved()
            return not self._stop.wait(BREATH_S)
        return True


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # unreadable or gone: a run says so
        return []
