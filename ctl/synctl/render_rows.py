"""Lists and single answers as text. Pure."""

from __future__ import annotations

import textwrap
from datetime import datetime, timezone
from typing import Any

from synctl.render_table import table
from synctl.screen import Look
from synctl.words import count, duration, plural, printable, size
from syncwire.exits import Exit

Row = dict[str, Any]
HALTED = "halted: a person must decide, and `synctl status` says what"
LEVELS = {"ok": ("OK", "green"), "warn": ("WARN", "yellow"), "fail": ("FAIL", "red")}
MOST_SECONDS = 250_000_000_000  # the year 9892: later ones are no times that can be written
CHECK_AT = 19
"""Where the sentences of the doctor begin, as in `syncd --doctor`."""


def render_plan(rows: list[Row], look: Look) -> str:
    """What the next cycle would do."""
    if not rows:
        return "Nothing to do: both sides agree.\n"
    heads = ("PAIR", "ACTION", "SIZE", "RULE", "PATH")
    cells = [
        (printable(r["pair"]), printable(r["action"]), size(r.get("size") or 0), printable(r["rule"]), _path(r))
        for r in rows
    ]
    head, *body = table(heads, cells, look._replace(width=10_000))  # a path is worth more than a straight edge
    lines = [head]
    for row, line in zip(rows, body):
        lines += [line, f"    {printable(row['reason'])}"]
    total = sum(row.get("size") or 0 for row in rows)
    return _text([*lines, "", f"{plural(len(rows), 'action', 'actions')}, {size(total)}"], look)


def render_history(rows: list[Row], look: Look) -> str:
    """What was done, newest first."""
    if not rows:
        return "Nothing was done in that time.\n"
    heads = ("AT", "PAIR", "DONE", "RESULT", "SIZE", "PATH")
    cells = [
        (
            printable(r["at"]),
            printable(r.get("pair", "")),
            printable(r["operation"]),
            (printable(r["result"]), "red" if r["result"] == "failed" else ""),
            size(r.get("size") or 0),
            _path(r) + (f": {printable(r['error'])}" if r.get("error") else ""),
        )
        for r in rows
    ]
    return _text(table(heads, cells, look._replace(width=10_000)), look)


def render_conflicts(rows: list[Row], look: Look) -> str:
    """Conflicts, and where the loser is."""
    if not rows:
        return "No conflicts.\n"
    heads = ("ID", "AT", "PAIR", "WINNER", "STATE", "PATH")
    cells = [
        (
            printable(r["id"]),
            printable(r["at"]),
            printable(r.get("pair", "")),
            printable(r["winner"]),
            printable(r.get("resolved") or "open"),
            _path(r) + (f" (the other at {printable(r['loser_at'])})" if r.get("loser_at") else ""),
        )
        for r in rows
    ]
    lines = table(heads, cells, look._replace(width=10_000))
    return _text([*lines, "", "`synctl conflicts resolve ID --keep local|remote|both` settles one."], look)


def render_trash(rows: list[Row], look: Look) -> str:
    """What was displaced, and until when it is kept."""
    if not rows:
        return "The trash is empty.\n"
    heads = ("ID", "AT", "PAIR", "WHY", "SIZE", "EXPIRES", "PATH")
    cells = [
        (
            printable(r["id"]),
            printable(r["at"]),
            printable(r.get("pair", "")),
            printable(r["reason"]),
            size(r.get("size") or 0),
            printable(r.get("expires") or "-"),
            _path(r) + (f" ({printable(r['kept'])})" if r.get("kept") else ""),
        )
        for r in rows
    ]
    return _text(
        [*table(heads, cells, look._replace(width=10_000)), "", "`synctl trash restore ID` brings one back."], look
    )


