"""Archived files and archives as text. Pure."""

from __future__ import annotations

from typing import Any

from synctl.render_table import table
from synctl.screen import Look
from synctl.words import count, plural, printable, size

Row = dict[str, Any]

WIDE = 10_000
"""A name is worth more than a straight edge."""

FEW = 20
"""So many restored files are named one by one."""

SOURCES = {"records": "the records of this host", "index": "the index", "manifests": "the manifests on S3"}


def render_found(answer: Row, look: Look) -> str:
    """Archived files, and who knew them."""
    rows = answer["rows"]
    if not rows:
        return ""
    cells = [
        (
            printable(f"{row['bucket']}/{row['key']}"),
            size(row["size"]),
            _moment(row["mtime"]),
            printable(str(row["archive"]).removeprefix("s3://")),
        )
        for row in rows
    ]
    total = f"{plural(len(rows), 'file', 'files')}, {size(sum(row['size'] for row in rows))}{_by(answer)}"
    return _text([*table(("KEY", "SIZE", "MTIME", "ARCHIVE"), cells, look._replace(width=WIDE)), "", total], look)


def render_archives(answer: Row, look: Look) -> str:
    """Archives, newest first."""
    rows = answer["archives"]
    if not rows:
        return "No archives.\n"
    cells = [
        (
            printable(f"{row['bucket']}/{row['key']}"),
            size(row["size"]),
            "-" if row.get("files") is None else count(row["files"]),
            _moment(row["created_at"]),
        )
        for row in rows
    ]
    total = f"{plural(len(rows), 'archive', 'archives')}, {size(sum(row['size'] for row in rows))}{_by(answer)}"
    return _text([*table(("KEY", "SIZE", "FILES", "CREATED"), cells, look._replace(width=WIDE)), "", total], look)


def render_restored(answer: Row, look: Look) -> str:
    """What came back, and what did not."""
    rows = answer["rows"]
    back = [row for row in rows if row["outcome"] != "failed"]
    lines = []
    if answer["restored"] or answer["present"]:
        total = f"{plural(answer['restored'], 'file', 'files')} restored to {printable(answer['to'])}"
        there = f", {count(answer['present'])} there already" if answer["present"] else ""
        lines.append(f"{total}{there} ({size(answer['bytes'])})")
        if answer["restored"] + answer["present"] <= FEW:
            lines += [f"  {printable(row['path'])}" for row in back]
    if answer["failed"]:
        failed = [row for row in rows if row["outcome"] == "failed"]
        lines.append(f"{plural(answer['failed'], 'file', 'files')} failed:")
        lines += [f"  {printable(row['name'])}: {printable(row.get('reason') or 'it failed')}" for row in failed]
        if answer["failed"] > len(failed):
            lines.append(f"  … and {count(answer['failed'] - len(failed))} more")
    return _text(lines, look) if lines else ""


def render_reindexed(answer: Row, look: Look) -> str:
    """What the index was told."""
    done = plural(answer["documents"], "file", "files")
    text = f"{done} of {plural(answer['archives'], 'archive', 'archives')} indexed"
    return _text([text + (f", {count(answer['refused'])} refused" if answer["refused"] else "")], look)


def progress(told: Row) -> str:
    """One line of what is under way."""
    parts = [printable(told.get("doing") or "")]
    for name, one, many in (("archives", "archive", "archives"), ("files", "file", "files")):
        if told.get(name):
            parts.append(plural(told[name], one, many))
    if told.get("bytes"):
        parts.append(size(told["bytes"]))
    if told.get("failed"):
        parts.append(f"{count(told['failed'])} failed")
    return "   ".join(parts)


def _by(answer: Row) -> str:
    source = answer.get("source")
    return f", by {SOURCES.get(source, printable(source))}" if source else ""


def _moment(text: Any) -> str:
    """Without the fraction of a second."""
    shown = printable(text)
    return f"{shown.partition('.')[0]}Z" if "." in shown else shown


def _text(lines: list[str], look: Look) -> str:
    return look.plain("\n".join(lines)) + "\n"
