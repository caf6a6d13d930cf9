"""synctl verify: both sides and the record compared, row by row as they come."""

from __future__ import annotations

import json
from typing import Any

from synctl import render_verify
from synctl.progress_line import progress_line
from synctl.session import Session
from synctl.words import printable
from syncwire.exits import Exit, gravest
from syncwire.names import SCHEMA_VERSION

Row = dict[str, Any]


def verify(session: Session) -> Exit:
    """Compare; rows on standard output, the summary beside them on standard error."""
    given = session.arguments
    asked = {
        "pair": given.pair,
        "path": given.path,
        "sample": given.sample,
        "seed": given.seed,
        "download": given.download,
        "differences": given.differences,
    }
    out = _Json(session) if given.json else _Text(session)
    summary: Row = {}
    with session.connect() as client, progress_line(session) as draw:
        try:
            for reply in client.stream("Verify", asked):
                if reply.get("progress"):
                    out.told(reply["progress"])
                    draw(render_verify.progress(reply["progress"]))
                    continue
                if reply.get("rows"):
                    draw.clear()
                    out.rows(reply["rows"])
                if "exit_code" in reply:
                    summary = {name: value for name, value in reply.items() if name != "rows"}
        finally:
            out.end(summary)
    for problem in summary.get("problems") or []:
        session.say(printable(problem))
    if not given.json:
        session.say(render_verify.summary(summary))
    return gravest([summary.get("exit_code") or 0])


class _Text:
    """A line a path."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._several = False

    def told(self, progress: Row) -> None:
        """How many pairs there are comes before the first row."""
        self._several = int(progress.get("pairs") or 1) > 1

    def rows(self, rows: list[Row]) -> None:
        """Write them at once: a verification may take hours."""
        self._session.answer(render_verify.render_rows(rows, self._session.look, several=self._several))
        self._session.out.flush()

    def end(self, summary: Row) -> None:
        """Nothing comes after the rows."""


class _Json:
    """One object, written as it comes: a million rows are never held. It is whole JSON however the call ends."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._comma = ""
        session.answer(f'{{\n  "schema_version": {SCHEMA_VERSION},\n  "rows": [')

    def told(self, progress: Row) -> None:
        """A program waits for the end."""

    def rows(self, rows: list[Row]) -> None:
        """Each on a line of its own."""
        for row in rows:
            self._session.answer(f"{self._comma}\n    {json.dumps(row)}")
            self._comma = ","

    def end(self, summary: Row) -> None:
        """`complete` says whether the call came to its end."""
        self._session.answer("\n  ]" if self._comma else "]")
        for name, value in {**summary, "complete": bool(summary)}.items():
            self._session.answer(f",\n  {json.dumps(name)}: {json.dumps(value)}")
        self._session.answer("\n}\n")
