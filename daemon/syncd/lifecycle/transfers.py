"""The board of running transfers: how far each is, how fast, and how long it still takes."""

from __future__ import annotations

import math
import threading
from types import TracebackType

from syncd.ports import Clock

SETTLING_S = 5.0
"""Time constant of the rate: after so long a new speed makes up 63 % of what is shown."""

SAMPLE_S = 0.25


class Rate:
    """Bytes a second as a moving average, exponential in time. Not thread-safe: the board locks."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._bytes = 0
        self._average = 0.0
        self._weight = 0.0

    def add(self, count: int, now: float) -> None:
        """Count bytes that moved."""
        self._bytes += count
        if now - self._since >= SAMPLE_S:
            self._average, self._weight = self._folded(now)
            self._since, self._bytes = now, 0

    def value(self, now: float) -> float:
        """Bytes a second; it decays while nothing moves."""
        if now - self._since < SAMPLE_S:
            average, weight = self._average, self._weight
        else:
            average, weight = self._folded(now)
        # Divided by its weight, or a young average would start from zero and creep up.
        return max(average / weight, 0.0) if weight else 0.0

    def _folded(self, now: float) -> tuple[float, float]:
        elapsed = now - self._since
        share = 1.0 - math.exp(-elapsed / SETTLING_S)
        current = self._bytes / elapsed
        return self._average * (1 - share) + current * share, self._weight * (1 - share) + share


class Transfer:
    """One running transfer. End it exactly when it is over, or use it as a context manager."""

    def __init__(self, board: TransferBoard, *, pair: str, path: str, direction: str, total_bytes: int) -> None:
        self._board = board
        self.pair = pair
        self.path = path
        self.direction = direction
        self.total_bytes = total_bytes
        self.done_bytes = 0
        self.rate = Rate(board.clock.monotonic())

    def advance(self, count: int) -> None:
        """So many more bytes are done; negative where a retry starts a piece again."""
        self._board.advance(self, count)

    def end(self) -> None:
        """Take it off the board. Twice is fine."""
        self._board.end(self)

    def row(self, now: float) -> dict[str, object]:
        """As status shows it. `eta_seconds` is None while nothing moves."""
        rate = self.rate.value(now)
        left = max(self.total_bytes - self.done_bytes, 0)
        return {
            "pair": self.pair,
            "path": self.path,
            "direction": self.direction,
            "done_bytes": self.done_bytes,
            "total_bytes": self.total_bytes,
            "bytes_per_second": round(rate),
            "eta_seconds": round(left / rate, 1) if rate >= 1 else None,
        }

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()


class TransferBoard:
    """Every running transfer, by any thread. `ports.Transfers`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._running: dict[Transfer, None] = {}
        self._rate = Rate(clock.monotonic())
        self._moved = 0
        self._ended = 0

    def begin(self, *, pair: str, path: str, direction: str, total_bytes: int) -> Transfer:
        """Put a transfer on the board.."""
        transfer = Transfer(self, pair=pair, path=path, direction=direction, total_bytes=total_bytes)
        with self._lock:
            self._running[transfer] = None
        return transfer

    def moved(self, size: int) -> None:
        """Count a small file that came through whole: it has no row."""
        now = self.clock.monotonic()
        with self._lock:
            self._moved += size
            self._ended += 1
            self._rate.add(size, now)

    def advance(self, transfer: Transfer, count: int) -> None:
        """Count bytes of one transfer (through `Transfer.advance`)."""
        now = self.clock.monotonic()
        with self._lock:
            transfer.done_bytes = max(transfer.done_bytes + count, 0)
            transfer.rate.add(count, now)
            self._moved += count
            self._rate.add(count, now)

    def end(self, transfer: Transfer) -> None:
        """Take one off (through `Transfer.end`)."""
        with self._lock:
            if transfer in self._running:
                del self._running[transfer]
                self._ended += 1

    def snapshot(self) -> list[dict[str, object]]:
        """The running ones, oldest first, as `status` shows them."""
        now = self.clock.monotonic()
        with self._lock:
            return [transfer.row(now) for transfer in self._running]

    def totals(self) -> dict[str, int]:
        """Since the start: `moved_bytes`, transfers `ended` and `running`; and `bytes_per_second` of all now."""
        now = self.clock.monotonic()
        with self._lock:
            return {
                "moved_bytes": self._moved,
                "ended": self._ended,
                "running": len(self._running),
                "bytes_per_second": round(self._rate.value(now)),
            }
