"""What was done, newest first, for people and for the guard's count per hour."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from syncd.core.paths import order
from syncd.ports import HistoryRow
from syncd.store.columns import storable
from syncd.store.connection import Readers, Row
from syncd.store.writer import Writer

KEEP_ROWS = 1_000_000
PAGE_ROWS = 1_000
"""Rows in memory at once, however many are asked for and however slowly they are read."""
SLICE = 5_000  # rows pruned in one transaction, so that outcomes need not wait long behind them

INSERT_HISTORY = (
    "INSERT INTO history (pair_id, at, path, operation, rule, result, size, digest, etag, error, cycle, elapsed_s)"
)
SELECT_HISTORY = (
    "SELECT pair.name, history.id, history.at, history.path, history.operation, history.rule, history.result, "
    "history.size, history.digest, history.etag, history.error, history.cycle, history.elapsed_s "
    "FROM history CROSS JOIN pair ON pair.id = history.pair_id"  # CROSS: newest first by its index, without sorting
)
NEWEST_FIRST = "ORDER BY history.at DESC, history.id DESC LIMIT ?"
COUNT_REMOVALS = (
    "SELECT count(*) FROM history "
    "WHERE pair_id = ? AND at >= ? AND operation IN ('delete', 'trash') AND result = 'done'"
)
SELECT_NEWEST_SURPLUS = "SELECT id FROM history ORDER BY id DESC LIMIT 1 OFFSET ?"
DELETE_UP_TO = f"DELETE FROM history WHERE id IN (SELECT id FROM history WHERE id <= ? ORDER BY id LIMIT {SLICE})"
DELETE_BEFORE = f"DELETE FROM history WHERE id IN (SELECT id FROM history WHERE at < ? ORDER BY at LIMIT {SLICE})"


def history_row(pair_id: int, done: HistoryRow) -> Row:
    """The columns of INSERT_HISTORY."""
    return (
        pair_id,
        done.at,
        order(done.path),
        done.operation,
        done.rule,
        done.result,
        done.size,
        done.digest,
        done.etag,
        storable(done.error),
        done.cycle,
        done.elapsed_s,
    )


def _of_row(row: Row) -> HistoryRow:
    pair, id, at, path, operation, rule, result, size, digest, etag, error, cycle, elapsed_s = row
    return HistoryRow(
        pair=pair,
        id=id,
        at=at,
        path=path.decode("utf-8", "surrogateescape"),
        operation=operation,
        rule=rule,
        result=result,
        size=size,
        digest=digest,
        etag=etag,
        error=error,
        cycle=cycle,
        elapsed_s=elapsed_s,
    )


class History:
    """The history of every pair."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer

    def query(
        self, *, pair: str | None = None, path: str | None = None, since: float | None = None, limit: int = 100
    ) -> Iterator[HistoryRow]:
        """Up to `limit` rows, newest first; `since` in seconds since the epoch. None: of every pair, path or time.

        They are read a page at a time, each by a question of its own, so that a slow reader costs no memory and
        keeps no transaction open.
        """
        asked: list[tuple[str, tuple[object, ...]]] = []
        if pair is not None:
            asked.append(("history.pair_id = (SELECT id FROM pair WHERE name = ?)", (pair,)))
        if path is not None:
            asked.append(("history.path = ?", (order(path),)))
        if since is not None:
            asked.append(("history.at >= ?", (since,)))
        after: list[tuple[str, tuple[object, ...]]] = []
        while limit > 0:
            page = self._page([*asked, *after], min(limit, PAGE_ROWS))
            yield from page
            if len(page) < PAGE_ROWS:
                return
            limit -= len(page)
            after = [("(history.at, history.id) < (?, ?)", (page[-1].at, page[-1].id))]

    def _page(self, asked: list[tuple[str, tuple[object, ...]]], limit: int) -> list[HistoryRow]:
        where = f"WHERE {' AND '.join(condition for condition, _ in asked)}" if asked else ""
        values = (*(value for _, values in asked for value in values), limit)
        return [_of_row(row) for row in self._readers.rows(f"{SELECT_HISTORY} {where} {NEWEST_FIRST}", values)]

    def removals_since(self, pair_id: int, since: float) -> int:
        """How many deletions (on either side) of that pair were done since then."""
        row = self._readers.row(COUNT_REMOVALS, (pair_id, since))
        return 0 if row is None else int(row[0])

    def prune(self, *, keep: int = KEEP_ROWS, before: float | None = None) -> int:
        """Drop all but the newest `keep` rows, and those older than `before`. Returns how many went."""
        surplus = self._readers.row(SELECT_NEWEST_SURPLUS, (keep,))
        dropped = 0 if surplus is None else self._drop(DELETE_UP_TO, surplus[0])
        return dropped if before is None else dropped + self._drop(DELETE_BEFORE, before)

    def _drop(self, sql: str, bound: float) -> int:
        def drop_slice(connection: sqlite3.Connection) -> int:
            return connection.execute(sql, (bound,)).rowcount

        dropped = 0
        while count := self._writer.call(drop_slice):
            dropped += count
        return dropped
