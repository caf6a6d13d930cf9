"""The verbs that only look, and the two that settle what they show."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from synctl import render_rows
from synctl.session import Session
from synctl.words import instant_of, printable
from syncwire.client import Client, NotRunning
from syncwire.exits import Exit

Row = dict[str, Any]
PAGE_SECONDS = 600.0
"""How long one page of rows may take: a plan reads both sides."""


def rows_of(client: Client, method: str, parameters: Row | None = None) -> list[Row]:
    """Every row of a call whose answer comes in pages."""
    return [row for page in client.stream(method, parameters, timeout=PAGE_SECONDS) for row in page.get("rows") or []]


def plan(session: Session) -> Exit:
    """What the next cycle would do."""
    with session.connect() as client:
        rows = rows_of(client, "Plan", {"pair": session.arguments.pair})
    if session.arguments.json:
        session.answer_json({"rows": rows})
    else:
        session.answer(render_rows.render_plan(rows, session.look))
    return Exit.OK


def explain(session: Session) -> Exit:
    """One file on three sides."""
    with session.connect() as client:
        answer = client.call("Explain", {"path": session.arguments.path})
    if session.arguments.json:
        session.answer_json(answer)
    else:
        session.answer(render_rows.render_explain(answer, session.look))
    return Exit.OK


def history(session: Session) -> Exit:
    """What was done."""
    given = session.arguments
    try:
        since = None if given.since is None else instant_of(given.since, datetime.now(timezone.utc))
    except (ValueError, OverflowError) as error:
        session.say(str(error))
        return Exit.USAGE
    asked = {"path": given.path, "since": since, "limit": given.limit, "pair": given.pair}
    with session.connect() as client:
        rows = rows_of(client, "History", asked)
    if given.json:
        session.answer_json({"rows": rows})
    else:
        session.answer(render_rows.render_history(rows, session.look))
    return Exit.OK


def conflicts(session: Session) -> Exit:
    """List conflicts, or settle one."""
    if session.arguments.what == "resolve":
        with session.connect() as client:
            client.call("ResolveConflict", {"id": session.arguments.id, "keep": session.arguments.keep})
        return done(session, f"settled {session.arguments.id}: kept {session.arguments.keep}")
    with session.connect() as client:
        rows = rows_of(client, "Conflicts")
    if session.arguments.json:
        session.answer_json({"rows": rows})
    else:
        session.answer(render_rows.render_conflicts(rows, session.look))
    return Exit.OK


def trash(session: Session) -> Exit:
    """List what was displaced, or bring one back."""
    if session.arguments.what == "restore":
        with session.connect() as client:
            client.call("TrashRestore", {"id": session.arguments.id, "to": session.arguments.to})
        return done(session, f"restored {session.arguments.id}")
    with session.connect() as client:
        rows = rows_of(client, "TrashList", {"pair": session.arguments.pair})
    if session.arguments.json:
        session.answer_json({"rows": rows})
    else:
        session.answer(render_rows.render_trash(rows, session.look))
    return Exit.OK


def config(session: Session) -> Exit:
    """The configuration in effect."""
    with session.connect() as client:
        text = str(client.call("ConfigShow")["text"])
    if session.arguments.json:
        session.answer_json({"text": text})
    else:
        session.answer("".join(printable(line) + "\n" for line in text.splitlines()))
    return Exit.OK


def version(session: Session) -> Exit:
    """The client's version and, where one answers, the daemon's."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        client_version = installed("syncd")
    except PackageNotFoundError:
        client_version = "unknown"
    try:
        with session.connect() as client:
            daemon: Row | None = client.call("Version")
    except NotRunning:
        daemon = None
    if session.arguments.json:
        session.answer_json({"client": client_version, "daemon": daemon})
    else:
        told = f"syncd {printable(daemon['version'])} (pid {daemon.get('pid')})" if daemon else "syncd is not running"
        session.answer(f"synctl {client_version}\n{told}\n")
    return Exit.OK


def done(session: Session, sentence: str, **answer: object) -> Exit:
    """The answer of a verb that has nothing to tell but that it was done."""
    if session.arguments.json:
        session.answer_json({"done": True, **answer})
    else:
        session.answer(printable(sentence) + "\n")
    return Exit.OK
