"""The one database of a daemon: opened, checked, and handed out as repositories."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from syncd import checkpoint
from syncd.errors import ConfigError, FatalError
from syncd.ports import Clock
from syncd.store.archives import Archives, find_batch, sweep
from syncd.store.audits import Audits
from syncd.store.capabilities import CapabilityTable
from syncd.store.conflicts import Conflicts
from syncd.store.connection import Readers, connect_writer
from syncd.store.failure import explain
from syncd.store.history import History
from syncd.store.migration import migrate
from syncd.store.mounts import MOUNTINFO, refuse_remote
from syncd.store.pairs import PairStore, RecordSetIdentity, find_ids, known_identity
from syncd.store.pauses import Pauses
from syncd.store.requests import RequestCounts
from syncd.store.trash import Trash
from syncd.store.writer import Writer

OLDEST_SQLITE = (3, 37, 0)  # STRICT tables


class Database:
    """Everything that must outlive the process. One writer thread; every other thread reads for itself.

    What is written through a repository is durable on return, but for `add_requests` and hashes.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._readers = Readers(path)
        self._writer = Writer(connection, path)
        self.history = History(self._readers, self._writer)
        self.conflicts = Conflicts(self._readers, self._writer)
        self.trash = Trash(self._readers, self._writer)
        self.capabilities = CapabilityTable(self._readers, self._writer)
        self.pauses = Pauses(self._readers, self._writer)
        self._requests = RequestCounts(self._readers, self._writer)
        self._writer.start()

    @classmethod
    def open(cls, path: Path, *, clock: Clock, mountinfo: Path = MOUNTINFO) -> Database:
        """Open, or make, the database at `path`; its folder must exist. The caller holds the daemon's lock.

        ConfigError where the folder is missing or on NFS, CIFS or FUSE. FatalError, with what to do, where the file
        is corrupt, foreign, of a newer syncd or cannot be written.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise FatalError(f"SQLite {sqlite3.sqlite_version} is too old", hint="syncd needs SQLite 3.37 or newer")
        if not path.parent.is_dir():
            raise ConfigError([f"daemon.state_dir: {path.parent} is not a folder"], hint="make it, or choose another")
        refuse_remote(path.parent, mountinfo=mountinfo)
        with ExitStack() as undo:
            try:
                connection = connect_writer(path)
                undo.callback(connection.close)
                migrate(connection, path)
                _use_wal(connection, path)
                with checkpoint.STORE_SWEEP:
                    sweep(connection)
            except OSError as error:
                hint = f"the daemon's user must own {path.parent}"
                raise FatalError(f"the database {path} cannot be made: {error.strerror}", hint=hint) from error
            except sqlite3.Error as error:
                raise explain(error, path) from error
            undo.pop_all()
        return cls(connection, path, clock)

    def pair(self, name: str, identity: RecordSetIdentity) -> PairStore:
        """The store of one pair. Another identity than last time starts an empty record set and generation 0."""
        ids = self._writer.call(partial(find_ids, name=name, identity=identity))
        return PairStore(self._readers, self._writer, self._clock, identity, ids)

    def identity(self, name: str) -> RecordSetIdentity | None:
        """What the records of that pair were made of last time; None where it was never opened."""
        return self._writer.call(partial(known_identity, name=name))

    def archives(self, name: str) -> Archives:
        """The journal of one batch section, by its name alone: another root or endpoint finds all that was archived."""
        return Archives(self._readers, self._writer, self._clock, self._writer.call(partial(find_batch, name=name)))

    def audits(self, name: str) -> Audits:
        """The rolling audit of one pair, of whichever record set it has."""
        return Audits(self._readers, self._writer, name)

    def add_requests(self, day: str, counts: Mapping[str, int]) -> None:
        """Add to the requests of a day of UTC ("2026-11-20") by operation; durable within seconds."""
        self._requests.add(day, counts)

    def requests(self, day: str) -> dict[str, int]:
        """The requests of that day by operation."""
        return self._requests.of(day)

    def prune_requests(self, before: str) -> int:
        """Forget the days before that one. Returns how many counts went."""
        return self._requests.prune(before)

    def release_thread(self) -> None:
        """Close the calling thread's own connection, for threads that end; the next question opens another."""
        self._readers.release()

    def close(self) -> None:
        """Write what is queued, then close. Every later call raises FatalError; a second close does nothing."""
        self._writer.close()
        self._readers.close()
        with checkpoint.STORE_CLOSE:  # last, so that it folds the write-ahead log into the file and removes it
            self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _use_wal(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise FatalError(
            f"the database {path} cannot keep a write-ahead log (its journal is {mode!r})",
            hint="choose a folder on a local disk",
        )
