"""The journal of uploads in parts: ours alone are aborted after a crash."""

from __future__ import annotations

import sqlite3

from syncd.ports import Clock
from syncd.store.connection import Readers
from syncd.store.writer import Writer

REPLACE_UPLOAD = "REPLACE INTO upload (pair_id, endpoint, bucket, upload_id, key, begun_at) VALUES (?, ?, ?, ?, ?, ?)"
DELETE_UPLOAD = "DELETE FROM upload WHERE pair_id = ? AND endpoint = ? AND bucket = ? AND upload_id = ?"
SELECT_UPLOADS = (
    "SELECT key, upload_id FROM upload WHERE pair_id = ? AND endpoint = ? AND bucket = ? ORDER BY begun_at, upload_id"
)


class Uploads:
    """Open uploads of one pair in one bucket: another root or prefix keeps them, another bucket hides them."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock, where: tuple[int, str, str]) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._where = where  # pair id, endpoint, bucket

    def add(self, key: str, upload_id: str) -> None:
        """Remember an upload, durably on return."""
        row = (*self._where, upload_id, key, self._clock.now())

        def remember(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_UPLOAD, row)

        self._writer.call(remember)

    def forget(self, upload_id: str) -> None:
        """Drop an upload that was completed or aborted; one that is not known is no error."""

        def drop(connection: sqlite3.Connection) -> None:
            connection.execute(DELETE_UPLOAD, (*self._where, upload_id))

        self._writer.call(drop)

    def all(self) -> list[tuple[str, str]]:
        """(key, upload id) of each, oldest first."""
        return [(key, upload_id) for key, upload_id in self._readers.rows(SELECT_UPLOADS, self._where)]
