"""What reading a file once told us, by the exact version of the file that was read."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import Future

from syncd.core.model import LocalStat
from syncd.ports import Clock, Hashes
from syncd.store.columns import insert_rows, wide
from syncd.store.connection import Readers, Row
from syncd.store.writer import Writer

PATIENCE_S = 1.0  # a hash that is lost is computed again
USED_STEP_S = 86_400  # how stale the time of the last use may become before it is written again
SLICE = 5_000

KEY = "pair_id, inode, size, mtime_ns, ctime_ns"
SELECT_HASHES = (
    "SELECT sha256, md5, crc64nvme, used_at FROM hash_cache "
    "WHERE pair_id = ? AND inode = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ?"
)
INSERT_HASHES = f"INSERT INTO hash_cache ({KEY}, sha256, md5, crc64nvme, used_at)"
MERGE = (
    f"ON CONFLICT ({KEY}) DO UPDATE SET sha256 = coalesce(excluded.sha256, sha256), "
    "md5 = coalesce(excluded.md5, md5), crc64nvme = coalesce(excluded.crc64nvme, crc64nvme), "
    "used_at = max(excluded.used_at, used_at)"
)
COUNT_HASHES = "SELECT count(*) FROM hash_cache WHERE pair_id = ?"
DELETE_LEAST_USED = (
    f"DELETE FROM hash_cache WHERE ({KEY}) IN (SELECT {KEY} FROM hash_cache WHERE pair_id = ? ORDER BY used_at LIMIT ?)"
)


def merged(old: Hashes, new: Hashes) -> Hashes:
    """Both together; where both know a hash, the newer."""
    return Hashes(
        sha256=old.sha256 if new.sha256 is None else new.sha256,
        md5=old.md5 if new.md5 is None else new.md5,
        crc64nvme=old.crc64nvme if new.crc64nvme is None else new.crc64nvme,
    )


class HashCache:
    """The hashes of one pair's files. What is not written yet is remembered and found all the same."""

    def __init__(self, readers: Readers, writer: Writer, clock: Clock, pair_id: int) -> None:
        self._readers = readers
        self._writer = writer
        self._clock = clock
        self._pair_id = pair_id
        self._lock = threading.Lock()
        self._waiting: dict[LocalStat, Hashes] = {}
        self._in_writing: dict[LocalStat, Hashes] = {}

    def get(self, stat: LocalStat) -> Hashes | None:
        """What is known of exactly that version of a file."""
        # memory before the table: what leaves memory in between is in the table by then
        with self._lock:
            fresh = [known[stat] for known in (self._in_writing, self._waiting) if stat in known]
        row = self._readers.row(SELECT_HASHES, self._key(stat))
        found = None if row is None else self._used(stat, row)
        for hashes in fresh:
            found = hashes if found is None else merged(found, hashes)
        return found

    def put(self, stat: LocalStat, hashes: Hashes) -> None:
        """Remember, merged with what is known; written with the next commits or after a second."""
        with self._lock:
            first = not self._waiting
            old = self._waiting.get(stat)
            self._waiting[stat] = hashes if old is None else merged(old, hashes)
        if first:
            self._writer.later(self._write, patience_s=PATIENCE_S).add_done_callback(self._written)

    def prune(self, keep: int) -> int:
        """Drop all but about the `keep` entries that were used last. Returns how many went."""
        row = self._readers.row(COUNT_HASHES, (self._pair_id,))
        surplus = dropped = max(0, (0 if row is None else row[0]) - keep)
        while surplus > 0:
            count = min(surplus, SLICE)

            def drop(connection: sqlite3.Connection, count: int = count) -> None:
                connection.execute(DELETE_LEAST_USED, (self._pair_id, count))

            self._writer.call(drop)
            surplus -= count
        return dropped

    def _key(self, stat: LocalStat) -> Row:
        return (self._pair_id, wide(stat.inode), stat.size, wide(stat.mtime_ns), wide(stat.ctime_ns))

    def _used(self, stat: LocalStat, row: Row) -> Hashes:
        sha256, md5, crc64nvme, used_at = row
        hashes = Hashes(
            sha256=sha256, md5=md5, crc64nvme=None if crc64nvme is None else int.from_bytes(crc64nvme, "big")
        )
        if self._clock.now() - used_at > USED_STEP_S:
            self.put(stat, hashes)
        return hashes

    def _write(self, connection: sqlite3.Connection) -> None:
        with self._lock:  # added to, because the writer may have to write a group twice
            for stat, hashes in self._waiting.items():
                self._in_writing[stat] = merged(self._in_writing.get(stat, Hashes()), hashes)
            self._waiting = {}
            taken = list(self._in_writing.items())
        now = int(self._clock.now())
        insert_rows(connection, INSERT_HASHES, [self._row(stat, hashes, now) for stat, hashes in taken], MERGE)

    def _row(self, stat: LocalStat, hashes: Hashes, now: int) -> Row:
        crc = None if hashes.crc64nvme is None else hashes.crc64nvme.to_bytes(8, "big")
        return (*self._key(stat), hashes.sha256, hashes.md5, crc, now)

    def _written(self, _: Future[None]) -> None:
        with self._lock:
            self._in_writing = {}
