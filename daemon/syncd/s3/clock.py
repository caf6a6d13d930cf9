"""What time it is on the server, by the Date header of its last answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

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

    def now(self) -> float:
        """Seconds since the epoch on the server; our own before any answer."""
        seen = self._seen
        return self._now() if seen is None else seen[0] + (self._monotonic() - seen[1])

    def attach(self, client: S3Client) -> None:
        """Read the Date of every answer of that client from now on. Twice is once."""
        client.meta.events.register("response-received.s3", self._received, unique_id=f"syncd-clock-{id(self)}")

    def _received(self, *, response_dict: Any, **_: object) -> None:
        if response_dict is None:
            return
        date = response_dict["headers"].get("date")
        if date is None:
            return
        try:
            said = parsedate_to_datetime(date)
        except ValueError:  # a Date that is none tells nothing
            return
        if said.tzinfo is None:
            said = said.replace(tzinfo=timezone.utc)
        self._seen = (said.timestamp(), self._monotonic())
