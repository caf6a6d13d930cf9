"""From an empty file, or the schema of an older syncd, to the schema of this one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from syncd import checkpoint
from syncd.errors import FatalError
from syncd.store.failure import moving_away

APPLICATION_ID = 0x53594E44  # "SYND", in the file's header: file(1) and we tell it from others

COUNT_TABLES = "SELECT count(*) FROM sqlite_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema. Steps are only ever added: one that was released is never edited."""

    number: int
    name: str
    script: str


def migrations() -> tuple[Migration, ...]:
    """Every step that this syncd knows, numbered from 1 without a gap."""
    found = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in files(__package__).joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    )
    return tuple(Migration(number=int(name[:4]), name=name, script=script) for name, script in found)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the database to the newest schema, each step whole. FatalError where it is not ours or is newer."""
    steps = migrations()
    version = _version(connection, path, newest=len(steps))
    for step in steps[version:]:
        with checkpoint.STORE_MIGRATE:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{step.script}\n"
                f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {step.number};\nCOMMIT;"
            )


def _version(connection: sqlite3.Connection, path: Path, *, newest: int) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute(COUNT_TABLES).fetchone()
    if (application, version, tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise FatalError(f"{path} is a database of another program", hint=moving_away(path))
    if version > newest:
        raise FatalError(
            f"the database {path} was written by a newer syncd (its schema is {version}, this one knows {newest})",
            hint=f"install that syncd again, or {moving_away(path)}",
        )
    return int(version)
