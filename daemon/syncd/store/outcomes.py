"""The write side of records: many outcomes in a few statements, each whole or not at all."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from syncd.core.paths import RelPath, order
from syncd.errors import Stale
from syncd.ports import Commit
from syncd.store.columns import insert_rows, padded, placeholders
from syncd.store.conflicts import INSERT_CONFLICTS, conflict_row
from syncd.store.connection import Row
from syncd.store.history import INSERT_HISTORY, history_row
from syncd.store.records import REPLACE_RECORDS, SELECT_LAST_SEQ, row_of
from syncd.store.trash import INSERT_TRASH, trash_row

SELECT_SET = "SELECT 1 FROM record_set WHERE id = ?"
# one line of text instead of a row each: every step of a statement gives up the GIL
SELECT_SEQS = "SELECT group_concat(hex(path) || ' ' || seq, ' ') FROM record WHERE set_id = ? AND path IN "
DELETE_PATHS = "DELETE FROM record WHERE set_id = ? AND path IN "
UPDATE_LAST_SEQ = "UPDATE ledger SET last_seq = ? WHERE id = 1"

Key = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A commit, and the pair and record set that it is for."""

    pair_id: int
    set_id: int
    change: Commit


@dataclass(slots=True)
class _Rows:
    """What a group of outcomes comes to: the last word on each path, and what is appended."""

    records: dict[Key, Row | None] = field(default_factory=dict)
    history: list[Row] = field(default_factory=list)
    conflicts: list[Row] = field(default_factory=list)
    trash: list[Row] = field(default_factory=list)


def write_outcomes(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> list[object]:
    """Write a group inside the open transaction. A result is the stored record, None, or Stale."""
    return [_stored(outcome, answer) for outcome, answer in zip(outcomes, _numbered(connection, outcomes), strict=True)]


def write_groups(connection: sqlite3.Connection, groups: Sequence[Sequence[Outcome]]) -> list[object]:
    """Several groups as one. A result is the list of that group's: the number of its commit, or Stale."""
    results = iter(_numbered(connection, [outcome for group in groups for outcome in group]))
    return [[next(results) for _ in group] for group in groups]


def _stored(outcome: Outcome, answer: int | Stale) -> object:
    record = outcome.change.put
    return answer if isinstance(answer, Stale) else record and replace(record, seq=answer)


def _numbered(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> list[int | Stale]:
    """The number of each one's commit; Stale where it was overtaken."""
    seqs = _seqs(connection, outcomes)
    live = {set_id for set_id in {outcome.set_id for outcome in outcomes} if _exists(connection, set_id)}
    (last_seq,) = connection.execute(SELECT_LAST_SEQ).fetchone()
    rows = _Rows()
    results: list[int | Stale] = []
    for outcome in outcomes:
        if outcome.set_id not in live:
            results.append(Stale("the record set was replaced by another"))
        elif _overtaken(outcome, seqs):
            results.append(Stale(f"the record of {_subject(outcome.change)!r} changed since the decision"))
        else:
            last_seq += 1
            _collect(rows, outcome, last_seq, seqs)
            results.append(last_seq)
    _write(connection, rows)
    connection.execute(UPDATE_LAST_SEQ, (last_seq,))
    return results


def _subject(change: Commit) -> RelPath | None:
    if change.path is None and change.put is not None:
        return change.put.path
    return change.drop if change.path is None else change.path


def _seqs(connection: sqlite3.Connection, outcomes: Sequence[Outcome]) -> dict[Key, int]:
    """The number of every row that some outcome expects to be of a certain number; no row is 0."""
    wanted: defaultdict[int, set[bytes]] = defaultdict(set)
    for outcome in outcomes:
        if outcome.change.expect_seq is not None:
            subject = _subject(outcome.change)
            if subject is None:
                raise ValueError("a commit that expects a row must name its path")
            wanted[outcome.set_id].add(order(subject))
    seqs = {(set_id, path): 0 for set_id, paths in wanted.items() for path in paths}
    for set_id, paths in wanted.items():
        for chunk in padded(list(paths)):
            sql = SELECT_SEQS + placeholders(len(chunk))
            words = (connection.execute(sql, [set_id, *chunk]).fetchone()[0] or "").split()
            seqs.update(((set_id, bytes.fromhex(path)), int(seq)) for path, seq in zip(words[::2], words[1::2]))
    return seqs


def _exists(connection: sqlite3.Connection, set_id: int) -> bool:
    return connection.execute(SELECT_SET, (set_id,)).fetchone() is not None


def _overtaken(outcome: Outcome, seqs: dict[Key, int]) -> bool:
    expected, subject = outcome.change.expect_seq, _subject(outcome.change)
    return expected is not None and subject is not None and seqs[outcome.set_id, order(subject)] != expected


def _collect(rows: _Rows, outcome: Outcome, seq: int, seqs: dict[Key, int]) -> None:
    change, set_id = outcome.change, outcome.set_id
    if change.drop is not None:
        key = (set_id, order(change.drop))
        rows.records[key] = None
        seqs[key] = 0
    if change.put is not None:
        row = row_of(set_id, change.put, seq)
        rows.records[row[:2]] = row
        seqs[row[:2]] = seq
    if change.history is not None:
        rows.history.append(history_row(outcome.pair_id, change.history))
    if change.conflict is not None:
        rows.conflicts.append(conflict_row(outcome.pair_id, change.conflict))
    if change.trash is not None:
        rows.trash.append(trash_row(outcome.pair_id, change.trash))


def _write(connection: sqlite3.Connection, rows: _Rows) -> None:
    dropped: defaultdict[int, list[bytes]] = defaultdict(list)
    for (set_id, path), row in rows.records.items():
        if row is None:
            dropped[set_id].append(path)
    for set_id, paths in dropped.items():
        for chunk in padded(paths):
            connection.execute(DELETE_PATHS + placeholders(len(chunk)), [set_id, *chunk])
    insert_rows(connection, REPLACE_RECORDS, [row for row in rows.records.values() if row is not None])
    insert_rows(connection, INSERT_HISTORY, rows.history)
    insert_rows(connection, INSERT_CONFLICTS, rows.conflicts)
    insert_rows(connection, INSERT_TRASH, rows.trash)
