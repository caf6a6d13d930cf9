"""Archives that wait for the search index, and the documents that it will never take."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from syncd.core.paths import RelPath, order
from syncd.errors import Stale
from syncd.ports import Clock, DeadLetter, Queued
from syncd.store.archive_rows import COLUMNS, archive_of, locate
from syncd.store.columns import insert_rows, storable
from syncd.store.connection import Readers
from syncd.store.writer import Writer

INSERT_QUEUED = "INSERT INTO index_queue (batch_id, archive_id, attempts, due_at, error) VALUES (?, ?, 0, 0.0, '')"
SELECT_DUE = (
    f"SELECT {COLUMNS}, index_queue.attempts, index_queue.due_at, index_queue.error "
    "FROM index_queue CROSS JOIN archive ON archive.id = index_queue.archive_id "
    "JOIN bucket_folder ON bucket_folder.id = archive.folder_id "
    "WHERE index_queue.batch_id = ? AND index_queue.due_at <= ? ORDER BY index_queue.archive_id LIMIT ?"
)
UPDATE_QUEUED = (
    "UPDATE index_queue SET attempts = attempts + 1, due_at = ?, error = ? "
    "WHERE batch_id = ? AND archive_id = (SELECT id FROM archive WHERE uuid = ?)"
)
DELETE_QUEUED = "DELETE FROM index_queue WHERE batch_id = ? AND archive_id = ?"
DELETE_DEAD = "DELETE FROM dead_letter WHERE archive_id = ?"
REPLACE_DEAD = "REPLACE INTO dead_letter (batch_id, archive_id, path, at, reason)"
SELECT_DEAD = (
    "SELECT dead_letter.path, dead_letter.reason, archive.key, bucket_folder.bucket, dead_letter.at "
    "FROM dead_letter CROSS JOIN archive ON archive.id = dead_letter.archive_id "
    "JOIN bucket_folder ON bucket_folder.id = archive.folder_id "
    "WHERE dead_letter.batch_id = ? ORDER BY dead_letter.at DESC LIMIT ?"
)


def queue_archive(connection: sqlite3.Connection, batch_id: int, archive_id: int) -> None:
    """Let an archive wait for the index, due at once, inside the open transaction."""
    connection.execute(INSERT_QUEUED, (batch_id, archive_id))


class IndexQueue:
    """What one batch's index does not hold yet, or never will."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock, batch_id: int) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._batch_id = batch_id

    def due(self, now: float, *, limit: int) -> list[Queued]:
        """What may be sent now, oldest archive first."""
        return [
            Queued(archive=archive_of(tuple(columns)), attempts=attempts, due_at=due_at, error=error)
            for *columns, attempts, due_at, error in self._readers.rows(SELECT_DUE, (self._batch_id, now, limit))
        ]

    def postpone(self, uuid: str, *, until: float, error: str) -> None:
        """Count an attempt that failed, durably; due again at `until`."""
        row = (until, storable(error), self._batch_id, uuid)

        def note(connection: sqlite3.Connection) -> None:
            connection.execute(UPDATE_QUEUED, row)

        self._writer.call(note)

    def indexed(self, uuid: str, dead: Sequence[DeadLetter]) -> None:
        """Note that all of its documents are there but for these, durably. Stale where it is not proven."""
        now = self._clock.now()
        letters = [(order(letter.path), letter.at or now, storable(letter.reason)) for letter in dead]

        def note(connection: sqlite3.Connection) -> Stale | None:
            found = locate(connection, self._batch_id, uuid)
            if found is None or not found.proven:
                return Stale(f"no archive {uuid} is proven")
            connection.execute(DELETE_QUEUED, (self._batch_id, found.id))
            connection.execute(DELETE_DEAD, (found.id,))
            insert_rows(connection, REPLACE_DEAD, [(self._batch_id, found.id, *letter) for letter in letters])
            return None

        self._writer.call(note)

    def dead_letters(self, *, limit: int) -> list[DeadLetter]:
        """Documents that the index refused for good, newest first."""
        return [
            DeadLetter(path=_path(path), reason=reason, archive_key=_path(key), bucket=bucket, at=at)
            for path, reason, key, bucket, at in self._readers.rows(SELECT_DEAD, (self._batch_id, limit))
        ]


def _path(column: bytes) -> RelPath:
    return RelPath(column.decode("utf-8", "surrogateescape"))
