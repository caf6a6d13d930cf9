"""What time it is on the server, by the Date header of its last answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from syncd.s3.facts import http_seconds

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ServerClock:
    """The clock of one endpoint: its last Date header, carried on by our monotonic clock."""

    def __init__(
        self, *, now: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._monotonic = monotonic
        self._seen: tuple[float, float] | None = None
        self._last = ""

    def now(self) -> float:
        """Seconds since the epoch on the server; our own before any answer."""
        seen = self._seen
        return self._now() if seen is None else seen[0] + (self._monotonic() - seen[1])

    def attach(self, client: S3Client) -> None:
        """Read the Date of every answer of that client from now on. Twice is once."""
        client.meta.events.register("response-received.s3", self._received, unique_id=f"syncd-clock-{id(self)}")

    def heard(self, date: str) -> None:
        """That Date header came just now. One that is none tells nothing; the same again is older than it was."""
        if date == self._last:
            return
        self._last = date
        said = http_seconds(date)
        if said is not None:
            self._seen = (float(said), self._monotonic())

    def _received(self, *, response_dict: Any, **_: object) -> None:
        if response_dict is not None:
            self.heard(response_dict["headers"].get("date") or "")
