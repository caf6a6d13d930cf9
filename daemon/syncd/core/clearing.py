"""When a file that may be cleaned is due: after its time, never among the newest, before its time on a full disk."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from syncd.core.model import LocalState, Record
from syncd.core.paths import RelPath, order

SECOND = 1_000_000_000

Age = tuple[int, bytes]
"""How new a file is: its mtime in nanoseconds, then its path, so that no two are equally new."""


def age_of(mtime_ns: int, path: str) -> Age:
    """The place of a file in the order from old to new."""
    return (mtime_ns, order(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """What a pass knows when it decides which files are due. As it stands by itself, all are.

    `newest`: what is as new as that, or newer, stays (None: there are no more files than may stay). `pressed`: what a
    full disk takes before its time, oldest first.
    """

    now_ns: int = 0
    after_ns: int = 0
    keep_newest: int = 0
    newest: Age | None = None
    pressed: frozenset[RelPath] = frozenset()

    def stays(self, record: Record) -> bool:
        """Whether a cleanable file is not due. One that is on its way out already is."""
        if record.local is LocalState.CLEANING:
            return False
        return self.among_newest(record) or (self.waits_ns(record) > 0 and record.path not in self.pressed)

    def among_newest(self, record: Record) -> bool:
        """Whether it is one of the newest files that stay whatever else."""
        if self.keep_newest == 0:
            return False
        if self.newest is None or record.stat is None:
            return True
        return age_of(record.stat.mtime_ns, record.path) >= self.newest

    def waits_ns(self, record: Record) -> int:
        """How long it still has: `cleanup_after` counts from its upload, or the last change that was seen."""
        return record.looked_ns + self.after_ns - self.now_ns if self.after_ns else 0

    def words(self, record: Record) -> str:
        """Why a cleanable file goes or stays, for a person; "" where nothing but its proof is asked for."""
        if self.among_newest(record):
            return f"kept: among the {self.keep_newest} newest"
        left = self.waits_ns(record)
        if left > 0 and record.path in self.pressed:
            return "cleaned: the disk is over cleanup_pressure, and it is among the oldest"
        if left > 0:
            return f"cleaned: after {spoken(self.after_ns)}, in {spoken(left)}"
        return f"cleaned: after {spoken(self.after_ns)}" if self.after_ns else ""


ALL_DUE = Clearance()


@dataclass(slots=True)
class Newest:
    """The newest files that a scan passed, at most so many of them."""

    most: int
    _heap: list[Age] = field(default_factory=list)

    def see(self, mtime_ns: int, path: str) -> None:
        """Pass a file."""
        if len(self._heap) < self.most:
            heapq.heappush(self._heap, age_of(mtime_ns, path))
        elif self.most:
            heapq.heappushpop(self._heap, age_of(mtime_ns, path))

    def holds(self, mtime_ns: int, path: str) -> bool:
        """Whether a file that was passed is one of them."""
        if len(self._heap) < self.most:
            return True
        return self.most > 0 and age_of(mtime_ns, path) >= self._heap[0]


def to_free(*, used: int, size: int, limit: float, leaving: int) -> int:
    """The bytes that have to go until a file system is no fuller than its limit, without those that go already."""
    return max(0, used - int(limit * size) - leaving)


def relief(oldest_first: Iterable[Record], need: int) -> frozenset[RelPath]:
    """The first of these files that together free so much, and no file more."""
    taken: list[RelPath] = []
    for record in oldest_first if need > 0 else ():
        taken.append(record.path)
        need -= record.size
        if need <= 0:
            break
    return frozenset(taken)


def spoken(ns: int) -> str:
    """A span of time in its two largest units: "3 h", "2 d 4 h", "under 1 s"."""
    left = timedelta(microseconds=ns // 1000)
    parts = []
    for name, unit in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count = left // timedelta(seconds=unit)
        left -= count * timedelta(seconds=unit)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "under 1 s"
