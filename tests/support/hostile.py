"""Names and texts that were chosen to do harm, and what a line on a terminal must never hold."""

from __future__ import annotations

import unicodedata

NAMES: dict[str, str] = {
    "a newline": "one\nlogs: forged line.gz",
    "a carriage return": "hidden\rshown.gz",
    "a colour": "red\x1b[45;5m.gz",
    "a title": "title\x1b]0;owned\x07.gz",
    "a cleared screen": "\x1b[2J\x1b[Hclean.gz",
    "a backspace": "ab\b\bcd.gz",
    "a bell and a tab": "bell\a\t.gz",
    "a C1 control": "c1\x9b31m\x85next.gz",
    "a reversed end": "invoice\u202egz.exe",
    "an isolate": "is\u2066olated\u2069.gz",
    "zero width": "zero\u200bwidth\u200d\ufeff.gz",
    "line separators": "line\u2028para\u2029.gz",
    "a delete": "del\x7f.gz",
    "a quote": "quo\"te'.gz",
    "a backslash": "back\\n\\x1b.gz",
    "equals": "path=/etc/passwd level=error.gz",
    "a percent": "%0a%1b[31m%s%n{0}.gz",
    "a flag": "-rf",
    "a long flag": "--config=.gz",
    "a shell": "$(touch pwned);`id`|&.gz",
    "a blank end": " lead and trail .gz ",
    "a syslog end": 'x"] forged [y z="w.gz',
    "wide": "日本語\u0301é.gz",
    "the longest": "n" * 252 + ".gz",
}
"""Valid names: each may be a file here and a key there."""

TEXTS: list[str] = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "x" * 100_000,
    "/" * 2000,
    "../../etc/passwd",
    "/etc/passwd",
    "1e999999",
    "-1",
    "999999999999999999999999999999",
    "NaN",
    "'; DROP TABLE pair; --",
    "{}",
    "%s%n",
    *NAMES.values(),
]
"""What a client may say where a text is asked for."""


def harm_in(text: str) -> list[str]:
    """The characters in it that break a line or steer a terminal, newlines aside: controls, formats, separators."""
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"}
    return [f"U+{ord(c):04X}" for c in text if c != "\n" and unicodedata.category(c) in bad]
