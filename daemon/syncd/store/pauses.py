"""Which sections a person paused, and until when; a restart does not resume them."""

from __future__ import annotations

import sqlite3

from syncd.store.connection import Readers
from syncd.store.writer import Writer

SELECT_PAUSES = "SELECT name, until FROM pause ORDER BY name"
REPLACE_PAUSE = "REPLACE INTO pause (name, until) VALUES (?, ?)"
DELETE_PAUSE = "DELETE FROM pause WHERE name = ?"


class Pauses:
    """Pauses by the section's name."""

    def __init__(self, readers: Readers, writer: Writer) -> None:
        self._readers = readers
        self._writer = writer

    def all(self) -> dict[str, float | None]:
        """Every pause: until when, in seconds since the epoch; None: until a person resumes. Past ones included."""
        return dict(self._readers.rows(SELECT_PAUSES))

    def set(self, name: str, until: float | None) -> None:
        """Pause a section, durably; another pause of it is replaced."""

        def note(connection: sqlite3.Connection) -> None:
            connection.execute(REPLACE_PAUSE, (name, until))

        self._writer.call(note)

    def clear(self, name: str) -> bool:
        """Forget the pause of a section. False where it had none."""

        def forget(connection: sqlite3.Connection) -> bool:
            return connection.execute(DELETE_PAUSE, (name,)).rowcount == 1

        return self._writer.call(forget)
