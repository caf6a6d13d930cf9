"""A batch whose buckets are in memory and whose journal is a real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.archive_shelf import Shelf
from syncd.lifecycle.clock import SystemClock
from syncd.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    folder = tmp_path / "state"
    folder.mkdir()
    with Database.open(folder / "state.db", clock=SystemClock()) as database:
        yield database


@pytest.fixture
def shelf(database: Database) -> Shelf:
    return Shelf(store=database.archives("small"))
