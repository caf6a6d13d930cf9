"""The rows of a verification, and what they come to. Pure."""

from __future__ import annotations

from typing import Any

from synctl.screen import Look
from synctl.words import count, duration, plural, printable, size

Row = dict[str, Any]

TONES = {"*": "red", "!": "red", "+": "yellow", "-": "yellow"}
QUIET = ("same.read", "same.recorded", "same.checksum")
"""Findings that need no word beside their sign."""


def render_rows(rows: list[Row], look: Look, *, several: bool) -> str:
    """`SIGN PATH` as of `rclone check --combined`, then a tab and the reason; of many pairs, the pair first."""
    return "".join(look.plain(_line(row, look, several=several)) + "\n" for row in rows)


def _line(row: Row, look: Look, *, several: bool) -> str:
    sign = printable(row["sign"])
    tone = "" if row.get("intended") else TONES.get(sign, "")
    path = printable(row["path"])
    where = f"{printable(row['pair'])}: {path}" if several else path
    reason = "" if row.get("finding") in QUIET else f"\t{printable(row.get('reason') or '')}"
    return f"{look.paint(sign, tone) if tone else sign} {where}{reason}"


def progress(told: Row) -> str:
    """How far it is."""
    done, expected = int(told.get("done") or 0), int(told.get("expected") or 0)
    parts = [printable(told.get("pair") or "verify")]
    parts.append(f"{count(done)} of {count(max(done, expected))}" if expected else plural(done, "file", "files"))
    if told.get("bytes_read"):
        parts.append(f"{size(told['bytes_read'])} read")
    if told.get("differences"):
        parts.append(plural(int(told["differences"]), "difference", "differences"))
    if told.get("errors"):
        parts.append(plural(int(told["errors"]), "error", "errors"))
    if told.get("eta_seconds"):
        parts.append(f"{duration(told['eta_seconds'])} left")
    return "   ".join(parts)


def summary(answer: Row) -> str:
    """One sentence for everything counted."""
    if not answer:
        return "the daemon gave no summary"
    files = int(answer.get("files") or 0)
    how = "by reading" if answer.get("download") else "by metadata"
    drawn = ""
    if answer.get("seed"):
        drawn = f", a sample of {float(answer['sample']) * 100:g} % (--seed {printable(answer['seed'])})"
    took = duration(float(answer.get("elapsed_seconds") or 0))
    read = f", {size(answer['bytes_read'])} read" if answer.get("bytes_read") else ""
    return f"{plural(files, 'path', 'paths')} {how}{drawn} in {took}{read}: {_counted(answer)}"


def _counted(answer: Row) -> str:
    same, notes = f"{count(int(answer.get('same') or 0))} the same", []
    if answer.get("cleaned"):
        notes.append(f"{count(int(answer['cleaned']))} cleaned here")
    if answer.get("claimed"):
        notes.append(f"{count(int(answer['claimed']))} by claim or size alone")
    parts = [same + (f" ({', '.join(notes)})" if notes else "")]
    differences = int(answer.get("differences") or 0)
    parts.append(plural(differences, "difference", "differences") if differences else "no difference")
    for name, word in (("intended", "left so on purpose"), ("skipped", "skipped")):
        if answer.get(name):
            parts.append(f"{count(int(answer[name]))} {word}")
    if answer.get("errors"):
        parts.append(plural(int(answer["errors"]), "error", "errors"))
    return ", ".join(parts)
