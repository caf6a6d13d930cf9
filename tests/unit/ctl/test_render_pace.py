"""What a person sees of limits on the rate, and of endpoints that asked to go slower."""

from __future__ import annotations

from datetime import datetime, timezone

from support.stub_daemon import status_row
from synctl.render_pace import pace_parts
from synctl.render_status import render_status
from synctl.screen import Look

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
DAY = {"endpoint": "", "up": 20_000_000, "down": None, "until": "2026-11-27T19:00:00Z"}


def test_a_limit_is_shown_with_how_long_it_still_holds() -> None:
    assert pace_parts({"limits": [DAY]}, NOW) == ["bandwidth ↑ 20 MB/s ↓ off, for 7 h more"]


def test_a_limit_that_is_still_to_come_is_shown_too() -> None:
    assert pace_parts({"limits": [{**DAY, "up": None}]}, NOW) == ["bandwidth off, for 7 h more"]


def test_several_are_told_apart_by_their_endpoints() -> None:
    other = {"endpoint": "http://s3.test", "up": 1_000_000, "down": 1_000_000, "until": None}
    assert pace_parts({"limits": [DAY, other]}, NOW)[1] == "bandwidth to http://s3.test ↑ 1.0 MB/s ↓ 1.0 MB/s"


def test_an_endpoint_that_asked_to_go_slower_is_named() -> None:
    slowed = [{"endpoint": "", "requests_per_second": 139.6}]
    assert pace_parts({"slowed": slowed}, NOW) == ["AWS asked to go slower: 140 requests/s"]


def test_nothing_is_said_where_nothing_holds_it_back() -> None:
    free = status_row(pace={"threads": 4, "limits": [], "slowed": [], "yields": "nice 10"})
    look = Look(width=80)
    assert render_status(free, NOW, look) == render_status(status_row(), NOW, look)
    held = status_row(pace={"threads": 4, "limits": [DAY], "slowed": [], "yields": "nice 10"})
    assert "\nbandwidth ↑ 20 MB/s ↓ off" in render_status(held, NOW, look)
