"""Which limit on the rate holds at which time of the day, and when the next one comes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

MINUTES_A_DAY = 24 * 60
MINUTE_S = 60.0
LOOK_AHEAD = 26 * 60
"""Minutes: a day, and the hours that a change of the clocks adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes a second each way. None: no limit."""

    up: int | None = None
    down: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """From that minute of the day on these limits hold."""

    minute: int
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The limits of a day, by rising minutes, each once. Without an entry there is no limit at any time."""

    entries: tuple[Entry, ...] = ()

    def at(self, local: datetime) -> Limits:
        """What holds at a local time. Before the first entry of a day the last one of the day before still does."""
        if not self.entries:
            return Limits()
        minute = local.hour * 60 + local.minute
        begun = [entry for entry in self.entries if entry.minute <= minute]
        return (begun or self.entries)[-1].limits

    def changes_at(self, now: float, local: Callable[[float], datetime]) -> float | None:
        """The first second after `now` at which other limits hold. None: these stay.

        `local` gives the wall clock of a second: a minute which the clocks skip, or show twice, is what they say.
        """
        if len({entry.limits for entry in self.entries}) < 2:
            return None
        held, minute = self.at(local(now)), now - now % MINUTE_S
        for step in range(1, LOOK_AHEAD + 1):
            moment = minute + step * MINUTE_S
            if self.at(local(moment)) != held:
                return moment
        return None

    @property
    def limited(self) -> bool:
        """Whether there is a limit at any time."""
        return any(entry.limits != Limits() for entry in self.entries)


NO_LIMIT = Timetable()

TERM = re.compile(
    r"""\s*,?\s*
    (?: (?P<time>\d{1,2}:\d{2})
      | (?P<way>up|down)
      | (?P<rate>off|[\d.]+\s*[a-z]+/s)
    )(?=[\s,]|$)""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)


class BadTimetable(ValueError):
    """A text that is none; why, in words."""


def read_timetable(text: str, rate: Callable[[str], int]) -> Timetable:
    """Read "off", "50MB/s", "up 20MB/s, down off" or "08:00 20MB/s, 19:00 off". `rate` reads one rate.

    A way that is not named has no limit. Raises BadTimetable, and what `rate` raises.
    """
    timed: dict[int, dict[str, int | None]] = {}
    minute, way, place = -1, "", 0
    while place < len(text.rstrip()):
        found = TERM.match(text, place)
        if found is None:
            raise BadTimetable("")
        place = found.end()
        if found["time"]:
            _whole(timed.get(minute, {"": None}), way)
            minute = _minute(found["time"])
            if minute in timed:
                raise BadTimetable(f"names {found['time']} twice")
            if -1 in timed:
                raise BadTimetable("begins without a time of day and goes on with one")
            timed[minute] = {}
        elif found["way"]:
            _whole({"": None}, way)
            way = found["way"].lower()
        else:
            ways = timed.setdefault(minute, {})
            if way in ways or "" in ways or (not way and ways):
                raise BadTimetable("names the same limit twice")
            ways[way], way = None if found["rate"].lower() == "off" else rate(found["rate"]), ""
    _whole(timed.get(minute, {}), way)
    return Timetable(entries=tuple(_entry(at, timed[at]) for at in sorted(timed)))


def _whole(ways: dict[str, int | None], way: str) -> None:
    """Refuse a time or a way without its limit."""
    if way or not ways:
        raise BadTimetable("")


def _minute(text: str) -> int:
    hour, minute = (int(part) for part in text.split(":"))
    if hour > 23 or minute > 59:
        raise BadTimetable(f"names {text}, which is no time of a day (00:00 to 23:59)")
    return hour * 60 + minute


def _entry(minute: int, ways: dict[str, int | None]) -> Entry:
    both = ways.get("")
    return Entry(minute=max(minute, 0), limits=Limits(up=ways.get("up", both), down=ways.get("down", both)))


def write_timetable(table: Timetable, rate: Callable[[int], str]) -> str:
    """Write it so that `read_timetable` reads the same."""
    if not table.entries:
        return "off"
    if len(table.entries) == 1 and not table.entries[0].minute:
        return _limits(table.entries[0].limits, rate)
    return ", ".join(f"{e.minute // 60:02d}:{e.minute % 60:02d} {_limits(e.limits, rate)}" for e in table.entries)


def _limits(limits: Limits, rate: Callable[[int], str]) -> str:
    up, down = ("off" if each is None else rate(each) for each in (limits.up, limits.down))
    return up if up == down else f"up {up} down {down}"
