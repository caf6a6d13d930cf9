"""What was archived, by patterns: proven members and archives, read in short stretches of an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from syncd.core.archive import Archive, Found
from syncd.core.model import ETag
from syncd.core.paths import RelPath, order
from syncd.store.archive_rows import COLUMNS as ARCHIVE_COLUMNS
from syncd.store.archive_rows import archive_of
from syncd.store.connection import Readers, Row
from syncd.store.members import COLUMNS as MEMBER_COLUMNS
from syncd.store.members import member_of
from syncd.store.records import END, PAGE

LONGEST = 4096  # bytes of a pattern; no name has more than 1,088, and SQLite refuses 50,000 as too complex
SPECIAL = re.compile(r"[*?\[]")
HIGHEST_ID = 2**63 - 1

SELECT_FOLDERS = "SELECT id, bucket FROM bucket_folder WHERE batch_id = ?"
# rows in the order of the index after (path, archive) up to and with (path, archive)
STRETCH = (
    "member.folder_id = ? AND member.path >= ? AND member.path <= ? "
    "AND (member.path > ? OR member.archive_id < ?) AND (member.path < ? OR member.archive_id >= ?)"
)
SELECT_STRETCH_END = (
    f"SELECT member.path, member.archive_id FROM member WHERE {STRETCH} "
    f"ORDER BY member.path, member.archive_id DESC LIMIT 1 OFFSET {PAGE - 1}"
)
_PATH = "CAST(member.path AS TEXT)"  # GLOB matches no BLOB
_BASE = f"substr({_PATH}, length(rtrim({_PATH}, replace({_PATH}, '/', ''))) + 1)"
WHOLE_NAME = f"(? || {_PATH} GLOB ? OR ? || {_PATH} GLOB ?)"
BASE_NAME = f"({_PATH} GLOB '*' || ? OR {_PATH} GLOB '*' || ?) AND ({_BASE} GLOB ? OR {_BASE} GLOB ?)"
SELECT_FOUND = (
    f"SELECT archive.key, archive.created_at, archive.etag, {MEMBER_COLUMNS} "
    "FROM member CROSS JOIN archive ON archive.id = member.archive_id "
    f"WHERE {STRETCH} AND {{name}} AND member.void = 0 AND archive.state IN ('unlinking', 'done') "
    "ORDER BY member.path, member.archive_id DESC"
)
SELECT_LAST_ARCHIVE = "SELECT coalesce(max(id), 0) FROM archive"
SELECT_PROVEN = (
    f"SELECT {ARCHIVE_COLUMNS} FROM archive CROSS JOIN bucket_folder ON bucket_folder.id = archive.folder_id "
    "WHERE archive.id > ? AND archive.id <= ? AND bucket_folder.batch_id = ? "
    "AND archive.state IN ('unlinking', 'done') "
    "AND substr(bucket_folder.bucket || '/' || CAST(archive.key AS TEXT), 1, length(?)) = ? "
    "ORDER BY archive.id DESC"
)


class ArchiveSearch:
    """The proven archives and members of one batch."""

    def __init__(self, readers: Readers, batch_id: int) -> None:
        self._readers = readers
        self._batch_id = batch_id

    def find(self, pattern: str, *, limit: int) -> Iterator[Found]:
        """Members whose `bucket/path` matches, by the bytes of that name, newest archive first.

        A name that is exactly the pattern matches too, so that one with a `[` in it needs no escaping.
        """
        if not _can_match(pattern):
            return iter(())
        literally = pattern.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")
        search = self._by_whole_name if "/" in pattern else self._by_base_name
        return islice(search(pattern, literally), limit)

    def archives(self, prefix: str, *, limit: int) -> Iterator[Archive]:
        """Archives whose `bucket/key` begins so, newest first."""
        return islice(self._archives(prefix), limit) if _can_match(prefix) else iter(())

    def _by_whole_name(self, pattern: str, literally: str) -> Iterator[Found]:
        beginning = SPECIAL.split(pattern, maxsplit=1)[0]
        for folder_id, bucket in self._folders():
            above = f"{bucket}/"
            if beginning.startswith(above):
                start = order(beginning[len(above) :])
            elif above.startswith(beginning):
                start = b""
            else:
                continue
            asked = (above, pattern, above, literally)
            yield from self._found(bucket, folder_id, start, SELECT_FOUND.format(name=WHOLE_NAME), asked)

    def _by_base_name(self, pattern: str, literally: str) -> Iterator[Found]:
        asked = (pattern, literally, pattern, literally)
        for folder_id, bucket in self._folders():
            yield from self._found(bucket, folder_id, b"", SELECT_FOUND.format(name=BASE_NAME), asked)

    def _folders(self) -> list[Row]:
        """In the order of the names `bucket/path`: `a-b/` before `a/`."""
        return sorted(self._readers.rows(SELECT_FOLDERS, (self._batch_id,)), key=lambda row: order(f"{row[1]}/"))

    def _found(self, bucket: str, folder_id: int, start: bytes, sql: str, asked: Row) -> Iterator[Found]:
        for stretch in self._stretches(folder_id, start):
            for key, archived_at, etag, *member in self._readers.rows(sql, (*stretch, *asked)):
                yield Found(
                    bucket=bucket,
                    archive_key=RelPath(key.decode("utf-8", "surrogateescape")),
                    member=member_of(tuple(member)),
                    archived_at=archived_at,
                    etag=None if etag is None else ETag(etag),
                )

    def _stretches(self, folder_id: int, start: bytes) -> Iterator[Row]:
        """Parameters of STRETCH for every 1,000 members of a folder whose path begins so."""
        path, archive_id, end = start, HIGHEST_ID, start + END
        while True:
            last = self._readers.row(SELECT_STRETCH_END, (folder_id, path, end, path, archive_id, end, 0))
            to_path, to_archive = last or (end, 0)
            yield (folder_id, path, to_path, path, archive_id, to_path, to_archive)
            if last is None:
                return
            path, archive_id = last

    def _archives(self, prefix: str) -> Iterator[Archive]:
        row = self._readers.row(SELECT_LAST_ARCHIVE)
        top = 0 if row is None else int(row[0])
        for last in range(top, 0, -PAGE):
            for found in self._readers.rows(SELECT_PROVEN, (last - PAGE, last, self._batch_id, prefix, prefix)):
                yield archive_of(found)


def _can_match(pattern: str) -> bool:
    """Whether any name can match: all are UTF-8 without NUL, which would end the pattern for SQLite."""
    try:
        return len(pattern.encode()) <= LONGEST and "\0" not in pattern
    except UnicodeEncodeError:
        return False
