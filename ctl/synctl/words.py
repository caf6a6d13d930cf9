"""Values in words: durations, sizes, names from the world. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta, timezone

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
SPANS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "ms": 0.001}
LONGEST = 100 * 365 * 86400.0


def printable(text: object) -> str:
    """A name or message that cannot move the cursor, end a line or turn the direction of writing."""
    raw = str(text)
    if raw.isprintable():
        return raw
    return "".join(c if c.isprintable() else _escaped(c) for c in raw)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a name that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def columns(text: str) -> int:
    """How many cells of a terminal printable text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, width: int) -> str:
    """Printable text cut in its middle to at most `width` cells."""
    if columns(text) <= width:
        return text
    if width <= 1:
        return "…"[:width]
    head, tail = (width - 1) // 3, width - 1 - (width - 1) // 3
    return f"{_cut(text, head)}…{_cut(text[::-1], tail)[::-1]}"


def _cut(text: str, width: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += columns(character)
        if used > width:
            return text[:index]
    return text


def pad(text: str, width: int) -> str:
    """Text filled with blanks to `width` cells."""
    return text + " " * max(0, width - columns(text))


def duration(seconds: float) -> str:
    """`14 s`, `4 m`, `3 h 5 m`, `3 d 4 h`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m"
    if whole < 86400:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} m" if whole % 3600 >= 60 else "")
    return f"{whole // 86400} d" + (f" {whole % 86400 // 3600} h" if whole % 86400 >= 3600 else "")


def size(count: float) -> str:
    """`512 B`, `41.2 MB`, `150 GB`: powers of 1000."""
    value, unit = float(max(0, count)), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    if unit == 0 or value >= 99.95:
        return f"{value:.0f} {UNITS[unit]}"
    return f"{value:.1f} {UNITS[unit]}"


def rate(bytes_per_second: float) -> str:
    """`18 MB/s`, `1.5 MB/s`."""
    text = size(bytes_per_second)
    number, _, unit = text.partition(" ")
    return f"{float(number):.0f} {unit}/s" if float(number) >= 10 else f"{text}/s"


def count(number: int) -> str:
    """`41,230`."""
    return f"{number:,}"


def plural(number: int, one: str, many: str) -> str:
    """`1 file`, `3 files`."""
    return f"{count(number)} {one if number == 1 else many}"


def moment(text: str | None) -> datetime | None:
    """An RFC 3339 time; None for none, or for what is no time."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def since(text: str | None, now: datetime) -> float | None:
    """Seconds from an RFC 3339 time until now (negative: still to come); None where there is no time."""
    then = moment(text)
    return None if then is None else (now - then).total_seconds()


def seconds_of(text: str) -> float:
    """Parse `90`, `90s`, `2h`, `1h30m`. Bare numbers are seconds. ValueError for anything else."""
    pieces = re.findall(r"(\d+(?:\.\d+)?)\s*(ms|[smhdw]?)\s*", text.strip().lower())
    if not pieces or "".join(re.split(r"\s+", text.lower())) != "".join(n + u for n, u in pieces):
        raise ValueError(f"{text!r} is no duration: write 90s, 5m, 2h or 1d")
    total = sum(float(number) * SPANS[unit] for number, unit in pieces)
    if total > LONGEST:
        raise ValueError(f"{text!r} is longer than a life")
    return total


def instant_of(text: str, now: datetime) -> str:
    """Parse `2h` (that long ago) or an RFC 3339 time; the result is RFC 3339 in UTC. ValueError for anything else."""
    try:
        then = now - timedelta(seconds=seconds_of(text))
    except ValueError:
        parsed = moment(text)
        if parsed is None:
            raise ValueError(f"{text!r} is no time: write 2h, 1d or 2026-11-20T13:00:00Z") from None
        then = parsed
    return then.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
