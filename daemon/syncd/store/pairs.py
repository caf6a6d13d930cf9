"""The records and all else of one pair, as the engine asks for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import astuple, dataclass

from syncd.core.model import Digest, LocalStat, Record
from syncd.core.paths import RelPath
from syncd.ports import Clock, Commit, Hashes, LeftUpload, SentPart, UploadSource
from syncd.store.connection import Readers
from syncd.store.hashes import HashCache
from syncd.store.history import History
from syncd.store.outcomes import Outcome, write_groups, write_outcomes
from syncd.store.plans import Plans
from syncd.store.records import Records
from syncd.store.uploads import Uploads
from syncd.store.writer import Writer

SELECT_PAIR = "SELECT id FROM pair WHERE name = ?"
INSERT_PAIR = "INSERT INTO pair (name) VALUES (?) RETURNING id"
SELECT_SET = "SELECT id, root_uuid, endpoint, bucket, prefix FROM record_set WHERE pair_id = ?"
SELECT_IDENTITY = (
    "SELECT root_uuid, endpoint, bucket, prefix FROM record_set JOIN pair ON pair.id = pair_id WHERE name = ?"
)
INSERT_SET = "INSERT INTO record_set (pair_id, root_uuid, endpoint, bucket, prefix) VALUES (?, ?, ?, ?, ?) RETURNING id"
DELETE_SET = "DELETE FROM record_set WHERE id = ?"
DELETE_RECORDS = "DELETE FROM record WHERE set_id = ?"
DELETE_PLANS = "DELETE FROM plan WHERE set_id = ?"
DELETE_AUDIT = "DELETE FROM audit WHERE set_id = ?"
DELETE_AUDIT_FINDINGS = "DELETE FROM audit_finding WHERE set_id = ?"
SELECT_GENERATION = "SELECT generation FROM record_set WHERE id = ?"
UPDATE_GENERATION = "UPDATE record_set SET generation = ? WHERE id = ?"
SELECT_RENUMBERED = "SELECT passes FROM renumbering WHERE set_id = ?"
REPLACE_RENUMBERED = "REPLACE INTO renumbering (set_id, passes) VALUES (?, ?)"
DELETE_RENUMBERED = "DELETE FROM renumbering WHERE set_id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSetIdentity:
    """What the records are about. Any change of it starts an empty set, which is union."""

    root_uuid: str
    endpoint: str
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairIds:
    """A pair's id, and its record set's."""

    pair_id: int
    set_id: int


def find_ids(connection: sqlite3.Connection, name: str, identity: RecordSetIdentity) -> PairIds:
    """The ids of a pair with that identity, inside the open transaction; a set of another identity is dropped."""
    row = connection.execute(SELECT_PAIR, (name,)).fetchone()
    (pair_id,) = connection.execute(INSERT_PAIR, (name,)).fetchone() if row is None else row
    found = connection.execute(SELECT_SET, (pair_id,)).fetchone()
    if found is not None and found[1:] == astuple(identity):
        return PairIds(pair_id=pair_id, set_id=found[0])
    if found is not None:
        for sql in (
            *(DELETE_RECORDS, DELETE_PLANS, DELETE_RENUMBERED, DELETE_AUDIT, DELETE_AUDIT_FINDINGS),
            DELETE_SET,
        ):
            connection.execute(sql, found[:1])
    (set_id,) = connection.execute(INSERT_SET, (pair_id, *astuple(identity))).fetchone()
    return PairIds(pair_id=pair_id, set_id=set_id)


def known_identity(connection: sqlite3.Connection, name: str) -> RecordSetIdentity | None:
    """The identity of a pair's record set as it stands."""
    row = connection.execute(SELECT_IDENTITY, (name,)).fetchone()
    if row is None:
        return None
    root_uuid, endpoint, bucket, prefix = row
    return RecordSetIdentity(root_uuid=root_uuid, endpoint=endpoint, bucket=bucket, prefix=prefix)


