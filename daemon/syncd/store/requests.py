"""How many requests were sent on each day, for the cost that status shows."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from syncd.store.connection import Readers
from syncd.store.writer import Writer

PATIENCE_S = 1.0  # a lost second of counting harms nobody

ADD_REQUESTS = (
    "INSERT INTO request_count (day, operation, count) VALUES (?, ?, ?) "
    "ON CONFLICT (day, operation) DO UPDATE SET count = count + excluded.count"
)
SELECT_REQUESTS = "SELECT operation, count FROM request_count WHERE day = ? ORDER BY operation"
DELETE_DAYS = "DELETE FROM request_count WHERE day < ?"


class RequestCounts:
    """Requests per day of UTC ("2026-11-20") and operation ("put", "list")."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer

    def add(self, day: str, counts: Mapping[str, int]) -> None:
        """Add to the counts of a day; durable within seconds, lost by a crash before."""
        rows = [(day, operation, count) for operation, count in counts.items() if count]

        def add(connection: sqlite3.Connection) -> None:
            connection.executemany(ADD_REQUESTS, rows)

        if rows:
            self._writer.later(add, patience_s=PATIENCE_S)

    def of(self, day: str) -> dict[str, int]:
        """The counts of a day by operation."""
        return dict(self._readers.rows(SELECT_REQUESTS, (day,)))

    def prune(self, before: str) -> int:
        """Drop the days before that one. Returns how many counts went."""

        def drop(connection: sqlite3.Connection) -> int:
            return connection.execute(DELETE_DAYS, (before,)).rowcount

        return self._writer.call(drop)
