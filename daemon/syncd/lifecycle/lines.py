"""How an event becomes one line: escaping, key=value text, colours, journal priorities."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, MutableMapping
from datetime import datetime, timezone
from typing import Any

PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_RESET = "\x1b[0m"
_OURS = frozenset({"event", "level", "at"})

EventDict = MutableMapping[str, Any]


def escape(text: str) -> str:
    r"""Text that stays on its line and does nothing to a terminal: what is not printable becomes \xNN or \uNNNN.

    A byte of a file name that is no UTF-8 becomes \xNN of that byte.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def pair(name: str, value: object) -> str:
    """`name=value`, quoted where the value has a blank, a quote, an equals sign, or nothing."""
    text = escape(value if isinstance(value, str) else spoken(value))
    if not text or any(character in text for character in " \"'="):
        text = '"' + text.replace('"', '\\"') + '"'
    return f"{escape(name)}={text}"


def spoken(value: object) -> str:
    """A value that is no text, as text: a float with three decimals at most."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def text_line(event: Mapping[str, Any]) -> str:
    """`event key=value ...`, one line."""
    pairs = [pair(name, value) for name, value in event.items() if name not in _OURS and value is not None]
    return " ".join([escape(str(event["event"])), *pairs])


class JournalLines:
    """`<N>event key=value`: the priority prefix of sd-daemon(3); the journal knows the time itself."""

    def __call__(self, _logger: object, _method: str, event: EventDict) -> str:
        """Render one event."""
        return f"<{PRIORITIES.get(event['level'], 6)}>{text_line(event)}"


class ConsoleLines:
    """`HH:MM:SS level event key=value`, in local time; in colour where asked."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: object, _method: str, event: EventDict) -> str:
        """Render one event."""
        level = str(event["level"])
        clock = time.strftime("%H:%M:%S", time.localtime(event["at"]))
        word = f"{level:<7}"
        if self._colours:
            word = f"{_COLOURS.get(level, '')}{word}{_RESET}"
        return f"{clock} {word} {text_line(event)}"


class JsonLines:
    """One JSON object a line: `time` (RFC 3339 UTC), `level`, `event`, then the fields. ASCII, so nothing is lost."""

    def __call__(self, _logger: object, _method: str, event: EventDict) -> str:
        """Render one event."""
        head = {"time": rfc3339(event["at"]), "level": event["level"], "event": event["event"]}
        fields = {name: value for name, value in event.items() if name not in _OURS and name not in head}
        return json.dumps({**head, **fields}, default=str)


def rfc3339(at: float) -> str:
    """Seconds since the epoch as RFC 3339 UTC with milliseconds."""
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
