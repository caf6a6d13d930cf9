"""A local root as the engine sees it: scanned, read, replaced in two phases, and one unlink that takes permission."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO, NamedTuple, Protocol

from syncd.core.model import Digest, ETag, HashType, LocalStat, ProofKind
from syncd.core.paths import RelPath
from syncd.ports.objects import Absent


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The local file is still the one that was looked at."""

    stat: LocalStat


LocalExpect = Absent | Unchanged


class ScanEntry(NamedTuple):
    """A regular file found by a scan."""

    path: RelPath
    stat: LocalStat


@dataclass(frozen=True, slots=True)
class ScanProblem:
    """No syncable file: `kind` is symlink, special, unreadable, unrepresentable, mount or vanished."""

    name: str  # printable: invalid bytes and control characters escaped
    kind: str
    reason: str
    path: RelPath | None = None  # where it can be one: what stands at or below it is unknown, never deleted


@dataclass(frozen=True, slots=True)
class Marker:
    """The identity of a root (`.syncd/root.json`). `generation` grows before each batch of removals."""

    uuid: str
    generation: int


class Openness(str, Enum):
    """Whether some other process has the file open."""

    CLOSED = "closed"
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Usage:
    """A file system as `df` counts it: bytes in use, and those with what a user without privileges may still take."""

    used: int
    size: int


MARK = 8 << 20
"""Bytes from one mark of a running CRC64NVME to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Everything one read of a file told us.

    `marks`: the CRC64NVME of its first MARK, 2 MARK, ... bytes, where that was kept; not remembered with the rest.
    """

    sha256: bytes | None = None
    md5: bytes | None = None
    crc64nvme: int | None = None
    marks: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def digest(self, type: HashType) -> Digest | None:
        """The content digest of that type, where it was computed."""
        raw = self.sha256 if type is HashType.SHA256 else self.md5
        return None if raw is None else Digest(type, raw.hex())


@dataclass(frozen=True, slots=True, kw_only=True)
class Inode:
    """A stat with what an archive keeps besides: permission bits and numeric owner."""

    stat: LocalStat
    mode: int
    uid: int
    gid: int


class OpenFile(Protocol):
    """One descriptor on one version of a file; everything is read through it."""

    def fstat(self) -> LocalStat: ...
    def inode(self) -> Inode:
        """The same with permission bits and owner."""
        ...

    def reader(self, start: int, length: int) -> BinaryIO:
        """A seekable view of that range with its own offset (pread), for sending. EOF early raises Stale."""
        ...

    def hash(self, *, types: frozenset[str], stopped: Callable[[], bool]) -> Hashes:
        """Read it all once in 256 KiB pieces; `types` of sha256, md5, crc64nvme. Stale where the size changed."""
        ...


class Temporary(Protocol):
    """A file being written under `.syncd/tmp` of the same root; unlinked on exit of its context unless placed."""

    def write(self, piece: bytes) -> None: ...
    def preallocate(self, size: int) -> None:
        """Take the room for so many bytes at once. ItemError where the disk has none."""
        ...

    def write_at(self, piece: bytes, offset: int) -> None:
        """Write at a place of its own; several threads may."""
        ...

    def read_at(self, buffer: memoryview, offset: int) -> int:
        """Fill the buffer with what was written there, as far as one read goes; never nothing."""
        ...

    def finish(self, *, mtime_ns: int | None, mode: int | None = None) -> None:
        """fsync, set the mtime (and the permission bits, set-id bits aside), close. ItemError on a full disk."""
        ...


