"""Every form of a log line, fed names that were chosen to do harm: one line, nothing that steers, nothing forged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.hostile import NAMES, harm_in
from syncd.lifecycle.lines import ConsoleLines, JournalLines, JsonLines
from syncd.lifecycle.rfc5424 import SyslogLines

FIELDS = (
    "pair",
    "path",
    "key",
    "error",
    "reason",
    "hint",
    "message",
    "traceback",
    "kept_at",
    "worker",
    "odd\x1b[2J\nname",
)
TEXTS = {**NAMES, "broken UTF-8": "bad-\udcff\udcfe\udc9b31m.gz", "NUL": "nul\0end"}
RENDERERS = {
    "journal": JournalLines(),
    "console": ConsoleLines(colours=False),
    "syslog": SyslogLines(hostname="lt\n07\x1b", pid=812),
}


def event(text: str, name: str = "transfer.failed") -> dict[str, Any]:
    return {"event": name, "level": "warning", "at": 1_763_000_000.5, **dict.fromkeys(FIELDS, text)}


@pytest.mark.parametrize("form", RENDERERS)
@pytest.mark.parametrize("kind", TEXTS)
def test_no_field_breaks_a_line_or_steers_a_terminal(form: str, kind: str) -> None:
    line = RENDERERS[form](None, "", event(TEXTS[kind]))
    assert "\n" not in line
    assert harm_in(line) == []
    assert line.encode("utf-8")  # what is no UTF-8 was escaped


@pytest.mark.parametrize("form", RENDERERS)
def test_the_name_of_an_event_does_neither(form: str) -> None:
    line = RENDERERS[form](None, "", event("a", name="evil\n\x1b[2J.event"))
    assert "\n" not in line
    assert harm_in(line) == []


@pytest.mark.parametrize("kind", TEXTS)
def test_json_is_one_line_and_gives_back_the_very_name(kind: str) -> None:
    line = JsonLines()(None, "", event(TEXTS[kind]))
    assert "\n" not in line
    assert harm_in(line) == []
    assert json.loads(line)["path"] == TEXTS[kind]


@pytest.mark.parametrize("kind", TEXTS)
def test_a_name_cannot_forge_a_field(kind: str) -> None:
    """What reads as a pair in the line is one of ours: a name with blanks or equals signs stands in quotes."""
    line = RENDERERS["journal"](None, "", {"event": "e", "level": "info", "at": 0.0, "path": TEXTS[kind], "last": 1})
    _, _, rest = line.partition(" path=")
    value = rest.rpartition(" last=")[0]
    assert value.startswith('"') == value.endswith('"') == any(c in value.strip('"') for c in " '=\"")
