"""Where the trash is emptied by its age and size: every section that works, one place after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from syncd.engine.expiring import expire
from syncd.errors import ConfigError, ItemError, PairHalted, RemoteError
from syncd.runtime.places import Place, folder_places
from syncd.store.database import Database
from syncd.workers.section import Section

if TYPE_CHECKING:
    from syncd.workers.batch import BatchSection

AT_REST = frozenset({"halted", "paused", "draining"})
"""States in which nothing expires: a person decides, or is about to."""


def working_places(sections: Iterable[Section], batches: Iterable[BatchSection]) -> Iterator[Place]:
    """What may be emptied now: of sections that nothing halts, once they have been through."""
    for section in sections:
        if section.last_pass_at is not None and not section.halted_plan and section.state not in AT_REST:
            yield section
    for batch in batches:
        if batch.last_report is not None and not batch.last_run_failed and batch.state not in AT_REST:
            yield from folder_places([batch])


def expire_all(places: Iterable[Place], database: Database, *, moved: Callable[[], None] = lambda: None) -> None:
    """Remove what may go in each. One whose root is not there, or cannot be read, waits for the next time."""
    for place in places:
        try:
            expire(place.open(), database.trash, database.conflicts, moved=moved)
        except (PairHalted, ConfigError, RemoteError, ItemError):
            continue