@dataclass(frozen=True, slots=True)
class Placed:
    """The result of putting a temporary in place: its stat then, and what it displaced (a trash name), if anything."""

    stat: LocalStat
    displaced: str | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Allows unlinking a staged file: S3 holds these bytes. Made by engine/prove alone."""

    path: RelPath
    staged: LocalStat
    digest: Digest
    etag: ETag
    kind: ProofKind


@dataclass(frozen=True, slots=True)
class ExpiredTrash:
    """Allows unlinking a file in our trash whose time is over; `expect`: only while it is still that very file."""

    name: str
    expect: LocalStat | None = None


@dataclass(frozen=True, slots=True)
class OwnTemporary:
    """Allows unlinking a partial file of our own under `.syncd/tmp`."""

    name: str


Removal = Proof | ExpiredTrash | OwnTemporary


class SmallFiles(Protocol):
    """Reads small files whole, many in a row. For one thread, within its context."""

    def read(self, path: RelPath, expect: LocalStat) -> bytes:
        """The content of exactly that version, which nobody is seen to have open for writing. Stale else."""
        ...

    def unchanged(self, path: RelPath, expect: LocalStat) -> bool:
        """Whether the file at that path is still that version."""
        ...


class Written(NamedTuple):
    """A whole new file, and where it is to lie. Made by `SmallPlaces.write` alone."""

    path: RelPath
    name: str


class Lasting(NamedTuple):
    """The same once a loss of power leaves its content. Made by `SmallPlaces.sync` alone."""

    path: RelPath
    name: str
    inode: int
    mtime_ns: int


class SmallPlaces(Protocol):
    """Puts small new files in place, many in a row: each written, then made to last, then placed.

    For one thread, within its context. What is not placed by its end is removed.
    """

    def vacant(self, path: RelPath) -> bool:
        """Whether a file can be put there: nothing stands in its place, or in that of a folder of it."""
        ...

    def prepare(self, path: RelPath) -> bool:
        """Make the folders of a path; True. Stale where a file cannot be there now; ItemError where the disk fails."""
        ...

    def write(self, path: RelPath, content: bytes, *, mtime_ns: int) -> Written:
        """A file for that path. Stale where it cannot be made now; ItemError where the disk fails."""
        ...

    def sync(self, written: Written) -> Lasting:
        """Make its content last. ItemError where the disk fails: it is gone then."""
        ...

    def place(self, lasting: Lasting) -> LocalStat:
        """Give it its place, where nothing is; its stat. Stale where something is. Its name lasts after `settle`."""
        ...

    def settle(self) -> None:
        """Make all names durable. ItemError where the disk fails."""
        ...


class LocalTree(Protocol):
    """One local root. Paths never leave it and no symlink is followed. OS errors arrive as ItemError or PairHalted.

    PairHalted: the root is missing, not a folder, unreadable, or not the one that was opened (device, inode).
    """

    def hold(self) -> AbstractContextManager[None]:
        """Look at the root once for all calls of this thread within: many short ones in a row, for a short while.

        Nothing that is opened within may be used after it. Meanwhile the root cannot be unmounted.
        """
        ...

    def scan(self, under: RelPath | None = None) -> Iterator[ScanEntry | ScanProblem]:
        """Walk regular files in the order of `core.paths.order`, `.syncd` left out.

        An unreadable folder yields a problem, and the walk goes on.
        """
        ...

    def lstat(self, path: RelPath) -> LocalStat | None:
        """The stat of a regular file; None where there is none (or it is no regular file)."""
        ...

    def occupied(self, path: RelPath) -> bool:
        """Whether a folder stands there that holds anything, also what is never synced: no file can take its place."""
        ...

    def open(self, path: RelPath) -> AbstractContextManager[OpenFile]:
        """Open for reading. Stale where it is gone; ItemError where it may not be read."""
        ...

    def small_files(self) -> AbstractContextManager[SmallFiles]:
        """A reader for one thread and a short while. PairHalted for the root, as everywhere."""
        ...

    def open_elsewhere(self, path: RelPath, *, for_writing: bool, max_age_s: float | None = None) -> Openness:
        """Leases first, psutil where they are refused. `for_writing` False asks whether anyone has it open at all.

        `max_age_s`: how old a look at all processes may be (None: a second for writing, else it is taken now).
        """
        ...

    def temporary(self) -> AbstractContextManager[Temporary]: ...

    def small_places(self) -> AbstractContextManager[SmallPlaces]:
        """For new files that are held in memory. ItemError where the disk has no room."""
        ...

    def place(self, temporary: Temporary, path: RelPath, *, expect: LocalExpect) -> Placed:
        """Two-phase: NOREPLACE, or EXCHANGE and a look at what came out; that goes to trash. Folder fsynced.

        Where what came out is not `expect`, it is put back by a second EXCHANGE and Stale is raised; it is never lost.
        """
        ...

    def settle(self, path: RelPath) -> None:
        """Make a file's name durable. Stale where its folder is gone."""
        ...

    def trash(self, path: RelPath, *, expect: LocalStat) -> str:
        """Move a file into `.syncd/trash`; return its trash name. Stale if it is another file by now."""
        ...

    def rename(self, path: RelPath, target: RelPath, *, expect: LocalStat) -> LocalStat:
        """NOREPLACE rename inside the root (conflict copies). Stale if either side is not as expected."""
        ...

    def untrash(self, name: str, target: RelPath) -> LocalStat:
        """Bring a trashed file back, NOREPLACE."""
        ...

    def trash_names(self) -> Iterator[tuple[str, LocalStat]]: ...

    def stage(self, path: RelPath, *, expect: LocalStat, durable: bool = True) -> LocalStat:
        """Move a file that is being cleaned to `.syncd/cleaning`; its name there is a function of the path.

        `durable` False: no fsync; after a power cut it may be back at its path.
        """
        ...

    def settle_staged(self, path: RelPath) -> None:
        """Make it last that files of that one's folder are staged. Stale where the folder is gone."""
        ...

    def staged(self, path: RelPath) -> LocalStat | None: ...

    def open_staged(self, path: RelPath) -> AbstractContextManager[OpenFile]: ...

    def unstage(self, path: RelPath) -> LocalStat:
        """Bring a staged file back, NOREPLACE. Stale where the path is taken (it then stays staged)."""
        ...

    def sweep_staged(self, keep: Callable[[], Iterable[RelPath]]) -> int:
        """Move staged files that belong to none of these paths to trash (their record was lost). Returns how many.

        `keep` is asked only where something is staged.
        """
        ...

    def trash_staged(self, path: RelPath) -> str:
        """Move a staged file to trash, where its place is taken; return its trash name."""
        ...

    def staged_open_elsewhere(self, path: RelPath, *, max_age_s: float = 0.0) -> Openness: ...

    def open_trashed(self, name: str) -> AbstractContextManager[OpenFile]:
        """Open a trashed file for reading. Stale where there is none."""
        ...

    def trashed_open_elsewhere(self, name: str, *, for_writing: bool = True) -> Openness:
        """Whether anyone still has a trashed file open, for writing or at all. Stale where there is none."""
        ...

    def usage(self) -> Usage:
        """How full the root's file system is."""
        ...

    def remove(self, allowed: Removal) -> None:
        """The one unlink. A Proof removes the staged file of its path if its stat still is `staged`."""
        ...

    def sweep_temporaries(self) -> int:
        """Remove partial files that an earlier run left (every one is ours; none is in use). Returns how many."""
        ...

    def marker(self) -> Marker | None:
        """The root's marker; None where there is none (yet, or the root may not be written)."""
        ...

    def write_marker(self, marker: Marker) -> bool:
        """Write it with fsync. False where the root may not be written."""
        ...

    def check_root(self) -> None:
        """Raise PairHalted where the root is gone or is another one than the one that was opened."""
        ...
