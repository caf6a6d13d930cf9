"""The journal of uploads in parts: ours alone go on, or are aborted, after a crash."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from typing import Any

from syncd.core.model import Digest, ETag, HashType, LocalStat
from syncd.ports import Clock, LeftUpload, Part, SentPart, UploadSource
from syncd.store.columns import wide
from syncd.store.connection import Readers
from syncd.store.writer import Writer

HERE = "pair_id = ? AND endpoint = ? AND bucket = ?"
REPLACE_UPLOAD = "REPLACE INTO upload (pair_id, endpoint, bucket, upload_id, key, begun_at) VALUES (?, ?, ?, ?, ?, ?)"
DELETE_UPLOAD = f"DELETE FROM upload WHERE {HERE} AND upload_id = ?"
SELECT_UPLOADS = f"SELECT key, upload_id FROM upload WHERE {HERE} ORDER BY begun_at, upload_id"
REPLACE_SOURCE = (
    "REPLACE INTO upload_source (pair_id, endpoint, bucket, upload_id, path, operation, part_size, digest, terms, "
    "stat_size, stat_mtime_ns, stat_ctime_ns, stat_inode, expected, waiting) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
)
DELETE_SOURCE = f"DELETE FROM upload_source WHERE {HERE} AND upload_id = ?"
LEAVE_ALL = f"UPDATE upload_source SET waiting = 1 WHERE {HERE}"
LEAVE_ONE = f"{LEAVE_ALL} AND upload_id = ?"
TAKE = f"UPDATE upload_source SET waiting = 0 WHERE {HERE} AND upload_id = ? AND waiting = 1"
SELECT_LEFT = (
    "SELECT key, upload_id, begun_at, path, operation, part_size, digest, terms, "
    "stat_size, stat_mtime_ns, stat_ctime_ns, stat_inode, expected "
    "FROM upload_source JOIN upload USING (pair_id, endpoint, bucket, upload_id) "
    f"WHERE {HERE} AND waiting = 1 ORDER BY begun_at, upload_id"
)
REPLACE_PART = (
    "REPLACE INTO upload_part (pair_id, endpoint, bucket, upload_id, number, etag, checksum, crc64nvme) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
DELETE_PARTS = f"DELETE FROM upload_part WHERE {HERE} AND upload_id = ?"
SELECT_PARTS = (
    f"SELECT upload_id, number, etag, checksum, crc64nvme FROM upload_part WHERE {HERE} ORDER BY upload_id, number"
)


class Uploads:
    """Open uploads of one pair in one bucket: another root or prefix keeps them, another bucket hides them."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock, where: tuple[int, str, str]) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._where = where  # pair id, endpoint, bucket

    def add(self, key: str, upload_id: str, source: UploadSource | None) -> None:
        """Remember an upload that is begun, durably on return. `source`: what it needs to go on later."""
        row = (*self._where, upload_id, key, self._clock.now())

        def remember(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_UPLOAD, row)
            if source is not None:
                connection.execute(REPLACE_SOURCE, (*self._where, upload_id, *_columns(source)))

        self._writer.call(remember)

    def forget(self, upload_id: str) -> None:
        """Drop an upload that was completed or aborted; one that is not known is no error."""

        def drop(connection: sqlite3.Connection) -> None:
            for delete in (DELETE_PARTS, DELETE_SOURCE, DELETE_UPLOAD):
                connection.execute(delete, (*self._where, upload_id))

        self._writer.call(drop)

    def all(self) -> list[tuple[str, str]]:
        """(key, upload id) of each, oldest first."""
        return [(key, upload_id) for key, upload_id in self._readers.rows(SELECT_UPLOADS, self._where)]

    def note(self, upload_id: str, sent: SentPart) -> None:
        """Remember a part that was taken, durably on return."""
        part = sent.part
        row = (*self._where, upload_id, part.number, part.etag, part.checksum, sent.crc64nvme.to_bytes(8, "big"))

        def remember(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_PART, row)

        self._writer.call(remember)

    def leave(self, upload_id: str | None = None) -> None:
        """Nobody is at it any more, or at any of them."""
        statement, named = (LEAVE_ALL, ()) if upload_id is None else (LEAVE_ONE, (upload_id,))

        def mark(connection: sqlite3.Connection) -> None:
            connection.execute(statement, (*self._where, *named))

        self._writer.call(mark)

    def take(self, upload_id: str) -> bool:
        """Be the one that is at it, durably on return; False where it was taken or dropped meanwhile."""

        def mark(connection: sqlite3.Connection) -> bool:
            return connection.execute(TAKE, (*self._where, upload_id)).rowcount == 1

        return self._writer.call(mark)

    def left(self) -> list[LeftUpload]:
        """Those that nobody is at, with the parts that were taken, oldest first."""
        rows = list(self._readers.rows(SELECT_LEFT, self._where))
        if not rows:
            return []
        parts: defaultdict[str, list[SentPart]] = defaultdict(list)
        for upload_id, number, etag, checksum, crc in self._readers.rows(SELECT_PARTS, self._where):
            parts[upload_id].append(SentPart(Part(number, ETag(etag), checksum), int.from_bytes(crc, "big")))
        return [
            LeftUpload(key=key, upload_id=id, begun_at=at, source=_source(source), parts=tuple(parts[id]))
            for key, id, at, *source in rows
        ]


def _columns(source: UploadSource) -> tuple[Any, ...]:
    stat = source.stat
    times = (stat.size, wide(stat.mtime_ns), wide(stat.ctime_ns), wide(stat.inode))
    digest = f"{source.digest.type.value}:{source.digest.hex}"
    return (source.path, source.operation, source.part_size, digest, source.terms, *times, source.expected)


def _source(row: list[Any]) -> UploadSource:
    path, operation, part_size, digest, terms, size, mtime_ns, ctime_ns, inode, expected = row
    type, _, text = digest.partition(":")
    return UploadSource(
        path=path,
        stat=LocalStat(size, int(mtime_ns), int(ctime_ns), int(inode)),
        digest=Digest(HashType(type), text),
        operation=operation,
        part_size=part_size,
        terms=terms,
        expected=expected,
    )
