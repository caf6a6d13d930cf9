"""A force-sync that was asked for: what, how long to wait for it, and who listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syncd.core.paths import RelPath
from syncd.ports import Clock, StopToken

SLICE_S = 0.2

LOST = frozenset({"unreachable", "auth-expired", "throttled"})
"""States of a section whose endpoint cannot be worked with now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked. `path`: one file or folder of the one section. `timeout`: seconds; None: as long as it takes."""

    wait: bool
    timeout: float | None
    path: RelPath | None
    progress: Callable[[dict[str, Any]], None]
    gone: Callable[[], bool]
    rest: Callable[[float], object]  # an interruptible sleep

    def pause(self, clock: Clock, seconds: float, deadline: float | None, stop: StopToken) -> bool:
        """A breath between two passes over what is not ready yet. True when the time is up."""
        until = clock.monotonic() + seconds
        while clock.monotonic() < until and not self.gone() and not stop.stopped():
            if deadline is not None and clock.monotonic() >= deadline:
                return True
            self.rest(SLICE_S)
        return False

    def covers(self, path: str) -> bool:
        """Whether that path, or what lies below it, was asked for."""
        return self.path is None or f"{path}/".startswith(f"{self.path}/") or self.path.startswith(f"{path}/")
