"""What the probe saw of each endpoint and bucket, so that a second run need not probe."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, fields

from syncd.ports import Capabilities
from syncd.store.connection import Readers
from syncd.store.writer import Writer

SELECT_CAPABILITY = "SELECT facts, probed_at FROM capability WHERE endpoint = ? AND bucket = ?"
REPLACE_CAPABILITY = "REPLACE INTO capability (endpoint, bucket, facts, probed_at) VALUES (?, ?, ?, ?)"
DELETE_CAPABILITY = "DELETE FROM capability WHERE endpoint = ? AND bucket = ?"

_KNOWN = frozenset(field.name for field in fields(Capabilities))


class CapabilityTable:
    """Capabilities by endpoint and bucket."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer

    def get(self, endpoint: str, bucket: str) -> Capabilities | None:
        """What the last probe saw; None where none was, or one of an older syncd that tried less."""
        row = self._readers.row(SELECT_CAPABILITY, (endpoint, bucket))
        if row is None:
            return None
        facts = {name: value for name, value in json.loads(row[0]).items() if name in _KNOWN}
        if facts.keys() != _KNOWN:
            return None
        return Capabilities(**{**facts, "denied": frozenset(facts["denied"]), "probed_at": row[1]})

    def put(self, endpoint: str, bucket: str, seen: Capabilities) -> None:
        """Remember what a probe saw, durably."""
        facts = asdict(seen) | {"denied": sorted(seen.denied)}
        row = (endpoint, bucket, json.dumps(facts, sort_keys=True), seen.probed_at)

        def remember(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_CAPABILITY, row)

        self._writer.call(remember)

    def forget(self, endpoint: str, bucket: str) -> None:
        """Drop what was seen: the next run probes again."""

        def drop(connection: sqlite3.Connection) -> None:
            connection.execute(DELETE_CAPABILITY, (endpoint, bucket))

        self._writer.call(drop)
