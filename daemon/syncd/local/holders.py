"""Who has files open, by a pass over all processes: for where leases are refused. What it cannot see is unknown."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil

from syncd.ports import Openness

_FIRST_PID_NAMESPACE = "pid:[4026531836]"
_LOCAL_TYPES = frozenset(
    {"bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "jfs"}
    | {"ntfs3", "overlay", "tmpfs", "vfat", "xfs", "zfs"}
)  # elsewhere another host may have the file open


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One pass: files by (device, inode); mapped ones by inode alone. `blind`: some process could not be seen."""

    opened: frozenset[tuple[int, int]]
    written: frozenset[tuple[int, int]]
    mapped: frozenset[int]
    mapped_for_writing: frozenset[int]
    blind: bool


class Holders:
    """Asks /proc, at most once a second for questions where a second does not matter."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._at = 0.0

    def ask(self, file: os.stat_result, *, for_writing: bool, max_age_s: float = 0.0) -> Openness:
        """OPEN where a process is seen to have it open (for writing), CLOSED where all could be seen, else UNKNOWN."""
        seen = self._look(max_age_s)
        key = (file.st_dev, file.st_ino)
        found = key in seen.written or file.st_ino in seen.mapped_for_writing
        if not for_writing:
            found = found or key in seen.opened or file.st_ino in seen.mapped
        if found:
            return Openness.OPEN
        return Openness.UNKNOWN if seen.blind or not _local(file.st_dev) else Openness.CLOSED

    def _look(self, max_age_s: float) -> Seen:
        with self._lock:
            if self._seen is None or max_age_s <= 0 or self._monotonic() - self._at > max_age_s:
                self._at = self._monotonic()
                self._seen = _pass()
            return self._seen


def _pass() -> Seen:
    opened: set[tuple[int, int]] = set()
    written: set[tuple[int, int]] = set()
    mapped: set[int] = set()
    mapped_for_writing: set[int] = set()
    blind = _some_are_hidden()
    for process in psutil.process_iter():
        try:
            for path, mode in ((f.path, f.mode) for f in process.open_files()):
                _note(path, mode, opened, written)
            for inode, writable in _mappings(process.pid):
                (mapped_for_writing if writable else mapped).add(inode)
        except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            continue
        except (psutil.AccessDenied, PermissionError):
            blind = True
    return Seen(
        opened=frozenset(opened),
        written=frozenset(written),
        mapped=frozenset(mapped),
        mapped_for_writing=frozenset(mapped_for_writing),
        blind=blind,
    )


def _note(path: str, mode: str, opened: set[tuple[int, int]], written: set[tuple[int, int]]) -> None:
    try:
        seen = os.stat(path)
    except OSError:
        return
    (opened if mode == "r" else written).add((seen.st_dev, seen.st_ino))


def _mappings(pid: int) -> Iterator[tuple[int, bool]]:
    """(inode, shared and writable) of every mapped file; psutil's own walk costs a page-table pass."""
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            _, permissions, _, _, inode = line.split(None, 5)[:5]
            if inode != "0":
                yield int(inode), permissions[1] == "w" and permissions[3] == "s"


def _some_are_hidden() -> bool:
    """hidepid, ProtectProc or a container hide processes without a word."""
    try:
        return not os.path.exists("/proc/1") or os.readlink("/proc/self/ns/pid") != _FIRST_PID_NAMESPACE
    except OSError:
        return True


def _local(device: int) -> bool:
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            left, _, right = line.partition(" - ")
            if left.split()[2] == wanted:
                return right.split()[0] in _LOCAL_TYPES
    return False
