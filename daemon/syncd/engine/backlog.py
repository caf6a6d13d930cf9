"""The files that are not yet safe on the other side, since when, and why."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from syncd.core.paths import RelPath


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One path that waits, `since` seconds after the epoch. States: queued, writing, held, contended, failed."""

    path: RelPath
    size: int
    since: float
    state: str
    reason: str = ""
    met: int = 0  # the whole pass during which somebody last came across it


class Backlog:
    """What waits, per path. Thread-safe; a path that is done is forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[RelPath, Waiting] = {}
        self._passes = 0

    def begin(self) -> int:
        """A whole pass begins; returns its number for `forget_unmet`. Clocks step, so none tells what it met."""
        with self._lock:
            self._passes += 1
            return self._passes

    def note(self, path: RelPath, size: int, now: float, state: str, reason: str = "") -> None:
        """The path waits; the first note keeps the time."""
        with self._lock:
            before = self._waiting.get(path)
            since = now if before is None else before.since
            self._waiting[path] = Waiting(
                path=path, size=size, since=since, state=state, reason=reason, met=self._passes
            )

    def meet(self, path: RelPath) -> None:
        """Somebody else works on the path: what is known of it stands."""
        with self._lock:
            before = self._waiting.get(path)
            if before is not None:
                self._waiting[path] = replace(before, met=self._passes)

    def done(self, path: RelPath) -> None:
        """The path waits no more."""
        with self._lock:
            self._waiting.pop(path, None)

    def forget_unmet(self, number: int) -> None:
        """After a whole pass: what was not met since it began is gone."""
        with self._lock:
            for path in [path for path, waiting in self._waiting.items() if waiting.met < number]:
                del self._waiting[path]

    def snapshot(self) -> tuple[Waiting, ...]:
        """All that waits now, oldest first."""
        with self._lock:
            return tuple(sorted(self._waiting.values(), key=lambda waiting: waiting.since))
