"""What the engine asks of the world: small protocols in our words. Adapters live in s3/, local/ and store/."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO, Protocol

from syncd.core.model import Digest, ETag, HashType, ListedObject, LocalStat, ObjectFacts, ProofKind, Record
from syncd.core.paths import RelPath

# --- preconditions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Absent:
    """The target does not exist (`If-None-Match: *`; RENAME_NOREPLACE)."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The object still has this ETag (`If-Match`)."""

    etag: ETag


@dataclass(frozen=True, slots=True)
class Unchecked:
    """No precondition can be sent: the endpoint honours none, and the caller has just looked (HEAD)."""


RemoteExpect = Absent | Matches | Unchecked


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The local file is still the one that was looked at."""

    stat: LocalStat


LocalExpect = Absent | Unchanged

# --- S3 --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListPage:
    """Up to a thousand rows, keys strictly increasing as UTF-8 bytes within and across pages."""

    objects: Sequence[ListedObject]
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHeaders:
    """What is written beside the bytes. `metadata` keys are lower-case, values any text (the adapter encodes)."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = ""
    acl: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """What we know of a body before it is sent. Base64 values are made by the adapter. None: not known."""

    md5: bytes | None = None
    sha256: bytes | None = None
    crc64nvme: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAnswer:
    """What the store said of a finished write. `checksum` is "ALGORITHM:base64" as the answer carried it."""

    etag: ETag
    version_id: str | None = None
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part of a multipart upload, numbered from 1."""

    number: int
    etag: ETag
    checksum: str | None = None


class ObjectBody(Protocol):
    """The bytes of a GET in pieces, and the facts that came with its headers."""

    facts: ObjectFacts

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the probe saw this endpoint honour: the right value passes and the wrong one fails.

    `delete_if_match` False and `versioned` True: a delete writes a marker, so nothing is lost.
    `versioned` is GetBucketVersioning == Enabled; 403 or Suspended counts as False.
    `stores_checksum`: HEAD shows the CRC64NVME sent with a PUT. `etag_is_md5`: the ETag of a single PUT is its MD5.
    """

    put_if_none_match: bool = False
    put_if_match: bool = False
    delete_if_match: bool = False
    copy_if_match: bool = False  # x-amz-copy-source-if-match
    copy: bool = True
    quoted_if_match: bool = True  # send If-Match with quotes (False: this store wants it bare)
    etag_is_md5: bool = False
    stores_checksum: bool = False
    versioned: bool = False
    probed_at: float = 0.0  # seconds since the epoch; 0: never, assume nothing


class ObjectStore(Protocol):
    """One bucket of one endpoint. Keys are whole keys (prefix included). Every method may raise RemoteError.

    Writes take their precondition (`expect` has no default) and raise Stale when it does not hold. Calls are
    thread-safe; retries of what is retryable happen inside, within `[s3] retries`.
    """

    @property
    def incomplete(self) -> frozenset[str]:
        """First components of keys whose listing failed by itself: nothing follows from what is absent there."""
        ...

    def list(self, prefix: str) -> Iterator[ListPage]:
        """All objects below prefix in key order. A page out of order or truncated without a token: RemoteError."""
        ...

    def head(self, key: str) -> ObjectFacts | None:
        """Facts of one object, or None where there is none."""
        ...

    def get(
        self, key: str, *, expect: ETag | None, start: int = 0, length: int | None = None, version_id: str | None = None
    ) -> AbstractContextManager[ObjectBody]:
        """Read bytes [start, start+length) of exactly that ETag. Stale if the object changed or is gone.

        With a version id that version is read, whatever is newest; only then may `expect` be None (ValueError else).
        """
        ...

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        """Write one object of `size` bytes from the (seekable) body in one request."""
        ...

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        """Begin an upload in parts and return its id."""
        ...

    def put_part(
        self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums
    ) -> Part: ...

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer: ...

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload of ours. One that is gone already is no error."""
        ...

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        """Server-side copy of exactly that source, any size (in parts over 5 GiB, metadata carried).

        headers None: the source's own metadata.
        """
        ...

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        """Delete one object. One that is gone already is no error."""
        ...

    def server_now(self) -> float:
        """The server's clock (seconds since the epoch) by its last Date header; our own before any answer."""
        ...


