r"""An event as one RFC 5424 message: header, structured data with every field, and a sentence for a person.

`[syncd@32473 pair="logs" path="a.gz"]`: 32473 is the number that RFC 5612 keeps for those without one of their own.
Values are UTF-8 in which a control character, a backslash and a byte that is no UTF-8 are escaped as in the journal
(`\x0a`); then `"`, `\` and `]` get the backslash that structured data asks for, which its parser takes away again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from syncd.lifecycle.lines import PRIORITIES, EventDict, escape, rfc3339, spoken

FACILITY = 3  # system daemons
APP_NAME = "syncd"
SD_ID = "syncd@32473"
VALUE_BYTES = 2048
DATA_BYTES = 6000
MESSAGE_BYTES = 1500  # with header and data below the 8 KiB that rsyslog takes by default
CUT = "…"

_OURS = frozenset({"event", "level", "at"})
_NOT_IN_A_NAME = re.compile(r"[^!-~]|[=\"\]]")
_NOT_IN_A_HEADER = re.compile(r"[^!-~]")
_ESCAPED = str.maketrans({'"': '\\"', "\\": "\\\\", "]": "\\]"})
_AS_IT_IS: Mapping[int, str] = {}


class SyslogLines:
    """`<PRI>1 TIME HOST syncd PID EVENT [syncd@32473 ...] words`, without a line end. At most some 8,000 bytes."""

    def __init__(self, *, hostname: str, pid: int) -> None:
        self._hostname = _header(hostname, 255)
        self._pid = _header(str(pid), 128)

    def __call__(self, _logger: object, _method: str, event: EventDict) -> str:
        """Render one event."""
        name = str(event["event"])
        priority = FACILITY * 8 + PRIORITIES.get(event["level"], 6)
        head = f"<{priority}>1 {rfc3339(event['at'])} {self._hostname} {APP_NAME} {self._pid} {_header(name, 32)}"
        return f"{head} {_data(event)} {_bounded(_words(name, event), MESSAGE_BYTES, _AS_IT_IS)}"


def _header(text: str, most: int) -> str:
    """A field of the header: printable ASCII without blanks, `-` where there is nothing."""
    return _NOT_IN_A_HEADER.sub("_", text)[:most] or "-"


def _data(event: Mapping[str, Any]) -> str:
    """The structured data: every field that fits, in order; `-` where there is none."""
    pairs = "".join(_params(event))
    return f"[{SD_ID}{pairs}]" if pairs else "-"


def _params(event: Mapping[str, Any]) -> Iterator[str]:
    room = DATA_BYTES
    for name, value in event.items():
        if name in _OURS or value is None:
            continue
        text = value if isinstance(value, str) else spoken(value)
        param = f' {_NOT_IN_A_NAME.sub("_", name)[:32]}="{_bounded(text, VALUE_BYTES, _ESCAPED)}"'
        room -= len(param.encode())
        if room < 0:
            return
        yield param


def _words(name: str, event: Mapping[str, Any]) -> str:
    """What happened, in words: `transfer failed: logs a.gz: connection refused (what to do)`."""
    said = [name.replace(".", " ").replace("_", " ")]
    what = " ".join(str(event[each]) for each in ("pair", "worker", "path", "key") if event.get(each))
    why = next((str(event[each]) for each in ("error", "reason", "message") if event.get(each)), "")
    hint = f" ({event['hint']})" if event.get("hint") else ""
    return ": ".join([*said, *(part for part in (what, why) if part)]) + hint


def _bounded(text: str, most: int, table: Mapping[int, str]) -> str:
    """The text escaped, in at most so many bytes; what does not fit is cut at a character, and seen to be."""
    if len(text) <= most:
        whole = escape(text).translate(table)
        if len(whole.encode()) <= most:
            return whole
    pieces: list[str] = []
    room = most - len(CUT.encode())
    for character in text[:most]:
        piece = escape(character).translate(table)
        room -= len(piece.encode())
        if room < 0:
            break
        pieces.append(piece)
    return "".join(pieces) + CUT
