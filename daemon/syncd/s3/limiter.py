"""How fast requests go to an endpoint: as fast as they come, until it refuses some; then as fast as it bears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncd.core.aimd import Flow
from syncd.s3.lane import Lane

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REFUSALS = frozenset({429, 500, 502, 503, 504, 509})
SLOW_DOWN = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
BURST_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LimiterState:
    """What `status` shows. `rate`: requests a second that are let through, None for any number."""

    rate: float | None
    refused: int
    cuts: int


class Limiter:
    """One for an endpoint, whoever sends there, retries included. Thread-safe.

    `before` waits, and ends early where all is abandoned.
    """

    def __init__(self, *, clock: Callable[[], float], rest: Callable[[float], bool]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flow = Flow()
        self._lane = Lane(self._rate, burst_s=BURST_S, clock=clock, rest=rest)
        self._refused = 0
        self._cuts = 0

    def before(self) -> None:
        """A request is about to leave: return when it may."""
        if self._flow.rate is not None:
            self._lane.pass_through(1)

    def succeeded(self) -> None:
        """It was answered, with whatever but a refusal."""
        with self._lock:
            self._flow.answer(self._clock(), refused=False)

    def throttled(self) -> None:
        """It was refused: SlowDown, 429 or 5xx."""
        with self._lock:
            self._refused += 1
            self._cuts += self._flow.answer(self._clock(), refused=True)

    def state(self) -> LimiterState:
        """What holds now."""
        with self._lock:
            rate = self._flow.rate_at(self._clock())
            return LimiterState(rate=rate, refused=self._refused, cuts=self._cuts)

    def attach(self, client: S3Client) -> None:
        """Let every attempt of that client, retries included, pass through here."""
        events = client.meta.events
        events.register("before-send.s3", self._sent, unique_id="syncd-limited")
        events.register("response-received.s3", self._received, unique_id="syncd-limit-learnt")

    def _rate(self, now: float) -> float | None:
        with self._lock:
            return self._flow.rate_at(now)

    def _sent(self, **_: object) -> None:
        self.before()

    def _received(self, *, parsed_response: Any, **_: object) -> None:
        if parsed_response is None:  # no answer: that says nothing of how much it bears
            return
        status = parsed_response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status in REFUSALS or parsed_response.get("Error", {}).get("Code") in SLOW_DOWN:
            self.throttled()
        else:
            self.succeeded()
