"""Amounts as people write them: durations, sizes, rates and the guard on deletions, read and written back."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation

from syncd.config.types import MaxDelete
from syncd.core.timetable import NO_LIMIT, BadTimetable, Timetable, read_timetable

MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
LONGEST = timedelta(days=3650)
BINARY = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
DECIMAL = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "KB": 10**3}
UNITS = {**BINARY, **DECIMAL, "B": 1}
LARGEST = (1 << 63) - 1

DURATION = 'a duration such as "250ms", "60s", "1h30m", or a number of seconds'
SIZE = 'a size such as "64MiB", "10MB", or a number of bytes'
RATE = 'a rate such as "50MB/s"'
BANDWIDTH = '"off", a rate "50MB/s", one each way "up 20MB/s, down off", or a timetable "08:00 20MB/s, 19:00 off"'
DELETIONS = 'a share "10%", a count 500, a count an hour "500/h", several of them "10%, 500/h", or "off"'

_NUMBER = re.compile(r"\d{1,19}(?:\.\d{1,9})?", re.ASCII)
_DURATION_PART = re.compile(r"(\d{1,19}(?:\.\d{1,9})?)\s*(ms|[dhms])\s*", re.ASCII)
_SIZE = re.compile(r"(\d{1,19}(?:\.\d{1,9})?)\s*([A-Za-z]*)", re.ASCII)


class Unreadable(ValueError):
    """A value that means nothing to us. The text says what is wrong and what is allowed."""


def quote(value: object) -> str:
    """The value as a person wrote it in TOML, cut where it is long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in value[:61])
        return f'"{shown}"' if len(value) <= 60 else f'"{shown[:60]}…"'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**30) else "this value"
    return text[:60]


def _refused(value: object, allowed: str) -> Unreadable:
    return Unreadable(f"{quote(value)} is not {allowed}")


def _decimal(value: object) -> Decimal | None:
    """The number that a bare value is; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    if isinstance(value, int) and abs(value) > 10**30:
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def parse_duration(value: object) -> timedelta:
    """Read "250ms", "60s", "1h30m" or a bare number of seconds; whole milliseconds, at most ten years."""
    bare = _decimal(value)
    if bare is not None:
        amount = bare * 1000
    elif isinstance(value, str):
        amount = _units_of_time(value)
    else:
        raise _refused(value, DURATION)
    if amount < 0:
        raise Unreadable(f"{quote(value)} is negative; write {DURATION}")
    if amount > Decimal(LONGEST // timedelta(milliseconds=1)):
        raise Unreadable(f"{quote(value)} is too long; at most {LONGEST.days}d")
    if amount != int(amount):
        raise Unreadable(f"{quote(value)} is finer than 1ms")
    return timedelta(milliseconds=int(amount))


def _units_of_time(text: str) -> Decimal:
    """Milliseconds of "1h30m": each unit once, the larger before the smaller."""
    body = text.strip()
    amount, place, last = Decimal(0), 0, MILLISECONDS["d"] + 1
    while place < len(body):
        match = _DURATION_PART.match(body, place)
        if match is None or MILLISECONDS[match[2]] >= last:
            raise _refused(text, DURATION)
        last = MILLISECONDS[match[2]]
        amount += Decimal(match[1]) * last
        place = match.end()
    if not body:
        raise _refused(text, DURATION)
    return amount


def format_duration(duration: timedelta) -> str:
    """Write a duration (whole milliseconds) so that `parse_duration` reads the same."""
    left = duration // timedelta(milliseconds=1)
    if left == 0:
        return "0s"
    text = ""
    for unit, length in MILLISECONDS.items():
        count, left = divmod(left, length)
        text += f"{count}{unit}" if count else ""
    return text


def parse_size(value: object, *, bare: int = 1) -> int:
    """Read "64MiB", "10MB" or a bare number, which counts `bare` bytes. Whole bytes below 2^63. Raises Unreadable."""
    number = _decimal(value)
    if number is not None:
        amount = number * bare
    elif isinstance(value, str):
        amount = _units_of_size(value)
    else:
        raise _refused(value, SIZE)
    if amount < 0:
        raise Unreadable(f"{quote(value)} is negative; write {SIZE}")
    if amount > LARGEST:
        raise Unreadable(f"{quote(value)} is too large")
    if amount != int(amount):
        raise Unreadable(f"{quote(value)} is no whole number of bytes")
    return int(amount)


def _units_of_size(text: str) -> Decimal:
    """Bytes of "64MiB"; the case of the unit is free."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise _refused(text, SIZE)
    units = {unit.lower(): length for unit, length in UNITS.items()}
    unit = match[2].lower()
    if unit in {"k", "m", "g", "t"}:
        big = unit.upper()
        raise Unreadable(f"{quote(text)} can mean two things; write {match[1]}{big}iB or {match[1]}{big}B")
    if unit not in units:
        raise _refused(text, SIZE)
    return Decimal(match[1]) * units[unit]


