"""The plan that a guard halted, and the one that a person accepted."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from syncd.store.connection import Readers
from syncd.store.writer import Writer

SELECT_PLAN = "SELECT plan_id, fingerprints FROM plan WHERE set_id = ? AND state = ?"
REPLACE_PLAN = "REPLACE INTO plan (set_id, state, plan_id, fingerprints) VALUES (?, ?, ?, ?)"
ACCEPT_PLAN = "UPDATE OR REPLACE plan SET state = 'accepted' WHERE set_id = ? AND plan_id = ?"
DELETE_PLANS = "DELETE FROM plan WHERE set_id = ?"


class Plans:
    """The plans of one record set: at most one halted and one accepted."""

    def __init__(self, readers: Readers, writer: Writer, set_id: int) -> None:
        self._readers = readers
        self._writer = writer
        self._set_id = set_id

    def halted(self) -> tuple[str, list[str]] | None:
        """The halted plan's id and the fingerprints of its rows, in order; None once it is accepted or cleared."""
        return self._plan("halted")

    def accepted(self) -> frozenset[str]:
        """The fingerprints of the accepted plan; none: nothing is accepted."""
        plan = self._plan("accepted")
        return frozenset() if plan is None else frozenset(plan[1])

    def halt(self, plan_id: str, fingerprints: Sequence[str]) -> None:
        """Remember the halted plan in place of an earlier one, durably."""
        row = (self._set_id, "halted", plan_id, json.dumps(list(fingerprints)))

        def remember(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_PLAN, row)

        self._writer.call(remember)

    def accept(self, plan_id: str) -> bool:
        """Turn the halted plan of exactly that id into the accepted one. True also where it is that already."""

        def turn(connection: sqlite3.Connection) -> bool:
            return connection.execute(ACCEPT_PLAN, (self._set_id, plan_id)).rowcount > 0

        return self._writer.call(turn)

    def clear(self) -> None:
        """Forget both."""

        def forget(connection: sqlite3.Connection) -> None:
            connection.execute(DELETE_PLANS, (self._set_id,))

        self._writer.call(forget)

    def _plan(self, state: str) -> tuple[str, list[str]] | None:
        row = self._readers.row(SELECT_PLAN, (self._set_id, state))
        return None if row is None else (row[0], json.loads(row[1]))
