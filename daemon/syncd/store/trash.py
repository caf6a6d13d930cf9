"""What was displaced and where it lies, until it is restored or its time is over."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from syncd.core.paths import order
from syncd.ports import TrashRow
from syncd.store.connection import Readers, Row
from syncd.store.writer import Writer

INSERT_TRASH = "INSERT INTO trash (pair_id, at, path, place, reason, size, digest)"
SELECT_TRASH = (
    "SELECT pair.name, trash.id, trash.at, trash.path, trash.place, trash.reason, trash.size, trash.digest "
    "FROM trash JOIN pair ON pair.id = trash.pair_id"
)
ALL = "ORDER BY trash.at DESC, trash.id DESC"
OF_PAIR = "WHERE pair.name = ? ORDER BY trash.at DESC, trash.id DESC"
BY_ID = "WHERE trash.id = ?"
DELETE_TRASH = "DELETE FROM trash WHERE id = ?"


def trash_row(pair_id: int, displaced: TrashRow) -> Row:
    """The columns of INSERT_TRASH."""
    return (
        pair_id,
        displaced.at,
        order(displaced.path),
        displaced.where,
        displaced.reason,
        displaced.size,
        displaced.digest,
    )


def _of_row(row: Row) -> TrashRow:
    pair, id, at, path, place, reason, size, digest = row
    return TrashRow(
        pair=pair,
        id=id,
        at=at,
        path=path.decode("utf-8", "surrogateescape"),
        where=place,
        reason=reason,
        size=size,
        digest=digest,
    )


class Trash:
    """The trash of every pair, as rows; the files and objects themselves are elsewhere."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer

    def rows(self, pair: str | None = None) -> list[TrashRow]:
        """Everything displaced, newest first; None: of every pair."""
        sql, values = (ALL, ()) if pair is None else (OF_PAIR, (pair,))
        return [_of_row(row) for row in self._readers.rows(f"{SELECT_TRASH} {sql}", values)]

    def get(self, id: int) -> TrashRow | None:
        """The row of that id."""
        row = self._readers.row(f"{SELECT_TRASH} {BY_ID}", (id,))
        return None if row is None else _of_row(row)

    def delete(self, id: int) -> bool:
        """Forget a row whose file or object is restored or gone, durably. False where there is none of that id."""

        def forget(connection: sqlite3.Connection) -> bool:
            return connection.execute(DELETE_TRASH, (id,)).rowcount == 1

        return self._writer.call(forget)

    def forget(self, ids: Sequence[int]) -> None:
        """Drop entries whose file or object is gone, in one transaction, durably."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.executemany(DELETE_TRASH, [(id,) for id in ids])

        self._writer.call(forget)