def format_size(size: int) -> str:
    """Write a size in bytes so that `parse_size` reads the same."""
    for unit, length in UNITS.items():
        if size >= length and size % length == 0:
            return f"{size // length}{unit}"
    return f"{size}B"


def parse_rate(value: object) -> int:
    """Read "50MB/s" as bytes a second, over 0. Raises Unreadable."""
    if not isinstance(value, str) or not value.strip().lower().endswith("/s"):
        raise _refused(value, RATE)
    rate = parse_size(value.strip()[:-2])
    if rate == 0:
        raise Unreadable(f'{quote(value)} would let nothing through; write "off" for no limit')
    return rate


def format_rate(rate: int) -> str:
    """Write bytes a second so that `parse_rate` reads the same."""
    return f"{format_size(rate)}/s"


def parse_bandwidth(value: object) -> Timetable:
    """Read "off", "50MB/s", "up 20MB/s, down off" or "08:00 20MB/s, 19:00 off". Raises Unreadable."""
    if not isinstance(value, str) or not value.strip():
        raise _refused(value, BANDWIDTH)
    try:
        table = read_timetable(value, parse_rate)
    except BadTimetable as error:
        if not str(error):
            raise _refused(value, BANDWIDTH) from error
        raise Unreadable(f"{quote(value)} {error}; write {BANDWIDTH}") from error
    return table if table.limited else NO_LIMIT


def parse_percentage(value: object) -> float:
    """Read "10%" as 0.1; 0 to 100. Raises Unreadable."""
    number = _decimal(value.strip()[:-1]) if isinstance(value, str) and value.strip().endswith("%") else None
    if number is None:
        raise _refused(value, 'a percentage such as "10%"')
    if not 0 <= number <= 100:
        raise Unreadable(f"{quote(value)} is not between 0% and 100%")
    return float(number / 100)


def parse_max_delete(value: object) -> MaxDelete:
    """Read "10%", 500, "500/h", "10%, 500/h" or "off". What is not named does not halt. Raises Unreadable."""
    if isinstance(value, int) and not isinstance(value, bool):
        return MaxDelete(share=None, count=_count(value, value))
    if not isinstance(value, str):
        raise _refused(value, DELETIONS)
    if value.strip().lower() == "off":
        return MaxDelete(share=None)
    share: float | None = None
    count: int | None = None
    per_hour: int | None = None
    named: list[str] = []
    for term in (part.strip() for part in value.split(",")):
        if term.endswith("%"):
            share = parse_percentage(term)
            named.append("share")
        elif term.endswith("/h"):
            per_hour = _count(term[:-2].strip(), value)
            named.append("count an hour")
        else:
            count = _count(term, value)
            named.append("count")
    if len(set(named)) < len(named):
        raise Unreadable(f"{quote(value)} names the same limit twice")
    return MaxDelete(share=share, count=count, per_hour=per_hour)


def _count(term: object, value: object) -> int:
    """A whole number from 0 to 10^12."""
    number = _decimal(term)
    if number is None or number != int(number) or not 0 <= number <= 10**12:
        raise _refused(value, DELETIONS)
    return int(number)


def format_max_delete(limit: MaxDelete) -> str:
    """Write the guard so that `parse_max_delete` reads the same."""
    terms = []
    if limit.share is not None:
        terms.append(f"{(Decimal(repr(limit.share)) * 100).normalize():f}%")
    if limit.count is not None:
        terms.append(str(limit.count))
    if limit.per_hour is not None:
        terms.append(f"{limit.per_hour}/h")
    return ", ".join(terms) or "off"


def parse_switch(text: str) -> bool:
    """Read the booleans of variables: true false 1 0 yes no, in any case. Raises Unreadable."""
    word = text.strip().lower()
    if word in {"true", "1", "yes"}:
        return True
    if word in {"false", "0", "no"}:
        return False
    raise Unreadable(f"{quote(text)} is not one of true false 1 0 yes no")
