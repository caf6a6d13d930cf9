"""The rounds of a worker, numbered, so that who asks for one can wait for its end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Rounds:
    """Counts rounds as they begin and end, in one thread; asked for and awaited from any."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._begun = 0
        self._through = 0
        self._failed = False

    @contextmanager
    def round(self, failed: Callable[[], bool]) -> Iterator[int]:
        """Around one round; gives its number. `failed` is asked at its end, also where it crashes."""
        with self._changed:
            self._begun += 1
            mine = self._begun
        try:
            yield mine
        finally:
            with self._changed:
                self._through = max(self._through, mine)
                self._failed = failed()
                self._changed.notify_all()

    @property
    def failed(self) -> bool:
        """Whether the round that ended last did not go through."""
        with self._changed:
            return self._failed

    def following(self) -> int:
        """The number of the next round to begin."""
        with self._changed:
            return self._begun + 1

    def wait_for(self, number: int, seconds: float) -> bool:
        """Wait so long for that round to end. True when it has."""
        with self._changed:
            return self._changed.wait_for(lambda: self._through >= number, seconds)
