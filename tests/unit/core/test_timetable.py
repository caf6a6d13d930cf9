"""The timetable of limits: which one holds, across midnight and changes of the clocks, and when the next one comes."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.quantities import format_rate, parse_bandwidth
from syncd.core.timetable import Entry, Limits, Timetable, write_timetable

MB = 1_000_000
BERLIN = ZoneInfo("Europe/Berlin")


def berlin(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=BERLIN)  # type: ignore[arg-type,misc]


READ = [
    ("off", ()),
    ("50MB/s", (Entry(minute=0, limits=Limits(up=50 * MB, down=50 * MB)),)),
    ("up 20MB/s, down off", (Entry(minute=0, limits=Limits(up=20 * MB)),)),
    ("down 1.5 MB/s", (Entry(minute=0, limits=Limits(down=1_500_000)),)),
    (
        "19:00 off, 08:00 20MB/s",
        (Entry(minute=480, limits=Limits(up=20 * MB, down=20 * MB)), Entry(minute=1140, limits=Limits())),
    ),
    (
        "8:00 UP 20MB/s, down 5MB/s, 19:30 Off",
        (Entry(minute=480, limits=Limits(up=20 * MB, down=5 * MB)), Entry(minute=1170, limits=Limits())),
    ),
]


@pytest.mark.parametrize(("text", "entries"), READ, ids=[row[0] for row in READ])
def test_what_people_write_is_read(text: str, entries: tuple[Entry, ...]) -> None:
    assert parse_bandwidth(text) == Timetable(entries=entries)


RATES = st.none() | st.integers(1, 10**12)
ENTRIES = st.builds(Entry, minute=st.integers(0, 1439), limits=st.builds(Limits, up=RATES, down=RATES))


@given(st.lists(ENTRIES, min_size=1, max_size=5, unique_by=lambda entry: entry.minute))
def test_what_is_written_is_read_the_same(entries: list[Entry]) -> None:
    table = Timetable(entries=tuple(sorted(entries, key=lambda entry: entry.minute)))
    again = parse_bandwidth(write_timetable(table, format_rate))
    assert again == (table if table.limited else Timetable())


WORKDAY = parse_bandwidth("08:00 20MB/s, 19:00 off")


@pytest.mark.parametrize(
    ("hour", "minute", "up"),
    [(0, 0, None), (7, 59, None), (8, 0, 20 * MB), (18, 59, 20 * MB), (19, 0, None), (23, 59, None)],
)
def test_an_entry_holds_from_its_minute_until_the_next_one(hour: int, minute: int, up: int | None) -> None:
    assert WORKDAY.at(berlin(2026, 11, 27, hour, minute, 59)).up == up


def test_before_the_first_entry_the_last_one_of_yesterday_still_holds() -> None:
    assert parse_bandwidth("08:00 off, 22:00 1MB/s").at(berlin(2026, 11, 27, 3)).down == MB


def next_change(text: str, now: datetime) -> datetime | None:
    found = parse_bandwidth(text).changes_at(now.timestamp(), lambda at: datetime.fromtimestamp(at, BERLIN))
    return None if found is None else datetime.fromtimestamp(found, timezone.utc)


def test_the_next_change_is_found_on_the_same_day_and_across_midnight() -> None:
    assert next_change("08:00 1MB/s, 19:00 off", berlin(2026, 11, 27, 12, 0, 30)) == berlin(2026, 11, 27, 19)
    assert next_change("08:00 1MB/s, 19:00 off", berlin(2026, 11, 27, 19)) == berlin(2026, 11, 28, 8)


def test_an_entry_that_changes_nothing_is_no_change() -> None:
    assert next_change("08:00 1MB/s, 12:00 1MB/s, 19:00 off", berlin(2026, 11, 27, 9)) == berlin(2026, 11, 27, 19)
    assert next_change("08:00 1MB/s", berlin(2026, 11, 27, 9)) is None
    assert next_change("off", berlin(2026, 11, 27, 9)) is None


def test_a_night_that_loses_or_gains_an_hour_changes_the_way_to_the_next_change() -> None:
    spring, autumn = berlin(2026, 3, 28, 20), berlin(2026, 10, 24, 20)
    for evening, hours in ((spring, 11), (autumn, 13)):
        found = next_change("08:00 1MB/s, 19:00 off", evening)
        assert found is not None
        assert found.timestamp() - evening.timestamp() == hours * 3600


def test_an_entry_in_the_hour_that_the_clocks_skip_holds_from_the_leap_on() -> None:
    leap = datetime(2026, 3, 29, 1, tzinfo=timezone.utc)  # 02:00 becomes 03:00
    assert next_change("02:30 1MB/s, 19:00 off", berlin(2026, 3, 29, 1)) == leap


def test_in_the_hour_that_comes_twice_the_wall_clock_decides() -> None:
    first = datetime(2026, 10, 25, 0, 30, tzinfo=timezone.utc)  # 02:30, the first time
    assert next_change("02:30 1MB/s, 19:00 off", berlin(2026, 10, 25, 1)) == first
