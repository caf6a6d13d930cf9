"""Records as rows, and the questions asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncd.core.model import Digest, ETag, HashType, LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath, order
from syncd.store.columns import padded, wide
from syncd.store.connection import Readers, Row

PAGE = 1000
END = b"\xff"  # no UTF-8 begins with it: every path sorts before

COLUMNS = (
    "path, seq, local, remote, size, digest_type, digest, stat_size, stat_mtime_ns, stat_ctime_ns, stat_inode, "
    "looked_ns, etag, version_id, checksum, proof, origin, seen, seen_as, restored, kept"
)
SELECT_RECORD = f"SELECT {COLUMNS} FROM record WHERE set_id = ? AND path = ?"
SELECT_PAGE = f"SELECT {COLUMNS} FROM record WHERE set_id = ? AND path > ? AND path < ? ORDER BY path LIMIT {PAGE}"
SELECT_MARK = "SELECT count(*), coalesce(max(seq), 0) FROM record WHERE set_id = ? AND path > ? AND path < ?"
SELECT_INODE = (
    f"SELECT {COLUMNS} FROM record WHERE set_id = ? AND stat_inode = ? AND stat_size = ? AND stat_mtime_ns = ? "
    "ORDER BY seq DESC LIMIT 1"
)
SELECT_KNOWN_INODES = "SELECT DISTINCT stat_inode FROM record WHERE set_id = ? AND stat_inode IN ({})"
SELECT_HOLDING = f"SELECT {COLUMNS} FROM record WHERE set_id = ? AND digest IN ({{}}) ORDER BY path"
SELECT_NTH_NEWEST = (
    "SELECT stat_mtime_ns, path FROM record WHERE set_id = ? AND local = 'present' AND stat_mtime_ns IS NOT NULL "
    "ORDER BY stat_mtime_ns DESC, path DESC LIMIT 1 OFFSET ?"
)
SELECT_OLDEST = (
    "SELECT path FROM record WHERE set_id = ? AND local = 'present' AND remote = 'present' AND origin = 'uploaded' "
    "AND proof <> 'unproven' AND kept = 0 AND stat_mtime_ns IS NOT NULL "
    "ORDER BY looked_ns > ?, stat_mtime_ns, path LIMIT ?"
)
SELECT_CLEANING = "SELECT coalesce(sum(size), 0) FROM record WHERE set_id = ? AND local = 'cleaning'"
COUNT_RECORDS = "SELECT count(*) FROM record WHERE set_id = ?"
SELECT_LAST_SEQ = "SELECT last_seq FROM ledger WHERE id = 1"
REPLACE_RECORDS = f"REPLACE INTO record (set_id, {COLUMNS})"

_LOCAL = {state.value: state for state in LocalState}
_REMOTE = {state.value: state for state in RemoteState}
_HASH = {type.value: type for type in HashType}
_PROOF = {kind.value: kind for kind in ProofKind}
_ORIGIN = {origin.value: origin for origin in Origin}


def row_of(set_id: int, record: Record, seq: int) -> Row:
    """The row of a record under that commit number. ValueError where its digest is no hex."""
    stat, digest = record.stat, record.digest
    return (
        set_id,
        order(record.path),
        seq,
        record.local.value,
        record.remote.value,
        record.size,
        digest and digest.type.value,
        digest and bytes.fromhex(digest.hex),
        stat and stat.size,
        stat and wide(stat.mtime_ns),
        stat and wide(stat.ctime_ns),
        stat and wide(stat.inode),
        record.looked_ns,
        record.etag,
        record.version_id,
        record.checksum,
        record.proof.value,
        record.origin.value,
        record.seen,
        record.seen_as,
        int(record.restored),
        int(record.kept),
    )


def record_of(row: Row) -> Record:
    """The record of a row with the columns COLUMNS."""
    (path, seq, local, remote, size, digest_type, digest, stat_size, mtime_ns, ctime_ns, inode) = row[:11]
    (looked_ns, etag, version_id, checksum, proof, origin, seen, seen_as, restored, kept) = row[11:]
    return Record(
        path=RelPath(path.decode("utf-8", "surrogateescape")),
        local=_LOCAL[local],
        remote=_REMOTE[remote],
        size=size,
        digest=None if digest is None else Digest(_HASH[digest_type], digest.hex()),
        stat=None if stat_size is None else LocalStat(stat_size, int(mtime_ns), int(ctime_ns), int(inode)),
        looked_ns=looked_ns,
        etag=etag,
        version_id=version_id,
        checksum=checksum,
        proof=_PROOF[proof],
        origin=_ORIGIN[origin],
        seen=None if seen is None else ETag(seen),
        seen_as=seen_as,
        restored=restored == 1,
        kept=kept == 1,
        seq=seq,
    )


def _behind(path: str) -> bytes:
    """What sorts right behind it: no name holds a NUL."""
    return order(path) + b"\0"


class Records:
    """The records of one set, read on the caller's thread."""

    def __init__(self, readers: Readers, set_id: int) -> None:
        self._readers = readers
        self._set_id = set_id

    def get(self, path: RelPath) -> Record | None:
        """The record of one path."""
        row = self._readers.row(SELECT_RECORD, (self._set_id, order(path)))
        return None if row is None else record_of(row)

    def mark(self, after: str, until: str) -> tuple[int, int]:
        """How many rows there are behind `after`, up to `until` ("": to the end), and the newest of their numbers."""
        found = self._readers.row(SELECT_MARK, (self._set_id, order(after), _behind(until) if until else END))
        return (0, 0) if found is None else (int(found[0]), int(found[1]))

    def walk(
        self, under: RelPath | None = None, *, after: RelPath | None = None, until: RelPath | None = None
    ) -> Iterator[Record]:
        """Every record in byte order, or those below a folder, behind a path or up to one; pages of 1,000."""
        last, end = (b"", END) if under is None else (order(under) + b"/", order(under) + b"0")  # "0" follows "/"
        if after is not None:
            last = max(last, order(after))
        if until is not None:
            end = min(end, _behind(until))
        while True:
            page = self._readers.rows(SELECT_PAGE, (self._set_id, last, end))
            for row in page:
                yield record_of(row)
            if len(page) < PAGE:
                return
            last = page[-1][0]

    def by_inode(self, inode: int, size: int, mtime_ns: int) -> Record | None:
        """The record (of several the newest) whose local side was that file."""
        row = self._readers.row(SELECT_INODE, (self._set_id, wide(inode), size, wide(mtime_ns)))
        return None if row is None else record_of(row)

    def known_inodes(self, inodes: Sequence[int]) -> frozenset[int]:
        """Those that are the local side of some record."""
        marks = ",".join("?" * len(inodes))
        rows = self._readers.rows(SELECT_KNOWN_INODES.format(marks), (self._set_id, *map(wide, inodes)))
        return frozenset(int(row[0]) for row in rows)

    def holding(self, digests: Sequence[Digest]) -> Iterator[Record]:
        """The records of these contents. No index helps: it reads the whole set once for each 128 of them."""
        known = set(digests)
        for chunk in padded([bytes.fromhex(digest.hex) for digest in digests]):
            sql = SELECT_HOLDING.format(",".join("?" * len(chunk)))
            for row in self._readers.rows(sql, (self._set_id, *chunk)):
                record = record_of(row)
                if record.digest in known:
                    yield record

    def nth_newest(self, place: int) -> tuple[int, RelPath] | None:
        """(mtime in ns, path) of the file that is so manieth from the newest, from 1; None: there are fewer."""
        row = self._readers.row(SELECT_NTH_NEWEST, (self._set_id, place - 1))
        return None if row is None else (int(row[0]), RelPath(row[1].decode("utf-8", "surrogateescape")))

    def oldest_cleanable(self, most: int, *, due_ns: int) -> Iterator[RelPath]:
        """Paths that may be cleaned: those looked at until `due_ns`, then the others, each oldest first."""
        for (path,) in self._readers.rows(SELECT_OLDEST, (self._set_id, due_ns, most)):
            yield RelPath(path.decode("utf-8", "surrogateescape"))

    def cleaning_bytes(self) -> int:
        """What files on their way out will free."""
        row = self._readers.row(SELECT_CLEANING, (self._set_id,))
        return 0 if row is None else int(row[0])

    def count(self) -> int:
        """How many rows the set has."""
        row = self._readers.row(COUNT_RECORDS, (self._set_id,))
        return 0 if row is None else int(row[0])

    def seq(self) -> int:
        """The number of the last commit that is durable."""
        row = self._readers.row(SELECT_LAST_SEQ)
        return 0 if row is None else int(row[0])
