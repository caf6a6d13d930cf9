"""The journal of one batch: which archives there are, what lies in them, and how far each is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from syncd.core.archive import Archive, ArchiveState, Found, MemberState, Original
from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.core.paths import RelPath, order
from syncd.errors import Stale
from syncd.ports import Clock, DeadLetter, HistoryRow, Queued, Totals
from syncd.store.archive_rows import COLUMNS, INSERT_ARCHIVE, Located, archive_of, archive_row, locate
from syncd.store.archive_search import ArchiveSearch
from syncd.store.columns import insert_rows
from syncd.store.connection import Readers, Row
from syncd.store.history import INSERT_HISTORY, history_row
from syncd.store.index_queue import IndexQueue, queue_archive
from syncd.store.members import (
    KEEP_VOID,
    delete_members,
    insert_members,
    member_row,
    read_busy,
    read_originals,
    update_fates,
)
from syncd.store.pairs import INSERT_PAIR, SELECT_PAIR
from syncd.store.records import PAGE
from syncd.store.writer import Writer

SLICE = 5_000  # members written in one transaction, so that outcomes need not wait long behind them

INSERT_BATCH = "INSERT INTO batch (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
SELECT_FOLDER = "SELECT id FROM bucket_folder WHERE batch_id = ? AND bucket = ?"
INSERT_FOLDER = "INSERT INTO bucket_folder (batch_id, bucket) VALUES (?, ?) RETURNING id"
SELECT_ARCHIVE = f"SELECT {COLUMNS} FROM archive JOIN bucket_folder ON bucket_folder.id = archive.folder_id"
ONE = (
    f"{SELECT_ARCHIVE} WHERE archive.uuid = ? AND bucket_folder.batch_id = ? "
    "AND archive.state IN ('sealed', 'unlinking', 'done')"
)
UNFINISHED = (
    f"SELECT {COLUMNS}, archive.id FROM archive JOIN bucket_folder ON bucket_folder.id = archive.folder_id "
    "WHERE archive.folder_id = (SELECT id FROM bucket_folder WHERE batch_id = ? AND bucket = ?) "
    "AND archive.id > ? AND archive.state <> 'done' AND archive.state IN ('sealed', 'unlinking') "
    f"ORDER BY archive.id LIMIT {PAGE}"
)
SELECT_UUID = "SELECT 1 FROM archive WHERE uuid = ?"
SEALED = "UPDATE archive SET state = 'sealed' WHERE id = ? AND state = 'sealing'"
PROVEN = (
    "UPDATE archive SET state = 'unlinking', etag = ?, version_id = ?, proof = ?, manifest_at = ? "
    "WHERE id = ? AND state = 'sealed'"
)
ADD_TO_BATCH = (
    "UPDATE batch SET archives = batch.archives + 1, files = batch.files + archive.files, "
    "bytes = batch.bytes + archive.bytes "
    "FROM archive WHERE archive.id = ? AND batch.id = ?"
)
DONE = (
    "UPDATE archive SET state = 'done' WHERE id = ? AND state = 'unlinking' "
    "AND NOT EXISTS (SELECT 1 FROM member WHERE folder_id = ? AND archive_id = ? AND fate IS NULL)"
)
DROPPED = "UPDATE archive SET state = 'dropped' WHERE id = ? AND state = 'sealed'"
UPDATE_MANIFEST = "UPDATE archive SET manifest_at = ? WHERE id = ?"
UPDATE_PROOF = "UPDATE archive SET proof = ? WHERE id = ?"
DELETE_ARCHIVE = "DELETE FROM archive WHERE id = ? AND state IN ('sealing', 'dropped')"
SELECT_REMNANTS = "SELECT id FROM archive WHERE state <> 'done' AND state IN ('sealing', 'dropped')"
SELECT_TOTALS = (
    "SELECT archives, files, bytes, (SELECT count(*) FROM index_queue WHERE batch_id = batch.id), "
    "(SELECT count(*) FROM dead_letter WHERE batch_id = batch.id) FROM batch WHERE id = ?"
)


def find_batch(connection: sqlite3.Connection, name: str) -> int:
    """The id of a batch, inside the open transaction; it is its pair's, so that history names it."""
    row = connection.execute(SELECT_PAIR, (name,)).fetchone()
    (batch_id,) = connection.execute(INSERT_PAIR, (name,)).fetchone() if row is None else row
    connection.execute(INSERT_BATCH, (batch_id,))
    return int(batch_id)


def sweep(connection: sqlite3.Connection) -> None:
    """Remove what a crash left of archives that were being sealed or dropped, before anybody writes."""
    for (archive_id,) in connection.execute(SELECT_REMNANTS).fetchall():
        while _erase_slice(connection, archive_id):
            pass


