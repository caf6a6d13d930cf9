"""What a pass did, counted."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from syncd.core.rules import REFRESH, Do
from syncd.engine.outcome import Outcome, Result

FAILURES_KEPT = 1000

COUNTED_AS = {
    Do.UPLOAD: "uploaded",
    Do.STORE_CONFLICT: "uploaded",
    Do.DOWNLOAD: "downloaded",
    Do.KEEP_BOTH: "downloaded",
    Do.TRASH_LOCAL: "deleted",
    Do.DELETE_REMOTE: "deleted",
    Do.FINISH_CLEANING: "cleaned",
    Do.ADOPT: "adopted",
}


@dataclass(slots=True)
class Tally:
    """Counts by what was done and by what was left; bytes; and the first thousand outcomes that were not done.

    `objects`: how many more objects there are than were listed (fewer: negative).
    """

    counts: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    bytes_up: int = 0
    bytes_down: int = 0
    objects: int = 0
    unfinished: list[Outcome] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        rule = outcome.step.rule
        with self._lock:
            self.bytes_up += outcome.bytes_up
            self.bytes_down += outcome.bytes_down
            if rule.shown_as:
                self.shown[rule.shown_as] += 1
            if outcome.result is Result.DONE:
                self.objects += _objects(outcome)
                if rule.do in COUNTED_AS and rule is not REFRESH:
                    self.counts[COUNTED_AS[rule.do]] += 1
                if rule.conflict:
                    self.counts["conflicts"] += 1
                return
            self.counts["errors" if outcome.result is Result.FAILED else "waiting"] += 1
            if len(self.unfinished) < FAILURES_KEPT:
                self.unfinished.append(outcome)

    def count(self, name: str, by: int = 1) -> None:
        """Count something that is no step."""
        with self._lock:
            self.counts[name] += by


def _objects(outcome: Outcome) -> int:
    """How many more objects there are by this step."""
    match outcome.step.rule.do:
        case Do.UPLOAD:
            return int(outcome.step.sides.listed is None)
        case Do.STORE_CONFLICT:
            return int(outcome.bytes_up > 0)  # else the very same conflict was met before: its copy is there
        case Do.DELETE_REMOTE:
            return -1
        case _:
            return 0
