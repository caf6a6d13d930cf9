"""synctl doctor: asks the daemon, or runs the daemon's own check where none answers."""

from __future__ import annotations

import os
import sys
from typing import Any

from synctl.render_rows import render_checks
from synctl.session import Session
from synctl.verbs_look import rows_of
from syncwire.client import NotRunning
from syncwire.exits import Exit


def doctor(session: Session) -> Exit:
    """Every check with its remedy: 0, 6 with warnings only, 1 with a failure."""
    try:
        with session.connect() as client:
            rows = rows_of(client, "Doctor")
    except NotRunning:
        session.say("no daemon answers, so `syncd --doctor` looks")
        return _without_daemon(session)
    if session.arguments.json:
        session.answer_json({"checks": rows})
    else:
        session.answer(render_checks(rows, session.look))
    return checks_exit(rows)


def checks_exit(rows: list[dict[str, Any]]) -> Exit:
    """What the worst of the checks means for a shell."""
    levels = {row["level"] for row in rows}
    if levels - {"ok", "warn"}:
        return Exit.FAILED
    return Exit.DEGRADED if "warn" in levels else Exit.OK


def _without_daemon(session: Session) -> Exit:
    import subprocess

    beside = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "syncd")
    command = [beside] if os.access(beside, os.X_OK) and os.path.isfile(beside) else [sys.executable, "-m", "syncd"]
    session.out.flush()
    ran = subprocess.run([*command, "--doctor", *(["--json"] if session.arguments.json else [])], check=False)
    return Exit(ran.returncode) if ran.returncode in set(Exit) else Exit.FAILED