# --- the local root --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScanEntry:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Everything one read of a file told us."""

    sha256: bytes | None = None
    md5: bytes | None = None
    crc64nvme: int | None = None

    def digest(self, type: HashType) -> Digest | None:
        """The content digest of that type, where it was computed."""
        raw = self.sha256 if type is HashType.SHA256 else self.md5
        return None if raw is None else Digest(type, raw.hex())


class OpenFile(Protocol):
    """One descriptor on one version of a file; everything is read through it."""

    def fstat(self) -> LocalStat: ...
    def reader(self, start: int, length: int) -> BinaryIO:
        """A seekable view of that range with its own offset (pread), for sending. EOF early raises Stale."""
        ...

    def hash(self, *, types: frozenset[str], stopped: Callable[[], bool]) -> Hashes:
        """Read it all once in 256 KiB pieces; `types` of sha256, md5, crc64nvme. Stale where the size changed."""
        ...


class Temporary(Protocol):
    """A file being written under `.syncd/tmp` of the same root; unlinked on exit of its context unless placed."""

    def write(self, piece: bytes) -> None: ...
    def finish(self, *, mtime_ns: int | None) -> None:
        """fsync, set the mtime, close. ItemError on a full disk."""
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


class LocalTree(Protocol):
    """One local root. Paths never leave it and no symlink is followed. OS errors arrive as ItemError or PairHalted.

    PairHalted: the root is missing, not a folder, unreadable, or not the one that was opened (device, inode).
    """

    def scan(self, under: RelPath | None = None) -> Iterator[ScanEntry | ScanProblem]:
        """Walk regular files in the order of `core.paths.order`, `.syncd` left out.

        An unreadable folder yields a problem, and the walk goes on.
        """
        ...

    def lstat(self, path: RelPath) -> LocalStat | None:
        """The stat of a regular file; None where there is none (or it is no regular file)."""
        ...

    def open(self, path: RelPath) -> AbstractContextManager[OpenFile]:
        """Open for reading. Stale where it is gone; ItemError where it may not be read."""
        ...

    def open_elsewhere(self, path: RelPath, *, for_writing: bool) -> Openness:
        """Leases first, psutil where they are refused. `for_writing` False asks whether anyone has it open at all."""
        ...

    def temporary(self) -> AbstractContextManager[Temporary]: ...

    def place(self, temporary: Temporary, path: RelPath, *, expect: LocalExpect) -> Placed:
        """Two-phase: NOREPLACE, or EXCHANGE and a look at what came out; that goes to trash. Folder fsynced.

        Where what came out is not `expect`, it is put back by a second EXCHANGE and Stale is raised; it is never lost.
        """
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

    def stage(self, path: RelPath, *, expect: LocalStat) -> LocalStat:
        """Move a file that is being cleaned to `.syncd/cleaning`; its name there is a function of the path."""
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

    def staged_open_elsewhere(self, path: RelPath) -> Openness: ...

    def trashed_open_elsewhere(self, name: str) -> Openness:
        """Whether anyone still has a trashed file open for writing. Stale where there is none."""
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


# --- the store -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One thing that was done (or failed) to one path. `at` in seconds since the epoch."""

    at: float
    path: str
    operation: str  # upload download adopt trash delete clean restore conflict superseded ...
    rule: str
    result: str  # done stale failed
    size: int = 0
    digest: str = ""  # "sha256:hex"
    etag: str = ""
    error: str = ""
    cycle: str = ""
    elapsed_s: float = 0.0
    id: int = 0
    pair: str = ""  # the section's name, filled in by the store on reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRow:
    """A conflict that was met. `loser_at` says where the loser is: a path, "trash:NAME", "s3:KEY" or "version:ID"."""

    at: float
    path: str
    rule: str
    winner: str  # local remote
    loser_digest: str
    loser_at: str
    resolved: str = ""  # "", or how a person settled it
    id: int = 0
    pair: str = ""  # the section's name, filled in by the store on reading


