"""What tests of the archiver's journal say often: archives proven, members told, rows counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from syncd.core.archive import MemberState, Original
from syncd.core.model import ETag, ProofKind
from syncd.core.paths import RelPath
from syncd.ports import ArchiveStore, HistoryRow

SEALED, UNLINKING, UNLINKED, KEPT = MemberState
TOLD = HistoryRow(at=5.0, path="logs/h1/u1.tar", operation="archive", rule="archive", result="done", size=20_480)


def prove(store: ArchiveStore, uuid: str = "u1", **changes: Any) -> None:
    """Prove an archive by its ETag, without a manifest and not for the index, but for these changes."""
    given: dict[str, Any] = {
        "etag": ETag(f"etag-{uuid}"),
        "version_id": "v1",
        "proof": ProofKind.ETAG,
        "manifest_at": "",
        "index": False,
    }
    store.prove(uuid, **{**given, **changes})


def states(store: ArchiveStore, uuid: str = "u1") -> list[tuple[str, MemberState]]:
    """The members of an archive, and how far each is."""
    return [(original.member.path, original.state) for original in store.originals(uuid)]


def in_state(originals: Sequence[Original], state: MemberState) -> list[Original]:
    """The same originals, all so far."""
    return [replace(original, state=state) for original in originals]


def paths(originals: Sequence[Original]) -> list[RelPath]:
    """Their paths in their order."""
    return [original.member.path for original in originals]


def marked(originals: Sequence[Original], state: MemberState) -> list[tuple[RelPath, MemberState]]:
    """What `mark` takes."""
    return [(path, state) for path in paths(originals)]


def rows(path: Path) -> dict[str, int]:
    """How many rows each table of the journal has."""
    connection = sqlite3.connect(path)
    tables = ("archive", "member", "index_queue", "dead_letter")
    counted = {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
    connection.close()
    return counted
