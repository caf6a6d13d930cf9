"""A root on a file system that numbers its files anew now and then, as some network and FUSE file systems do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.local.root import Root
from syncd.ports import OpenFile, Proof, Removal, ScanEntry, ScanProblem


@dataclass
class Numbers:
    """What is added to every inode number, and which files were opened for reading."""

    shift: int = 0
    reads: list[RelPath] = field(default_factory=list)


class Renumbered:
    """A real root whose inode numbers are all `shift` too high. Everything else is the root's own."""

    def __init__(self, root: Root, numbers: Numbers) -> None:
        self._root = root
        self._numbers = numbers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._root, name)

    def scan(self, under: RelPath | None = None) -> Iterator[ScanEntry | ScanProblem]:
        for entry in self._root.scan(under):
            yield entry._replace(stat=self._out(entry.stat)) if isinstance(entry, ScanEntry) else entry

    def lstat(self, path: RelPath) -> LocalStat | None:
        return self._maybe(self._root.lstat(path))

    def staged(self, path: RelPath) -> LocalStat | None:
        return self._maybe(self._root.staged(path))

    @contextmanager
    def open(self, path: RelPath) -> Iterator[OpenFile]:
        with self._root.open(path) as file:
            self._numbers.reads.append(path)
            yield _Renumbered(file, self._numbers.shift)  # type: ignore[misc]  # what it lacks is the file's own

    @contextmanager
    def open_staged(self, path: RelPath) -> Iterator[OpenFile]:
        with self._root.open_staged(path) as file:
            yield _Renumbered(file, self._numbers.shift)  # type: ignore[misc]

    def stage(self, path: RelPath, *, expect: LocalStat, durable: bool = True) -> LocalStat:
        return self._out(self._root.stage(path, expect=self._in(expect), durable=durable))

    def remove(self, allowed: Removal) -> None:
        if isinstance(allowed, Proof):
            allowed = replace(allowed, staged=self._in(allowed.staged))
        self._root.remove(allowed)

    def _out(self, stat: LocalStat) -> LocalStat:
        return stat._replace(inode=stat.inode + self._numbers.shift)

    def _in(self, stat: LocalStat) -> LocalStat:
        return stat._replace(inode=stat.inode - self._numbers.shift)

    def _maybe(self, stat: LocalStat | None) -> LocalStat | None:
        return None if stat is None else self._out(stat)


class _Renumbered:
    def __init__(self, file: OpenFile, shift: int) -> None:
        self._file = file
        self._shift = shift

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def fstat(self) -> LocalStat:
        stat = self._file.fstat()
        return stat._replace(inode=stat.inode + self._shift)
