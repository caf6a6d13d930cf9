"""How fast the daemon goes: what the pool of transfers measures itself by, and what `status` says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syncd.config.types import Config
from syncd.core.timetable import Limits
from syncd.engine.adaptive import Reading
from syncd.engine.pool import Pool
from syncd.lifecycle.transfers import TransferBoard
from syncd.runtime.scale import MOST_THREADS, threads_for
from syncd.runtime.times import rfc3339
from syncd.s3.paces import Paces


def pool_for(config: Config, board: TransferBoard, paces: Paces) -> Pool:
    """The threads that move bytes for that configuration."""
    return Pool(threads_for(config, gauge_of(board, paces)))


def gauge_of(board: TransferBoard, paces: Paces) -> Callable[[], Reading]:
    """Reads what moved, what was refused, and how many transfers a limit on the rate leaves of use."""

    def read() -> Reading:
        totals = board.totals()
        return Reading(
            ended=totals["ended"],
            moved=totals["moved_bytes"],
            refused=paces.refused(),
            most=paces.most(MOST_THREADS),
        )

    return read


@dataclass(frozen=True, slots=True)
class PaceStatus:
    """The row `pace` of `status`. `yields`: what the process leaves to its neighbours, in words."""

    paces: Paces
    pool: Pool
    yields: str

    def row(self) -> dict[str, Any]:
        """As it is now."""
        held = [(endpoint, meter.limits, meter.until()) for endpoint, meter in self.paces.meters()]
        slowed = [(endpoint, limiter.state()) for endpoint, limiter in sorted(self.paces.limiters().items())]
        return {
            "threads": self.pool.threads,
            "limits": [_limit(endpoint, limits, until) for endpoint, limits, until in held],
            "slowed": [
                {"endpoint": endpoint, "requests_per_second": round(state.rate, 1)}
                for endpoint, state in slowed
                if state.rate is not None
            ],
            "yields": self.yields,
        }


def _limit(endpoint: str, limits: Limits, until: float | None) -> dict[str, Any]:
    return {"endpoint": endpoint, "up": limits.up, "down": limits.down, "until": rfc3339(until)}
