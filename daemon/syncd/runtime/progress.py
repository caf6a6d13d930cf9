"""A line on the terminal that tells how far a run is: files, bytes, rate and time left."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TextIO

from syncd.lifecycle.transfers import TransferBoard
from syncd.ports import Clock
from syncd.workers.section import Section

EVERY_S = 0.5


class ProgressLine:
    """Redraws one line while it is open; draws nothing where the stream is no terminal."""

    def __init__(
        self, sections: Sequence[Section], transfers: TransferBoard, clock: Clock, screen: TextIO, *, enabled: bool
    ) -> None:
        self._sections = sections
        self._transfers = transfers
        self._clock = clock
        self._screen = screen
        self._enabled = enabled and screen.isatty()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = clock.monotonic()

    def __enter__(self) -> ProgressLine:
        if self._enabled:
            self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(2.0)
            self._screen.write("\r\x1b[K")
            self._screen.flush()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self._screen.write(f"\r\x1b[K{self.text()[:100]}")
            self._screen.flush()

    def text(self) -> str:
        """The line now."""
        totals = self._transfers.totals()
        waiting = [each for section in self._sections for each in section.backlog.snapshot()]
        left = sum(each.size for each in waiting)
        rate = totals["bytes_per_second"]
        elapsed = self._clock.monotonic() - self._began
        parts = [
            f"{totals['ended']:,} files",
            f"{totals['moved_bytes'] / 1e6:,.1f} MB",
            f"{rate / 1e6:,.1f} MB/s",
            f"{elapsed:.0f} s",
        ]
        if waiting:
            parts.append(f"{len(waiting):,} waiting")
            if rate:
                parts.append(f"{left / rate:.0f} s left")
        return "  ".join(parts)