class Archives:
    """An ArchiveStore (ports) in SQLite. FatalError from every method where the database fails or is closed.

    Up to 5,000 members are sealed, marked or dropped in one transaction; more in several, so that other work gets
    its turn. An archive that is sealed halfway is in no answer.
    """

    def __init__(self, readers: Readers, writer: Writer, clock: Clock, batch_id: int) -> None:
        self._readers = readers
        self._writer = writer
        self._batch_id = batch_id
        self._search = ArchiveSearch(readers, batch_id)
        self._queue = IndexQueue(readers, writer, clock, batch_id)

    def seal(self, archive: Archive, originals: Sequence[Original]) -> None:
        """Journal an archive with its members: durably and whole, or after a crash before that not at all."""
        sizes = [original.member.size for original in originals if not original.member.void]
        row = archive_row(replace(archive, files=len(sizes), bytes=sum(sizes)))
        starts = range(SLICE, len(originals), SLICE)
        begin = partial(self._begin, bucket=archive.bucket, row=row, rows=_rows(originals, 0), whole=not starts)
        with ExitStack() as undo:
            begun = self._writer.call(begin)
            undo.callback(self._erase, begun.id)
            for start in starts:
                insert = partial(_insert_slice, begun=begun, rows=_rows(originals, start), last=start == starts[-1])
                self._writer.call(insert)
            undo.pop_all()

    def unfinished(self, bucket: str) -> list[Archive]:
        """Archives of that bucket that are SEALED or UNLINKING, oldest first."""
        found: list[Row] = []
        while True:
            last = found[-1][-1] if found else 0
            page = self._readers.rows(UNFINISHED, (self._batch_id, bucket, last))
            found += page
            if len(page) < PAGE:
                return [archive_of(row[:-1]) for row in found]

    def get(self, uuid: str) -> Archive | None:
        """The archive of that uuid, if it is journaled."""
        row = self._readers.row(ONE, (uuid, self._batch_id))
        return None if row is None else archive_of(row)

    def originals(self, uuid: str, *, states: frozenset[MemberState] | None = None) -> Iterator[Original]:
        """Members in archive order, all or those of these states; pages of 1,000, each read by itself."""
        return read_originals(self._readers, self._batch_id, uuid, frozenset(MemberState) if states is None else states)

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
        """Let its originals go, durably: archive and members are UNLINKING, void ones KEPT. Stale unless SEALED."""
        if proof in {ProofKind.NONE, ProofKind.UNPROVEN}:
            raise ValueError(f"{proof.value!r} proves nothing: the archive {uuid} stays sealed")

        def note(connection: sqlite3.Connection) -> Stale | None:
            found = locate(connection, self._batch_id, uuid)
            if found is None or found.state != ArchiveState.SEALED.value:
                return Stale(f"no archive {uuid} is sealed")
            connection.execute(PROVEN, (etag, version_id, proof.value, manifest_at, found.id))
            connection.execute(KEEP_VOID, (found.id,))
            connection.execute(ADD_TO_BATCH, (found.id, self._batch_id))
            if index:
                queue_archive(connection, self._batch_id, found.id)
            if history is not None:
                insert_rows(connection, INSERT_HISTORY, [history_row(self._batch_id, history)])
            _settle(connection, found)
            return None

        self._writer.call(note)

    def mark(self, uuid: str, marks: Iterable[tuple[RelPath, MemberState]]) -> None:
        """Say how far these members are, durably; where none is open any more, the archive is DONE.

        ValueError for a path that is no member, and for SEALED. Stale where the archive is not proven.
        """
        fates = [
            (order(path), state.value) for path, state in dict(marks).items() if state is not MemberState.UNLINKING
        ]
        if any(fate == MemberState.SEALED.value for _, fate in fates):
            raise ValueError(f"the members of {uuid} can be sealed no more")
        for start in range(0, max(1, len(fates)), SLICE):
            self._writer.call(partial(self._mark_slice, uuid=uuid, fates=fates[start : start + SLICE]))

    def drop(self, uuid: str) -> None:
        """Forget an archive that never was on S3, durably. Stale once it is proven."""

        def hide(connection: sqlite3.Connection) -> Located | Stale | None:
            found = locate(connection, self._batch_id, uuid)
            if found is None or found.state == "sealing":
                return None
            if found.proven:
                return Stale(f"the archive {uuid} is proven")
            connection.execute(DROPPED, (found.id,))
            return found

        dropped = self._writer.call(hide)
        if isinstance(dropped, Located):
            self._erase(dropped.id)

    def busy(self, bucket: str) -> Mapping[RelPath, LocalStat]:
        """Originals of that bucket that are SEALED or UNLINKING."""
        return read_busy(self._readers, self._batch_id, bucket)

    def totals(self) -> Totals:
        """All that was ever proven, and what waits for the index."""
        row = self._readers.row(SELECT_TOTALS, (self._batch_id,))
        if row is None:
            return Totals()
        archives, files, content, queued, dead = row
        return Totals(archives=archives, files=files, bytes=content, queued=queued, dead=dead)

    def find(self, pattern: str, *, limit: int) -> Iterator[Found]:
        """Proven members whose `bucket/path` matches a glob, by that name, newest archive first."""
        return self._search.find(pattern, limit=limit)

    def archives(self, prefix: str, *, limit: int) -> Iterator[Archive]:
        """Proven archives whose `bucket/key` begins so, newest first."""
        return self._search.archives(prefix, limit=limit)

    def prove_again(self, uuid: str, proof: ProofKind) -> None:
        """Note what else proves a proven archive, durably. Stale where it is not proven."""
        self._note(uuid, UPDATE_PROOF, proof.value)

    def record_manifest(self, uuid: str, manifest_at: str) -> None:
        """Note where a manifest was written after the proof, durably. Stale where the archive is not proven."""

        self._note(uuid, UPDATE_MANIFEST, manifest_at)

    def _note(self, uuid: str, update: str, value: str) -> None:
        def note(connection: sqlite3.Connection) -> Stale | None:
            found = locate(connection, self._batch_id, uuid)
            if found is None or not found.proven:
                return Stale(f"no archive {uuid} is proven")
            connection.execute(update, (value, found.id))
            return None

        self._writer.call(note)

    def due(self, now: float, *, limit: int) -> list[Queued]:
        """What may be sent to the index now, oldest first."""
        return self._queue.due(now, limit=limit)

    def postpone(self, uuid: str, *, until: float, error: str) -> None:
        """Count an attempt that failed, durably; due again at `until`."""
        self._queue.postpone(uuid, until=until, error=error)

    def indexed(self, uuid: str, dead: Sequence[DeadLetter]) -> None:
        """Note that its documents are there but for these, durably. Stale where the archive is not proven."""
        self._queue.indexed(uuid, dead)

    def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        """Documents that the index refused for good, newest first."""
        return self._queue.dead_letters(limit=limit)

    def _begin(self, connection: sqlite3.Connection, *, bucket: str, row: Row, rows: list[Row], whole: bool) -> Located:
        if connection.execute(SELECT_UUID, row[:1]).fetchone() is not None:
            raise ValueError(f"the archive {row[0]} is journaled already")
        state = "sealed" if whole else "sealing"
        known = connection.execute(SELECT_FOLDER, (self._batch_id, bucket)).fetchone()
        (folder_id,) = (
            connection.execute(INSERT_FOLDER, (self._batch_id, bucket)).fetchone() if known is None else known
        )
        (archive_id,) = connection.execute(INSERT_ARCHIVE, (folder_id, state, *row)).fetchone()
        insert_members(connection, archive_id, folder_id, rows)
        return Located(id=archive_id, folder_id=folder_id, state=state)

    def _mark_slice(self, connection: sqlite3.Connection, *, uuid: str, fates: list[tuple[bytes, str]]) -> Stale | None:
        found = locate(connection, self._batch_id, uuid)
        if found is None or not found.proven:
            return Stale(f"no archive {uuid} is proven")
        for fate in {fate for _, fate in fates}:
            update_fates(connection, found.id, found.folder_id, fate, [path for path, given in fates if given == fate])
        _settle(connection, found)
        return None

    def _erase(self, archive_id: int) -> None:
        while self._writer.call(partial(_erase_slice, archive_id=archive_id)):
            pass


def _rows(originals: Sequence[Original], start: int) -> list[Row]:
    return [member_row(place, original) for place, original in enumerate(originals[start : start + SLICE], start)]


def _insert_slice(connection: sqlite3.Connection, *, begun: Located, rows: list[Row], last: bool) -> None:
    insert_members(connection, begun.id, begun.folder_id, rows)
    if last:
        connection.execute(SEALED, (begun.id,))


def _settle(connection: sqlite3.Connection, found: Located) -> None:
    connection.execute(DONE, (found.id, found.folder_id, found.id))


def _erase_slice(connection: sqlite3.Connection, archive_id: int) -> bool:
    """Delete rows of an archive that nobody sees; its own goes last. Whether there are more."""
    if delete_members(connection, archive_id, SLICE) == SLICE:
        return True
    connection.execute(DELETE_ARCHIVE, (archive_id,))
    return False
