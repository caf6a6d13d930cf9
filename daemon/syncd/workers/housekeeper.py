"""Keeps things small: trash over its time, old history, hashes that nobody asks for, request counts of long ago."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.ports import Clock, Events
from syncd.workers.base import Worker
from syncd.workers.progress import Progress

EVERY_S = 3600.0

FIRST_PASS = "first-pass"
"""The reason of a round when a section has been through for the first time."""


class Housekeeper(Worker):
    """Runs each chore once an hour."""

    def __init__(
        self, chores: Sequence[Callable[[Progress], object]], *, stop: Stop, events: Events, clock: Clock
    ) -> None:
        super().__init__("housekeeper", deadline=300.0, stop=stop, events=events, clock=clock)
        self._chores = chores

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """Do them all."""
        for chore in self._chores:
            chore(self.progress)
            self.progress.moved()
            if self.stop.stopped():
                return None
        return EVERY_S