class PairStore:
    """A RecordStore (ports) in SQLite. FatalError from every method where the database fails or is closed.

    A commit to a set that was replaced by one of another identity is Stale. Hashes outlive the set.
    """

    def __init__(
        self, readers: Readers, writer: Writer, clock: Clock, identity: RecordSetIdentity, ids: PairIds
    ) -> None:
        self._readers = readers
        self._writer = writer
        self._ids = ids
        self._records = Records(readers, ids.set_id)
        self._hashes = HashCache(readers, writer, clock, ids.pair_id)
        self._plans = Plans(readers, writer, ids.set_id)
        self._uploads = Uploads(readers, writer, clock, (ids.pair_id, identity.endpoint, identity.bucket))
        self._history = History(readers, writer)

    def commit(self, change: Commit) -> Future[Record | None]:
        """Queue one outcome. The future gives the stored record, with its seq, when it is durable; or raises Stale."""
        return self._writer.submit(write_outcomes, Outcome(self._ids.pair_id, self._ids.set_id, change))

    def commit_all(self, changes: Sequence[Commit]) -> Future[Sequence[object]]:
        """Queue several outcomes as one job. The future gives for each the stored record, None, or what refused it."""
        return self._writer.submit(
            write_groups, [Outcome(self._ids.pair_id, self._ids.set_id, change) for change in changes]
        )

    def known_inodes(self, inodes: Sequence[int]) -> frozenset[int]:
        """Those that are the local side of some record."""
        return self._records.known_inodes(inodes)

    def get(self, path: RelPath) -> Record | None:
        """The record of one path, as last committed."""
        return self._records.get(path)

    def mark(self, after: str, until: str) -> tuple[int, int]:
        """How many rows there are behind `after`, up to `until` ("": to the end), and the newest of their numbers."""
        return self._records.mark(after, until)

    def walk(
        self, under: RelPath | None = None, *, after: RelPath | None = None, until: RelPath | None = None
    ) -> Iterator[Record]:
        """Every record, or those below a folder, behind a path or up to one, in byte order.

        What changes meanwhile may be seen or not.
        """
        return self._records.walk(under, after=after, until=until)

    def count(self) -> int:
        """How many records there are."""
        return self._records.count()

    def seq(self) -> int:
        """The number of the last commit that is durable."""
        return self._records.seq()

    def by_inode(self, inode: int, size: int, mtime_ns: int) -> Record | None:
        """The record (of several the newest) whose local side was that file."""
        return self._records.by_inode(inode, size, mtime_ns)

    def holding(self, digests: Sequence[Digest]) -> Iterator[Record]:
        """The records of these contents."""
        return self._records.holding(digests)

    def nth_newest(self, place: int) -> tuple[int, RelPath] | None:
        """(mtime in ns, path) of the file here that is so manieth from the newest, from 1; None: there are fewer."""
        return self._records.nth_newest(place)

    def oldest_cleanable(self, most: int, *, due_ns: int) -> Iterator[RelPath]:
        """Paths that may be cleaned: those looked at until `due_ns`, then the others, each oldest first."""
        return self._records.oldest_cleanable(most, due_ns=due_ns)

    def cleaning_bytes(self) -> int:
        """What files on their way out will free."""
        return self._records.cleaning_bytes()

    def drop_all(self) -> None:
        """Forget every record of this set, those queued before included; hashes, plans and generation stay."""

        def drop(connection: sqlite3.Connection) -> None:
            connection.execute(DELETE_RECORDS, (self._ids.set_id,))

        self._writer.call(drop)

    def cached_hashes(self, stat: LocalStat) -> Hashes | None:
        """What is known of exactly that version of a file."""
        return self._hashes.get(stat)

    def cache_hashes(self, stat: LocalStat, hashes: Hashes) -> None:
        """Remember, merged with what is known; found at once, durable with a later commit."""
        self._hashes.put(stat, hashes)

    def prune_hashes(self, keep: int) -> int:
        """Drop all but about the `keep` entries that were used last. Returns how many went."""
        return self._hashes.prune(keep)

    def generation(self) -> int:
        """The generation of this set; 0 before any was set."""
        row = self._readers.row(SELECT_GENERATION, (self._ids.set_id,))
        return 0 if row is None else int(row[0])

    def set_generation(self, generation: int) -> None:
        """Note the generation, durable on return."""

        def note(connection: sqlite3.Connection) -> None:
            connection.execute(UPDATE_GENERATION, (generation, self._ids.set_id))

        self._writer.call(note)

    def renumbered_passes(self) -> int:
        """How many passes in a row found every file under a new inode number."""
        row = self._readers.row(SELECT_RENUMBERED, (self._ids.set_id,))
        return 0 if row is None else int(row[0])

    def set_renumbered_passes(self, passes: int) -> None:
        """Note that number, durable on return."""

        def note(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_RENUMBERED, (self._ids.set_id, passes))

        self._writer.call(note)

    def halted_plan(self) -> tuple[str, list[str]] | None:
        """The id of the plan that a guard halted, and the fingerprints of its rows; None once it is accepted."""
        return self._plans.halted()

    def set_halted_plan(self, plan_id: str, fingerprints: Sequence[str]) -> None:
        """Remember the halted plan in place of an earlier one, durably."""
        self._plans.halt(plan_id, fingerprints)

    def accepted_plan(self) -> frozenset[str]:
        """Fingerprints that a person accepted, until `clear_plans`."""
        return self._plans.accepted()

    def accept_plan(self, plan_id: str) -> bool:
        """Accept exactly the halted plan of that id; True also where it is accepted already."""
        return self._plans.accept(plan_id)

    def clear_plans(self) -> None:
        """Forget the halted and the accepted plan."""
        self._plans.clear()

    def journal_upload(self, key: str, upload_id: str, source: UploadSource | None = None) -> None:
        """Remember an upload in parts, and what it needs to go on later, durable on return."""
        self._uploads.add(key, upload_id, source)

    def forget_upload(self, upload_id: str) -> None:
        """Drop an upload that was completed or aborted."""
        self._uploads.forget(upload_id)

    def open_uploads(self) -> list[tuple[str, str]]:
        """(key, upload id) of every upload of this pair in this bucket, oldest first."""
        return self._uploads.all()

    def note_part(self, upload_id: str, sent: SentPart) -> None:
        """Remember a part that the store has taken, durable on return."""
        self._uploads.note(upload_id, sent)

    def leave_upload(self, upload_id: str | None = None) -> None:
        """Nobody is at that upload any more, or at any; durable on return."""
        self._uploads.leave(upload_id)

    def left_uploads(self) -> list[LeftUpload]:
        """Those that nobody is at and that can go on, oldest first."""
        return self._uploads.left()

    def take_upload(self, upload_id: str) -> bool:
        """Be the one that is at it; False where somebody was faster."""
        return self._uploads.take(upload_id)

    def removals_since(self, since: float) -> int:
        """How many deletions, on either side, the history holds since then (seconds since the epoch)."""
        return self._history.removals_since(self._ids.pair_id, since)
