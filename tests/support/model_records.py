"""A RecordStore in memory: the model's stand-in for the database, held to the same contract as the real one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from syncd.core.classify import cleanable
from syncd.core.model import Digest, LocalStat, LocalState, Record, RemoteState
from syncd.core.paths import RelPath, order
from syncd.errors import Stale
from syncd.ports import Commit, Hashes, HistoryRow, LeftUpload, SentPart, UploadSource

T = TypeVar("T")
Through = Callable[[str, Callable[[], T]], T]
REMOVALS = frozenset({"delete", "trash"})


@dataclass(frozen=True, slots=True)
class Image:
    """The records as they were at some time: what a backup of the database holds."""

    rows: dict[RelPath, Record]
    generation: int


class MemoryRecords:
    """Commits take effect at once and survive a crash; hashes survive with the next commit, as in the database.

    `through` is asked around every durable write: it may raise before or after it.
    """

    def __init__(
        self, through: Through[object] = lambda _, write: write(), *, now: Callable[[], float] = time.time
    ) -> None:
        self._now = now
        self._begun: dict[str, float] = {}
        self.history: list[HistoryRow] = []
        self.commits = 0
        self._through = through
        self._rows: dict[RelPath, Record] = {}
        self._hashes: dict[LocalStat, Hashes] = {}
        self._fresh: dict[LocalStat, Hashes] = {}
        self._seq = 0
        self._generation = 0
        self._renumbered = 0
        self._halted: tuple[str, list[str]] | None = None
        self._accepted: tuple[str, list[str]] | None = None
        self._uploads: dict[str, str] = {}
        self._sources: dict[str, UploadSource] = {}
        self._parts: dict[str, dict[int, SentPart]] = {}
        self._left: set[str] = set()

    # --- for the model ------------------------------------------------------------------------------------

    def image(self) -> Image:
        """A backup, taken now."""
        return Image(dict(self._rows), self._generation)

    def restore(self, image: Image) -> None:
        """Bring a backup back. Its hashes and commit numbers stay ahead: neither decides anything."""
        self._rows, self._generation = dict(image.rows), image.generation

    def rows(self) -> dict[RelPath, Record]:
        """Every record as it is now."""
        return dict(self._rows)

    def crash(self) -> None:
        """What was not durable is gone."""
        self._fresh.clear()

    # --- RecordStore --------------------------------------------------------------------------------------

    def commit(self, change: Commit) -> Future[Record | None]:
        future: Future[Record | None] = Future()
        subject = change.path or (change.put.path if change.put is not None else change.drop)
        if change.expect_seq is not None and subject is not None:
            row = self._rows.get(subject)
            if (0 if row is None else row.seq) != change.expect_seq:
                future.set_exception(Stale(f"the record of {subject!r} changed since the decision"))
                return future
        self._through("commit", lambda: future.set_result(self._write(change)))
        return future

    def _write(self, change: Commit) -> Record | None:
        self._seq += 1
        self.commits += 1
        self._hashes.update(self._fresh)
        self._fresh.clear()
        stored = None
        if change.drop is not None:
            self._rows.pop(change.drop, None)
        if change.put is not None:
            stored = self._rows[change.put.path] = replace(change.put, seq=self._seq)
        if change.history is not None:
            self.history.append(change.history)
        return stored

    def commit_all(self, changes: Sequence[Commit]) -> Future[Sequence[object]]:
        answers = [self.commit(change) for change in changes]
        future: Future[Sequence[object]] = Future()
        future.set_result([answer.exception() or answer.result() for answer in answers])
        return future

    def known_inodes(self, inodes: Sequence[int]) -> frozenset[int]:
        return frozenset(row.stat.inode for row in self._rows.values() if row.stat is not None) & frozenset(inodes)

    def get(self, path: RelPath) -> Record | None:
        return self._rows.get(path)

    def mark(self, after: str, until: str) -> tuple[int, int]:
        rows = [row for path, row in self._rows.items() if after < path and (not until or path <= until)]
        return len(rows), max((row.seq for row in rows), default=0)

    def walk(
        self, under: RelPath | None = None, *, after: RelPath | None = None, until: RelPath | None = None
    ) -> Iterator[Record]:
        last = b"" if under is None else order(under) + b"/"
        if after is not None:
            last = max(last, order(after))
        while True:
            keys = [path for path in self._rows if order(path) > last and (under is None or _below(path, under))]
            keys = keys if until is None else [path for path in keys if order(path) <= order(until)]
            if not keys:
                return
            path = min(keys, key=order)
            last = order(path)
            yield self._rows[path]

    def count(self) -> int:
        return len(self._rows)

    def seq(self) -> int:
        return self._seq

    def by_inode(self, inode: int, size: int, mtime_ns: int) -> Record | None:
        for record in sorted(self._rows.values(), key=lambda record: -record.seq):
            stat = record.stat
            if stat is not None and (stat.inode, stat.size, stat.mtime_ns) == (inode, size, mtime_ns):
                return record
        return None

    def holding(self, digests: Sequence[Digest]) -> Iterator[Record]:
        yield from (record for record in self.walk() if record.digest in set(digests))

    def nth_newest(self, place: int) -> tuple[int, RelPath] | None:
        here = [record for record in self._rows.values() if record.local is LocalState.PRESENT]
        ages = sorted((record.stat.mtime_ns, order(record.path)) for record in here if record.stat is not None)
        return (ages[-place][0], RelPath(ages[-place][1].decode())) if place <= len(ages) else None

    def oldest_cleanable(self, most: int, *, due_ns: int) -> Iterator[RelPath]:
        there = [
            (record.looked_ns > due_ns, record.stat.mtime_ns, order(record.path), record.path)
            for record in self._rows.values()
            if record.stat is not None and record.remote is RemoteState.PRESENT
            if record.local is LocalState.PRESENT and cleanable(record)
        ]
        yield from (path for *_, path in sorted(there)[:most])

    def cleaning_bytes(self) -> int:
        return sum(record.size for record in self._rows.values() if record.local is LocalState.CLEANING)

    def drop_all(self) -> None:
        self._through("drop_all", self._rows.clear)

    def cached_hashes(self, stat: LocalStat) -> Hashes | None:
        return self._fresh.get(stat) or self._hashes.get(stat)

    def cache_hashes(self, stat: LocalStat, hashes: Hashes) -> None:
        old = self.cached_hashes(stat) or Hashes()
        self._fresh[stat] = Hashes(
            sha256=hashes.sha256 if hashes.sha256 is not None else old.sha256,
            md5=hashes.md5 if hashes.md5 is not None else old.md5,
            crc64nvme=hashes.crc64nvme if hashes.crc64nvme is not None else old.crc64nvme,
        )

    def renumbered_passes(self) -> int:
        return self._renumbered

    def set_renumbered_passes(self, passes: int) -> None:
        self._renumbered = passes

    def generation(self) -> int:
        return self._generation

    def set_generation(self, generation: int) -> None:
        def write() -> None:
            self._generation = generation

        self._through("set_generation", write)

    def halted_plan(self) -> tuple[str, list[str]] | None:
        return self._halted

    def set_halted_plan(self, plan_id: str, fingerprints: Sequence[str]) -> None:
        self._halted = (plan_id, list(fingerprints))

    def accepted_plan(self) -> frozenset[str]:
        return frozenset() if self._accepted is None else frozenset(self._accepted[1])

    def accept_plan(self, plan_id: str) -> bool:
        if self._halted is not None and self._halted[0] == plan_id:
            self._accepted, self._halted = self._halted, None
            return True
        return self._accepted is not None and self._accepted[0] == plan_id

    def clear_plans(self) -> None:
        self._halted = self._accepted = None

    def journal_upload(self, key: str, upload_id: str, source: UploadSource | None = None) -> None:
        self._uploads[upload_id], self._begun[upload_id] = key, self._now()
        if source is not None:
            self._sources[upload_id] = source

    def forget_upload(self, upload_id: str) -> None:
        self._left.discard(upload_id)
        for kept in (self._uploads, self._sources, self._parts):
            kept.pop(upload_id, None)

    def note_part(self, upload_id: str, sent: SentPart) -> None:
        self._parts.setdefault(upload_id, {})[sent.part.number] = sent

    def leave_upload(self, upload_id: str | None = None) -> None:
        self._left |= set(self._sources) if upload_id is None else {upload_id}

    def left_uploads(self) -> list[LeftUpload]:
        return [
            LeftUpload(
                key=self._uploads[id],
                upload_id=id,
                begun_at=self._begun[id],
                source=self._sources[id],
                parts=tuple(parts for _, parts in sorted(self._parts.get(id, {}).items())),
            )
            for id in sorted(self._left)
        ]

    def take_upload(self, upload_id: str) -> bool:
        waits = upload_id in self._left
        self._left.discard(upload_id)
        return waits

    def open_uploads(self) -> list[tuple[str, str]]:
        return [(key, upload_id) for upload_id, key in self._uploads.items()]

    def removals_since(self, since: float) -> int:
        return sum(row.at >= since and row.operation in REMOVALS and row.result == "done" for row in self.history)


def _below(path: RelPath, under: RelPath) -> bool:
    return path.startswith(f"{under}/")