@dataclass(frozen=True, slots=True, kw_only=True)
class TrashRow:
    """Something that was displaced. `where` is "local:NAME", "s3:KEY" or "version:KEY:ID"."""

    at: float
    path: str
    where: str
    reason: str  # conflict superseded deleted cleaned
    size: int
    digest: str = ""
    id: int = 0
    pair: str = ""  # the section's name, filled in by the store on reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One outcome, written in one transaction or not at all. `put` and `drop` are upserts and removals of records.

    `expect_seq`: the row's seq that the decision was made under (0: no row); where it is another by now,
    nothing is written and the future raises Stale.
    """

    path: RelPath | None = None
    expect_seq: int | None = None
    put: Record | None = None
    drop: RelPath | None = None
    history: HistoryRow | None = None
    conflict: ConflictRow | None = None
    trash: TrashRow | None = None


class RecordStore(Protocol):
    """The records, hash cache and history of one pair. A write is durable when its future is done."""

    def commit(self, change: Commit) -> Future[Record | None]:
        """Queue for the group commit (20 ms or 256). The future gives the stored record (with its seq) after fsync."""
        ...

    def get(self, path: RelPath) -> Record | None: ...

    def walk(self, under: RelPath | None = None) -> Iterator[Record]:
        """Every record (or those below a folder) in the order of `core.paths.order`; no transaction is kept open."""
        ...

    def count(self) -> int:
        """How many records there are."""
        ...

    def seq(self) -> int:
        """The number of the last commit: what a pass notes before it looks, to skip rows that changed since."""
        ...

    def by_inode(self, inode: int, size: int, mtime_ns: int) -> Record | None:
        """The newest record whose local side was that file: a rename's old name, or, once it is known, its new one."""
        ...

    def drop_all(self) -> None:
        """Forget every record of this set; the hash cache stays. Union follows."""
        ...

    def cached_hashes(self, stat: LocalStat) -> Hashes | None: ...

    def cache_hashes(self, stat: LocalStat, hashes: Hashes) -> None:
        """Remember (merged with what is there); durable with some later commit."""
        ...

    def prune_hashes(self, keep: int) -> int:
        """Forget hashes beyond so many, those longest not asked for first. Returns how many went."""
        ...

    def generation(self) -> int: ...

    def set_generation(self, generation: int) -> None:
        """Commit the intent g+1 before the marker takes it. Durable on return."""
        ...

    def halted_plan(self) -> tuple[str, list[str]] | None:
        """The plan that a guard halted: its id and the fingerprints of its rows."""
        ...

    def set_halted_plan(self, plan_id: str, fingerprints: Sequence[str]) -> None: ...

    def accepted_plan(self) -> frozenset[str]:
        """Fingerprints that a person accepted (resume --accept), until `clear_plans`."""
        ...

    def accept_plan(self, plan_id: str) -> bool:
        """Accept exactly the halted plan of that id; False where it is another one."""
        ...

    def clear_plans(self) -> None: ...

    def journal_upload(self, key: str, upload_id: str) -> None:
        """Remember a multipart upload before its first part, so that it alone is aborted after a crash."""
        ...

    def forget_upload(self, upload_id: str) -> None: ...

    def open_uploads(self) -> list[tuple[str, str]]: ...

    def removals_since(self, since: float) -> int:
        """How many deletions the history holds since then: the guard's count per hour."""
        ...


# --- the rest --------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time as a value, so that tests own it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def now_ns(self) -> int: ...

    def monotonic(self) -> float: ...


class Events(Protocol):
    """Where what happened is said. `event` is a constant of syncd.events; fields are of its glossary."""

    def emit(self, event: str, **fields: object) -> None: ...


class StopToken(Protocol):
    """Asked between steps; every wait goes through it."""

    def stopped(self) -> bool:
        """Whether nothing new may begin."""
        ...

    def abandoned(self) -> bool:
        """Whether what is under way is to be dropped."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep so long, less if stopped. True when stopped."""
        ...


class Digester(Protocol):
    """Hashes bytes as they pass."""

    def update(self, piece: bytes | memoryview) -> None: ...

    def result(self) -> Hashes: ...


class Transfer(Protocol):
    """One running transfer, for progress."""

    def advance(self, count: int) -> None: ...

    def end(self) -> None: ...


class Transfers(Protocol):
    """The board of running transfers."""

    def begin(self, *, pair: str, path: str, direction: str, total_bytes: int) -> Transfer: ...
