"""The meters and limiters of the daemon: a limiter for each endpoint, a meter for each limit that is set there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncd.config.types import S3, Config
from syncd.core.timetable import Timetable
from syncd.ports import Clock
from syncd.s3.limiter import Limiter
from syncd.s3.meter import Meter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

EACH = 256 * 1024
"""Bytes a second that a transfer needs, lest the server takes one that waits for its turn for a dead one."""

FEWEST = 4


@dataclass(frozen=True, slots=True)
class Pace:
    """What the requests of a section pass through."""

    meter: Meter
    limiter: Limiter

    def attach(self, client: S3Client) -> None:
        """Let every request of that client pass."""
        self.limiter.attach(client)
        self.meter.attach(client)


class Paces:
    """Gives each section its pace. Thread-safe. Sections of one endpoint with the same limit share it."""

    def __init__(self, clock: Clock, rest: Callable[[float], bool]) -> None:
        self._clock = clock
        self._rest = rest
        self._lock = threading.Lock()
        self._limiters: dict[str, Limiter] = {}
        self._meters: dict[tuple[str, Timetable], Meter] = {}

    def of(self, settings: S3) -> Pace:
        """The pace of that endpoint and limit, made where it is the first of its kind."""
        endpoint, table = settings.endpoint_url, settings.bandwidth
        with self._lock:
            if endpoint not in self._limiters:
                self._limiters[endpoint] = Limiter(clock=self._clock.monotonic, rest=self._rest)
            if (endpoint, table) not in self._meters:
                self._meters[endpoint, table] = Meter(table, clock=self._clock, rest=self._rest)
            return Pace(self._meters[endpoint, table], self._limiters[endpoint])

    def keep(self, config: Config) -> None:
        """From now on the limits of that configuration are what counts; what runs under another one ends under it."""
        every = [*(pair.s3 for pair in config.pairs), *(batch.s3 for batch in config.batches)]
        for settings in every:
            self.of(settings)
        wanted = {(settings.endpoint_url, settings.bandwidth) for settings in every}
        with self._lock:
            self._meters = {key: meter for key, meter in self._meters.items() if key in wanted}

    def refused(self) -> int:
        """How often any endpoint asked to go slower."""
        return sum(limiter.state().refused for limiter in self.limiters().values())

    def most(self, otherwise: int) -> int:
        """How many transfers at once the limits leave of use."""
        rates = [rate for _, meter in self.meters() for rate in (meter.limits.up, meter.limits.down) if rate]
        return min([otherwise, *(max(FEWEST, rate // EACH) for rate in rates)])

    def meters(self) -> list[tuple[str, Meter]]:
        """Those that limit anything at any time, with their endpoints."""
        with self._lock:
            return [(endpoint, meter) for (endpoint, table), meter in self._meters.items() if table.limited]

    def limiters(self) -> dict[str, Limiter]:
        """Each endpoint's."""
        with self._lock:
            return dict(self._limiters)
