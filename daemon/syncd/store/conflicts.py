"""Conflicts that were met, until a person settled them."""

from __future__ import annotations

import sqlite3

from syncd.core.paths import order
from syncd.ports import ConflictRow
from syncd.store.connection import Readers, Row
from syncd.store.writer import Writer

INSERT_CONFLICTS = "INSERT INTO conflict (pair_id, at, path, rule, winner, loser_digest, loser_at, resolved)"
SELECT_CONFLICT = (
    "SELECT pair.name, conflict.id, conflict.at, conflict.path, conflict.rule, conflict.winner, "
    "conflict.loser_digest, conflict.loser_at, conflict.resolved "
    "FROM conflict JOIN pair ON pair.id = conflict.pair_id"
)
OPEN = "WHERE conflict.resolved = '' ORDER BY conflict.at, conflict.id"
OPEN_OF_PAIR = "WHERE conflict.resolved = '' AND pair.name = ? ORDER BY conflict.at, conflict.id"
BY_ID = "WHERE conflict.id = ?"
COUNT_OPEN = "SELECT count(*) FROM conflict JOIN pair ON pair.id = conflict.pair_id WHERE resolved = '' AND name = ?"
UPDATE_RESOLVED = "UPDATE conflict SET resolved = ? WHERE id = ? AND resolved = ''"


def conflict_row(pair_id: int, met: ConflictRow) -> Row:
    """The columns of INSERT_CONFLICTS."""
    return (pair_id, met.at, order(met.path), met.rule, met.winner, met.loser_digest, met.loser_at, met.resolved)


def _of_row(row: Row) -> ConflictRow:
    pair, id, at, path, rule, winner, loser_digest, loser_at, resolved = row
    return ConflictRow(
        pair=pair,
        id=id,
        at=at,
        path=path.decode("utf-8", "surrogateescape"),
        rule=rule,
        winner=winner,
        loser_digest=loser_digest,
        loser_at=loser_at,
        resolved=resolved,
    )


class Conflicts:
    """The conflicts of every pair."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer

    def unresolved(self, pair: str | None = None) -> list[ConflictRow]:
        """Those that nobody settled, oldest first; None: of every pair."""
        sql, values = (OPEN, ()) if pair is None else (OPEN_OF_PAIR, (pair,))
        return [_of_row(row) for row in self._readers.rows(f"{SELECT_CONFLICT} {sql}", values)]

    def count(self, pair: str) -> int:
        """How many of that pair nobody settled."""
        row = self._readers.row(COUNT_OPEN, (pair,))
        return 0 if row is None else int(row[0])

    def get(self, id: int) -> ConflictRow | None:
        """The conflict of that id, settled or not."""
        row = self._readers.row(f"{SELECT_CONFLICT} {BY_ID}", (id,))
        return None if row is None else _of_row(row)

    def resolve(self, id: int, how: str) -> bool:
        """Note how a person settled it, durably. False where there is none of that id, or it is settled already."""

        def note(connection: sqlite3.Connection) -> bool:
            return connection.execute(UPDATE_RESOLVED, (how, id)).rowcount == 1

        return self._writer.call(note)
