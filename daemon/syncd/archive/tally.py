"""What a run did so far, counted from any of its threads."""

from __future__ import annotations

import threading
from collections import Counter

from syncd.archive.report import Problem
from syncd.errors import RemoteError, RemoteKind, SyncdError

MOST_PROBLEMS = 100

LOST = frozenset(
    {
        *(RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED),
        *(RemoteKind.DENIED, RemoteKind.FULL, RemoteKind.MISSING),
    }
)
"""Failures that are the endpoint's, not the archive's: they end a run."""

UPLOAD_GONE = "NoSuchUpload"


def is_lost(error: RemoteError) -> bool:
    """Whether nothing else can be asked of the endpoint now."""
    return error.kind in LOST and error.code != UPLOAD_GONE


class Tally:
    """Counts by the names of RunReport, problems, and when a run has something to do again. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._problems: list[Problem] = []
        self._due_s: float | None = None

    def add(self, **counts: int) -> None:
        """Count these."""
        with self._lock:
            self._counts.update(counts)

    def problem(self, where: str, error: SyncdError) -> None:
        """One file or archive failed; only the first hundred are kept in words."""
        with self._lock:
            self._counts["errors"] += 1
            if len(self._problems) < MOST_PROBLEMS:
                self._problems.append(Problem(where=where, reason=str(error)))

    def due(self, seconds: float | None) -> None:
        """A run has something to do in so many seconds; None: nothing that time brings."""
        with self._lock:
            if seconds is not None:
                self._due_s = seconds if self._due_s is None else min(self._due_s, seconds)

    @property
    def counts(self) -> dict[str, int]:
        """What was counted."""
        with self._lock:
            return dict(self._counts)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What failed."""
        with self._lock:
            return tuple(self._problems)

    @property
    def due_s(self) -> float | None:
        """Seconds until the soonest of what is due."""
        return self._due_s
