"""One worker at a time for one path."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from syncd.core.paths import RelPath


class Claims:
    """The paths that are being worked on. Thread-safe, never blocks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[RelPath] = set()

    def take(self, path: RelPath) -> bool:
        """Claim a path; False where somebody else has it."""
        with self._lock:
            if path in self._taken:
                return False
            self._taken.add(path)
            return True

    def release_all(self, paths: Iterable[RelPath]) -> None:
        """Give several back."""
        with self._lock:
            self._taken.difference_update(paths)

    def release(self, path: RelPath) -> None:
        """Give a claimed path back."""
        with self._lock:
            self._taken.discard(path)
