"""The rolling audit of a pair's records: its round, its cursor, and what it found."""

from __future__ import annotations

import sqlite3

from syncd.core.paths import RelPath, order
from syncd.ports.audits import AuditFinding, AuditRound
from syncd.store.connection import Readers
from syncd.store.writer import Writer

SET_ID = "(SELECT record_set.id FROM record_set JOIN pair ON pair.id = record_set.pair_id WHERE pair.name = ?)"
SELECT_TOTALS = f"SELECT count(*), coalesce(sum(size), 0) FROM record WHERE set_id = {SET_ID}"
SELECT_ROUND = (
    "SELECT cursor, started_at, total_files, total_bytes, files, bytes, errors, finished_at "
    f"FROM audit WHERE set_id = {SET_ID}"
)
REPLACE_ROUND = (
    "REPLACE INTO audit "
    "(set_id, cursor, started_at, total_files, total_bytes, files, bytes, errors, finished_at) "
    f"VALUES ({SET_ID}, ?, ?, ?, ?, ?, ?, ?, ?)"
)
SELECT_FINDINGS = f"SELECT path, seq, at, finding FROM audit_finding WHERE set_id = {SET_ID} ORDER BY path"
REPLACE_FINDING = f"REPLACE INTO audit_finding (set_id, path, seq, at, finding) VALUES ({SET_ID}, ?, ?, ?, ?)"
DELETE_FINDING = f"DELETE FROM audit_finding WHERE set_id = {SET_ID} AND path = ?"


class Audits:
    """The audit of one pair (`ports.AuditStore`), of the record set that it has now."""

    def __init__(self, readers: Readers, writer: Writer, name: str) -> None:
        self._readers = readers
        self._writer = writer
        self._name = name

    def totals(self) -> tuple[int, int]:
        """Files and bytes that the records name."""
        row = self._readers.row(SELECT_TOTALS, (self._name,))
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def round(self) -> AuditRound | None:
        """The round as it was saved last; None before the first, and of other records."""
        row = self._readers.row(SELECT_ROUND, (self._name,))
        if row is None:
            return None
        cursor, started_at, total_files, total_bytes, files, bytes, errors, finished_at = row
        return AuditRound(
            cursor=_path(cursor) if cursor else None,
            started_at=started_at,
            total_files=total_files,
            total_bytes=total_bytes,
            files=files,
            bytes=bytes,
            errors=errors,
            finished_at=finished_at,
        )

    def save(self, round: AuditRound) -> None:
        """Remember how far it is."""
        values = (
            self._name,
            b"" if round.cursor is None else order(round.cursor),
            round.started_at,
            round.total_files,
            round.total_bytes,
            round.files,
            round.bytes,
            round.errors,
            round.finished_at,
        )
        self._change(REPLACE_ROUND, values)

    def findings(self) -> list[AuditFinding]:
        """What was found wrong and is not mended, by path."""
        rows = self._readers.rows(SELECT_FINDINGS, (self._name,))
        return [AuditFinding(path=_path(path), seq=seq, at=at, finding=found) for path, seq, at, found in rows]

    def note(self, finding: AuditFinding) -> None:
        """Remember it in place of an earlier one of that path."""
        self._change(REPLACE_FINDING, (self._name, order(finding.path), finding.seq, finding.at, finding.finding))

    def clear(self, path: RelPath) -> None:
        """Forget what was found of that path."""
        self._change(DELETE_FINDING, (self._name, order(path)))

    def _change(self, sql: str, values: tuple[object, ...]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(sql, values)

        self._writer.call(write)


def _path(raw: bytes) -> RelPath:
    return RelPath(raw.decode("utf-8", "surrogateescape"))
