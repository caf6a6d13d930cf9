"""What holds the daemon back by intent: limits on the rate, endpoints that asked to go slower. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from synctl.words import duration, printable, rate, since

Row = dict[str, Any]


def pace_parts(pace: Row, now: datetime) -> list[str]:
    """The parts of a line; none where nothing holds it back and no limit is to come."""
    limits, slowed = pace.get("limits") or [], pace.get("slowed") or []
    several = len(limits) > 1
    parts = [_limit(each, now, several=several) for each in limits]
    parts += [
        f"{_endpoint(each)} asked to go slower: {float(each.get('requests_per_second') or 0):.0f} requests/s"
        for each in slowed
    ]
    return parts


def _limit(limit: Row, now: datetime, *, several: bool) -> str:
    up, down = limit.get("up"), limit.get("down")
    ways = "off" if not up and not down else f"↑ {_rate(up)} ↓ {_rate(down)}"
    age = since(limit.get("until"), now)
    left = "" if age is None else f", for {duration(max(-age, 0))} more"
    return f"bandwidth{f' to {_endpoint(limit)}' if several else ''} {ways}{left}"


def _rate(value: Any) -> str:
    return rate(value) if value else "off"


def _endpoint(row: Row) -> str:
    return printable(row.get("endpoint") or "AWS")
