"""What the archiver asks of the world besides a bucket and a root: its journal, its spool and an index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from syncd.core.archive import Archive, Found, MemberState, Original
from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.core.paths import RelPath
from syncd.ports.records import HistoryRow
from syncd.ports.tree import OpenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An archive whose documents the index does not hold yet. `due_at` in seconds since the epoch."""

    archive: Archive
    attempts: int
    due_at: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A document that the index will never take, and why. `path` is the member's."""

    path: RelPath
    reason: str
    archive_key: str = ""
    bucket: str = ""
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """All that one batch ever archived, and what its index waits for."""

    archives: int = 0
    files: int = 0
    bytes: int = 0
    queued: int = 0  # archives that wait for the index
    dead: int = 0  # documents that it refused for good


class ArchiveStore(Protocol):
    """The journal of one batch, over all its buckets. Every write is durable (fsync) on return."""

    def seal(self, archive: Archive, originals: Sequence[Original]) -> None:
        """Journal an archive with its members, before its first byte goes to S3; whole or, after a crash, not at all.

        SEALED, whatever it says of itself; `files` and `bytes` are counted from the members that are not void.
        ValueError where that uuid is journaled already.
        """
        ...

    def unfinished(self, bucket: str) -> list[Archive]:
        """Archives of that bucket that are SEALED or UNLINKING, oldest first."""
        ...

    def get(self, uuid: str) -> Archive | None: ...

    def originals(self, uuid: str, *, states: frozenset[MemberState] | None = None) -> Iterator[Original]:
        """Members in archive order, all or those of these states; no transaction is kept open."""
        ...

    def prove(
        self,
        uuid: str,
        *,
        etag: ETag,
        version_id: str | None,
        proof: ProofKind,
        manifest_at: str,
        index: bool,
        history: HistoryRow | None = None,
    ) -> None:
        """One transaction: archive and members are UNLINKING (void ones KEPT); queued for the index if asked.

        DONE at once where every member is void. `history` is told in the same transaction, under the batch's name.
        ValueError for a `proof` that is none; Stale where the archive is not SEALED.
        """
        ...

    def mark(self, uuid: str, marks: Iterable[tuple[RelPath, MemberState]]) -> None:
        """Say how far these members are; where none is SEALED or UNLINKING any more, the archive is DONE.

        Thousands at once cost little. Stale before the archive is proven; ValueError for a path that is none of its
        members, and for SEALED.
        """
        ...

    def drop(self, uuid: str) -> None:
        """Give an archive up that never was on S3: its rows go. Unknown is no error; Stale once it is proven."""
        ...

    def busy(self, bucket: str) -> Mapping[RelPath, LocalStat]:
        """Originals of that bucket that are SEALED or UNLINKING: they are in an archive, nobody packs them again."""
        ...

    def totals(self) -> Totals: ...

    def find(self, pattern: str, *, limit: int) -> Iterator[Found]:
        """Proven members whose `bucket/path` matches a glob, by the bytes of that name, newest archive first.

        `*` any text, `/` too; `?` one character; `[a-z]`, `[^a-z]` one of a set or none of it, `[*]` a star. Case
        counts. A pattern without `/` matches the base name. A name that is exactly the pattern matches too, so that
        `[` needs no escaping there. Void members are never found.
        """
        ...

    def archives(self, prefix: str, *, limit: int) -> Iterator[Archive]:
        """Proven archives whose `bucket/key` begins so, newest first."""
        ...

    def prove_again(self, uuid: str, proof: ProofKind) -> None:
        """A proven archive was read back, as what proved it does not count any more. Stale before it is proven."""
        ...

    def record_manifest(self, uuid: str, manifest_at: str) -> None:
        """A manifest was written after the proof (the index was down). Stale before the archive is proven."""
        ...

    # --- waiting for the index ---

    def due(self, now: float, *, limit: int) -> list[Queued]:
        """What may be sent to the index now, oldest first."""
        ...

    def postpone(self, uuid: str, *, until: float, error: str) -> None:
        """One more attempt failed: due again at `until`. One that does not wait is no error."""
        ...

    def indexed(self, uuid: str, dead: Sequence[DeadLetter]) -> None:
        """Its documents are there, but for these, which take the place of earlier ones; it waits no longer.

        Of a dead letter `path`, `reason` and `at` (0.0: now) are kept; the rest is the archive's. Stale before it is
        proven.
        """
        ...

    def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        """Those of this batch, newest first."""
        ...


class SpoolFile(Protocol):
    """An archive being written in the spool."""

    def write(self, piece: bytes) -> None:
        """ItemError on a full disk."""
        ...

    def finish(self) -> None:
        """fsync of the file and its folder."""
        ...


class Spool(Protocol):
    """A folder of our own for archives on their way. Names are `<uuid>.tar`; anything else there is left alone."""

    def free(self) -> int:
        """Bytes that we may still write on that file system."""
        ...

    def create(self, uuid: str) -> AbstractContextManager[SpoolFile]:
        """A new file; removed on exit unless finished."""
        ...

    def open(self, uuid: str) -> AbstractContextManager[OpenFile]:
        """Stale where there is none."""
        ...

    def remove(self, uuid: str) -> None:
        """Our own file; one that is gone already is no error."""
        ...

    def uuids(self) -> Iterator[str]: ...

    def strangers(self) -> Iterator[str]:
        """Names that are not ours, printable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What the index holds of one member. `id` decides: the same member twice is one document."""

    id: str
    source: Mapping[str, Any]


class Taken(str, Enum):
    """What became of one document."""

    DONE = "done"
    RETRY = "retry"  # 429, 5xx, or no answer for it
    DEAD = "dead"  # it will never be taken (its mapping is refused)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer for one document."""

    id: str
    taken: Taken
    reason: str = ""


class ArchiveIndex(Protocol):
    """A search index. Every method may raise RemoteError (UNAVAILABLE, THROTTLED: try later; DENIED: a person must)."""

    def prepare(self) -> None:
        """Put the index template where none is, or an older one of ours."""
        ...

    def add(self, documents: Sequence[Document]) -> list[Receipt]:
        """Bulk requests of bounded size; one receipt a document, in order. A failure says nothing of any document."""
        ...

    def find(self, pattern: str, *, limit: int) -> list[Mapping[str, Any]]:
        """Sources of documents whose `bucket/key` matches the glob (as in `ArchiveStore.find`), newest first.

        A set counts as any character, so that more may be found than is meant.
        """
        ...

    def close(self) -> None:
        """Let go of the connections; requests under way fail."""
        ...
