"""How times are written for others: RFC 3339 in UTC."""

from __future__ import annotations

import math
from datetime import datetime, timezone

LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp()


def rfc3339(seconds: float | None) -> str | None:
    """Seconds since the epoch as text; None stays None, and infinity is None too (for ever).

    What lies beyond the calendar is its last second: one odd value in the database must not take the status away.
    """
    if seconds is None or math.isinf(seconds):
        return None
    return (
        datetime.fromtimestamp(min(seconds, LATEST), timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


def rfc3339_day(seconds: float) -> str:
    """The UTC day of that moment, "2026-11-21"."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d")
