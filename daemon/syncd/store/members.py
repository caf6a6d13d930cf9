"""Members of archives as rows: what lies in which archive, and how far each original is."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from syncd.core.archive import Member, MemberState, Original
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath, order
from syncd.store.columns import insert_rows, padded, placeholders, wide
from syncd.store.connection import Readers, Row
from syncd.store.records import PAGE

COLUMNS = (
    "member.path, member.offset, member.size, member.sha256, member.mtime_ns, member.mode, member.uid, member.gid, "
    "member.void"
)
STAT = "member.stat_size, member.stat_mtime_ns, member.stat_ctime_ns, member.stat_inode"
INSERT_MEMBERS = (
    "INSERT INTO member (archive_id, folder_id, place, path, offset, size, sha256, mtime_ns, mode, uid, gid, void, "
    "stat_size, stat_mtime_ns, stat_ctime_ns, stat_inode)"
)
UPDATE_FATES = "UPDATE member SET fate = ? WHERE folder_id = ? AND archive_id = ? AND path IN "
KEEP_VOID = "UPDATE member SET fate = 'kept' WHERE archive_id = ? AND void = 1"
DELETE_MEMBERS = (
    "DELETE FROM member WHERE archive_id = ? AND place IN "
    "(SELECT place FROM member WHERE archive_id = ? ORDER BY place LIMIT ?) "
    "AND EXISTS (SELECT 1 FROM archive WHERE id = ? AND state IN ('sealing', 'dropped'))"
)
# CROSS: in the order of an index, never by sorting
SELECT_ORIGINALS = (
    f"SELECT {COLUMNS}, {STAT}, coalesce(member.fate, archive.state), member.place "
    "FROM archive CROSS JOIN bucket_folder ON bucket_folder.id = archive.folder_id "
    "CROSS JOIN member ON member.archive_id = archive.id "
    "WHERE bucket_folder.batch_id = ? AND archive.uuid = ? AND member.place > ? "
    "AND coalesce(member.fate, archive.state) IN (?, ?, ?, ?) "
    f"ORDER BY member.place LIMIT {PAGE}"
)
SELECT_BUSY = (
    f"SELECT member.path, {STAT}, member.archive_id, member.place "
    "FROM member CROSS JOIN archive ON archive.id = member.archive_id "
    "WHERE member.folder_id = (SELECT id FROM bucket_folder WHERE batch_id = ? AND bucket = ?) "
    "AND member.fate IS NULL AND (member.archive_id, member.place) > (?, ?) "
    "AND archive.state IN ('sealed', 'unlinking') "
    f"ORDER BY member.archive_id, member.place LIMIT {PAGE}"
)

_STATE = {state.value: state for state in MemberState}


def member_row(place: int, original: Original) -> Row:
    """The columns of INSERT_MEMBERS from `place` on. ValueError where the sum is no hex."""
    member, stat = original.member, original.stat
    return (
        place,
        order(member.path),
        member.offset,
        member.size,
        bytes.fromhex(member.sha256),
        wide(member.mtime_ns),
        member.mode,
        member.uid,
        member.gid,
        int(member.void),
        *stat_row(stat),
    )


def stat_row(stat: LocalStat) -> Row:
    """The columns STAT."""
    return (stat.size, wide(stat.mtime_ns), wide(stat.ctime_ns), wide(stat.inode))


def member_of(row: Row) -> Member:
    """The member of a row with the columns COLUMNS."""
    path, offset, size, sha256, mtime_ns, mode, uid, gid, void = row
    return Member(
        path=_path(path),
        offset=offset,
        size=size,
        sha256=sha256.hex(),
        mtime_ns=int(mtime_ns),
        mode=mode,
        uid=uid,
        gid=gid,
        void=void == 1,
    )


def insert_members(connection: sqlite3.Connection, archive_id: int, folder_id: int, rows: Sequence[Row]) -> None:
    """Write rows of `member_row` inside the open transaction."""
    insert_rows(connection, INSERT_MEMBERS, [(archive_id, folder_id, *row) for row in rows])


def update_fates(
    connection: sqlite3.Connection, archive_id: int, folder_id: int, fate: str, paths: Sequence[bytes]
) -> None:
    """Note one fate for those members, inside the open transaction. ValueError where one is no member."""
    met = 0
    for chunk in padded(paths):
        sql = UPDATE_FATES + placeholders(len(chunk))
        met += connection.execute(sql, [fate, folder_id, archive_id, *chunk]).rowcount
    if met != len(paths):
        raise ValueError(f"{len(paths) - met} of {len(paths)} paths are no members of that archive")


def delete_members(connection: sqlite3.Connection, archive_id: int, count: int) -> int:
    """Delete up to so many members of an archive that nobody sees any more. Returns how many went."""
    return connection.execute(DELETE_MEMBERS, (archive_id, archive_id, count, archive_id)).rowcount


def read_originals(readers: Readers, batch_id: int, uuid: str, states: frozenset[MemberState]) -> Iterator[Original]:
    """Members of an archive by their place, those of these states; pages of 1,000, each read by itself."""
    if not states:
        return
    wanted = [state.value for state in states]
    wanted += wanted[-1:] * (len(MemberState) - len(wanted))
    last = -1
    while True:
        page = readers.rows(SELECT_ORIGINALS, (batch_id, uuid, last, *wanted))
        for row in page:
            yield Original(member=member_of(row[:9]), stat=_stat(row[9:13]), state=_STATE[row[13]])
        if len(page) < PAGE:
            return
        last = page[-1][-1]


def read_busy(readers: Readers, batch_id: int, bucket: str) -> Mapping[RelPath, LocalStat]:
    """The originals of a bucket whose fate is open, read in pages of 1,000."""
    busy: dict[RelPath, LocalStat] = {}
    archive_id, place = 0, 0
    while True:
        page = readers.rows(SELECT_BUSY, (batch_id, bucket, archive_id, place))
        busy.update((_path(row[0]), _stat(row[1:5])) for row in page)
        if len(page) < PAGE:
            return busy
        archive_id, place = page[-1][5:]


def _path(column: bytes) -> RelPath:
    return RelPath(column.decode("utf-8", "surrogateescape"))


def _stat(row: Row) -> LocalStat:
    size, mtime_ns, ctime_ns, inode = row
    return LocalStat(size, int(mtime_ns), int(ctime_ns), int(inode))
