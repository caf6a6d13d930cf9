"""What the housekeeper does: counts of requests kept by the day, old rows dropped, the trash emptied in its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncd.ports import Clock
from syncd.runtime.expiry import expire_all, working_places
from syncd.runtime.times import rfc3339_day
from syncd.store.database import Database
from syncd.workers.batch import BatchSection
from syncd.workers.progress import Progress
from syncd.workers.section import Section

KEEP_HISTORY_S = 400 * 86400.0
SPARE_HASHES = 100_000


class Chores:
    """The chores of one daemon. `totals`: everything sent since the start, by kind."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        sections: Sequence[Section],
        batches: Sequence[BatchSection],
        totals: Callable[[], dict[str, int]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._sections = sections
        self._batches = batches
        self._totals = totals
        self._counted: dict[str, int] = {}

    def all(self) -> list[Callable[[Progress], object]]:
        """In the order in which they are done."""
        return [self.count_requests, self.prune, self.expire]

    def count_requests(self, progress: Progress) -> None:
        """Add what was sent since the last time to the day's totals."""
        totals = self._totals()
        self._database.add_requests(
            rfc3339_day(self._clock.now()), {name: totals[name] - self._counted.get(name, 0) for name in totals}
        )
        self._counted = totals

    def prune(self, progress: Progress) -> None:
        """Drop history that is over its time, and hashes that nobody asked for in long."""
        self._database.history.prune(before=self._clock.now() - KEEP_HISTORY_S)
        self._database.prune_requests(rfc3339_day(self._clock.now() - KEEP_HISTORY_S))
        for section in self._sections:
            if section.context is not None:
                section.context.records.prune_hashes(2 * section.tracked + SPARE_HASHES)
        for batch in self._batches:
            batch.prune(SPARE_HASHES)

    def expire(self, progress: Progress) -> None:
        """Empty the trash of what is over its time. It may wait for S3, so it is no silence."""
        with progress.waiting("the trash"):
            expire_all(working_places(self._sections, self._batches), self._database, moved=progress.moved)
