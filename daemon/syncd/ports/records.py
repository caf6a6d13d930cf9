"""What is remembered of one pair, as the engine asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from syncd.core.model import Digest, LocalStat, Record
from syncd.core.paths import RelPath
from syncd.ports.tree import Hashes
from syncd.ports.uploads import LeftUpload, SentPart, UploadSource


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRow:
    """One thing that was done (or failed) to one path. `at` in seconds since the epoch."""

    at: float
    path: str
    operation: str  # upload download adopt trash expire delete clean restore conflict superseded ...
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

    def commit_all(self, changes: Sequence[Commit]) -> Future[Sequence[object]]:
        """Queue several, each whole or not at all: for each what is no exception, or the one that refused it."""
        ...

    def get(self, path: RelPath) -> Record | None: ...

    def known_inodes(self, inodes: Sequence[int]) -> frozenset[int]:
        """Those that are the local side of some record."""
        ...

    def mark(self, after: str, until: str) -> tuple[int, int]:
        """How many rows there are behind `after`, up to `until` ("": to the end), and the newest of their numbers."""
        ...

    def walk(
        self, under: RelPath | None = None, *, after: RelPath | None = None, until: RelPath | None = None
    ) -> Iterator[Record]:
        """Every record (or those below a folder, behind a path, up to one) in the order of `core.paths.order`.

        No transaction is kept open.
        """
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

    def holding(self, digests: Sequence[Digest]) -> Iterator[Record]:
        """The records of these contents, whatever became of either side. It reads every row: for rare questions."""
        ...

    def nth_newest(self, place: int) -> tuple[int, RelPath] | None:
        """(mtime in ns, path) of the file here that is so manieth from the newest, from 1; None: there are fewer."""
        ...

    def oldest_cleanable(self, most: int, *, due_ns: int) -> Iterator[RelPath]:
        """Paths of `core.classify.cleanable` files on both sides, at most so many, each group oldest first.

        First those that were looked at until `due_ns`, then the others.
        """
        ...

    def cleaning_bytes(self) -> int:
        """The size of all that is on its way out: what the next finished cleanings free."""
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

    def renumbered_passes(self) -> int:
        """How many passes in a row found every file under a new inode number (see core/inodes)."""
        ...

    def set_renumbered_passes(self, passes: int) -> None: ...

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

    def journal_upload(self, key: str, upload_id: str, source: UploadSource | None = None) -> None:
        """Remember a multipart upload before its first part, so that it alone goes on or is aborted after a crash.

        Without a source it can only be aborted.
        """
        ...

    def forget_upload(self, upload_id: str) -> None: ...

    def open_uploads(self) -> list[tuple[str, str]]: ...

    def note_part(self, upload_id: str, sent: SentPart) -> None:
        """Remember a part that the store has taken, durable on return."""
        ...

    def leave_upload(self, upload_id: str | None = None) -> None:
        """Nobody is at that upload any more (None: at any of them)."""
        ...

    def left_uploads(self) -> list[LeftUpload]:
        """Those that nobody is at and that have a source, oldest first."""
        ...

    def take_upload(self, upload_id: str) -> bool:
        """Be the one that is at it; False where somebody was faster. Durable on return."""
        ...

    def removals_since(self, since: float) -> int:
        """How many deletions the history holds since then: the guard's count per hour."""
        ...
