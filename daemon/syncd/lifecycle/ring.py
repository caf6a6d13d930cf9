"""The last events in memory, numbered, so that a reader can ask what came after the one it saw."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One event that was emitted. `id` grows by one; `at` in seconds since the epoch."""

    id: int
    at: float
    level: str
    event: str
    fields: Mapping[str, object]


class EventRing:
    """Keeps the newest `most` events, whatever the log level is. Thread-safe."""

    def __init__(self, most: int = 1000) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Said] = deque(maxlen=most)
        self._last = 0

    def add(self, *, at: float, level: str, event: str, fields: Mapping[str, object]) -> Said:
        """Keep one, dropping the oldest where it is full."""
        with self._lock:
            self._last += 1
            said = Said(id=self._last, at=at, level=level, event=event, fields=fields)
            self._kept.append(said)
            return said

    def since(self, id: int = 0) -> list[Said]:
        """Those after that id which are still kept, oldest first. A gap in the ids is what was dropped."""
        with self._lock:
            return [said for said in self._kept if said.id > id]