def render_checks(rows: list[Row], look: Look) -> str:
    """The doctor's findings, each with its remedy."""
    lines = []
    for row in rows:
        word, tone = LEVELS.get(row["level"], (printable(row["level"]), "red"))
        text = printable(f"{row['check']}: {row['message']}")
        first, *rest = textwrap.wrap(text, max(20, look.width - CHECK_AT), break_on_hyphens=False) or [""]
        lines.append(f"{look.paint(word, tone)}{' ' * (4 - len(word))}  {printable(row['class']):<11}  {first}")
        lines += [" " * CHECK_AT + line for line in rest]
        if row.get("remedy") and row["level"] != "ok":
            lines.append(" " * CHECK_AT + f"→ {printable(row['remedy'])}")
    levels = [row["level"] for row in rows]
    well, poor = levels.count("ok"), levels.count("warn")
    total = f"{plural(len(rows), 'check', 'checks')}: {well} ok, {poor} to look at, {len(rows) - well - poor} failed"
    return _text([*lines, "", total] if rows else ["The daemon has nothing to check."], look)


def render_explain(answer: Row, look: Look) -> str:
    """One file on three sides, and what happens next."""
    lines = [f"{printable(answer.get('path'))} in {printable(answer.get('pair'))}"]
    for side, title in (("local", "local"), ("remote", "remote"), ("agreed", "last agreed")):
        facts = answer.get(side)
        lines += ["", title] + ([f"  {key}  {value}" for key, value in _facts(facts)] if facts else ["  nothing"])
    following = answer.get("next") or {}
    if following:
        rule = f" (rule {printable(following['rule'])})" if following.get("rule") else ""
        lines += ["", f"next: {printable(following.get('action') or 'nothing')}{rule}"]
        if following.get("reason"):
            lines.append(f"  {printable(following['reason'])}")
    if answer.get("history"):
        lines += ["", *render_history(answer["history"], look).rstrip("\n").split("\n")]
    return _text(lines, look)


def _facts(facts: Row) -> list[tuple[str, str]]:
    """Names and values for a person: times as times, what a table inside holds beside the rest, nothing that is off."""
    flat = {**facts, **(facts["stat"] if isinstance(facts.get("stat"), dict) else {})}
    shown = dict(
        _fact(name, value) for name, value in flat.items() if name != "stat" and value not in (None, "", False)
    )
    width = max((len(name) for name in shown), default=0)
    return [(printable(name).ljust(width), printable(value)) for name, value in shown.items()]


def _fact(name: str, value: object) -> tuple[str, object]:
    """One of them, with its unit out of the name where it can go."""
    for unit, scale in (("_ns", 10**9), ("_s", 1)):
        if name.endswith(unit) and isinstance(value, int | float) and abs(value) < MOST_SECONDS * scale:
            moment = datetime.fromtimestamp(value // scale, timezone.utc)
            return name.removesuffix(unit).replace("_", " "), moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return name.replace("_", " "), "yes" if value is True else value


def render_sync(answer: Row, look: Look) -> str:
    """What a forced sync did, and what it left undone."""
    lines = [_cycle(cycle) for cycle in answer.get("cycles") or []]
    if answer.get("exit_code") == Exit.HALTED:
        lines = [HALTED]
    missing = answer.get("missing") or []
    if missing:
        lines.append(f"not on the other side yet: {plural(len(missing), 'file', 'files')}")
        lines += [f"  {printable(row['pair'])}: {_path(row)}: {printable(row['reason'])}" for row in missing]
    return _text(lines or ["done" if not answer.get("exit_code") else "not done"], look)


def _cycle(cycle: Row) -> str:
    told = [
        f"{count(cycle[name])} {word}" + (f" ({size(cycle[moved])})" if cycle.get(moved) else "")
        for name, word, moved in (
            ("archived", "archived", "bytes_archived"),
            ("uploaded", "uploaded", "bytes_up"),
            ("downloaded", "downloaded", "bytes_down"),
            ("deleted", "deleted", ""),
            ("cleaned", "cleaned", ""),
            ("conflicts", "conflicts", ""),
            ("errors", "errors", ""),
        )
        if cycle.get(name)
    ]
    took = f" in {duration(cycle['duration_seconds'])}" if cycle.get("duration_seconds") is not None else ""
    return f"{printable(cycle.get('pair') or cycle.get('id') or 'sync')}: {', '.join(told) or 'nothing to do'}{took}"


def _path(row: Row) -> str:
    return printable(row["path"])


def _text(lines: list[str], look: Look) -> str:
    return look.plain("\n".join(lines)) + "\n"
