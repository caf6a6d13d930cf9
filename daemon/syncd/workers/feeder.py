"""Gives the index of one batch the documents that wait for it, beside the archiver: a slow index delays nothing."""

from __future__ import annotations

from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.ports import Clock, Events
from syncd.workers.base import Worker
from syncd.workers.batch import BatchSection

PROVEN = "proven"

LOOK_EVERY_S = 60.0


class Feeder(Worker):
    """Feeds the index when archives were proven, and again when the index said so."""

    def __init__(self, section: BatchSection, *, stop: Stop, events: Events, clock: Clock) -> None:
        super().__init__(f"indexer {section.name}", deadline=120.0, stop=stop, events=events, clock=clock)
        self.section = section

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """Send what is due."""
        if not self.section.batch.index.url:
            self.section.feed_index()  # so that status tells that it is off
            return None
        if self.section.paused_for() is not None:
            return LOOK_EVERY_S
        with self.progress.waiting("the index"):
            found = self.section.feed_index(self.progress.moved)
        return LOOK_EVERY_S if found.again_s is None else min(found.again_s, LOOK_EVERY_S)

    def close(self) -> None:
        """Let go of the index."""
        self.section.close()
