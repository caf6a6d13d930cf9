"""Requests by kind and bytes, counted in memory that all processes of a sink share."""

from __future__ import annotations

import mmap

KINDS = (
    "PUT", "GET", "HEAD", "DELETE", "COPY", "CREATE", "PART", "COMPLETE", "ABORT", "LIST", "BUCKET",
    "bytes_in", "bytes_out", "connections",
)  # fmt: skip
AT = {kind: at for at, kind in enumerate(KINDS)}


class Counts:
    """A row of numbers for each process; only its own process writes it."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._cells = memoryview(mmap.mmap(-1, 8 * len(KINDS) * processes)).cast("Q")
        self._row = 0

    def forked(self, number: int) -> None:
        """To be called in each process, with a number of its own."""
        self._row = number * len(KINDS)

    def add(self, kind: str, amount: int = 1) -> None:
        self._cells[self._row + AT[kind]] += amount

    def all(self) -> dict[str, int]:
        """The sums over the processes."""
        rows = range(self._processes)
        return {kind: sum(self._cells[row * len(KINDS) + at] for row in rows) for kind, at in AT.items()}
