"""The verbs that make the daemon do something."""

from __future__ import annotations

import os
import select
import time
from typing import Any

from synctl.progress_line import progress_line
from synctl.render_rows import render_sync
from synctl.session import Session
from synctl.verbs_look import done
from synctl.words import count, printable, size
from syncwire.client import Client, NotAllowed, NotRunning, connect
from syncwire.exits import Exit, gravest

LOOK_SECONDS = 0.2
EXIT_SECONDS = 10.0


def force_sync(session: Session) -> Exit:
    """Run now; with --wait until it is done, with progress on a terminal."""
    given = session.arguments
    asked = {"pair": given.pair, "path": given.path, "wait": given.wait, "timeout": given.timeout}
    answer: dict[str, Any] = {"cycles": [], "missing": []}
    with session.connect() as client, progress_line(session) as draw:
        for reply in client.stream("ForceSync", asked):
            if reply.get("progress"):
                draw(_progress(reply["progress"]))
            answer["missing"] += reply.get("missing") or []
            answer["cycles"] += reply.get("cycles") or []
            answer["exit_code"] = reply.get("exit_code")
    code = gravest([answer["exit_code"] or 0])
    if given.json:
        session.answer_json(answer)
    elif not given.wait and not answer["cycles"] and code is Exit.OK:
        session.answer(f"asked {printable(given.pair or 'every section')} to run now\n")
    else:
        session.answer(render_sync(answer, session.look))
    return code


def _progress(progress: dict[str, Any]) -> str:
    parts = [printable(progress[key]) for key in ("pair", "state") if progress.get(key)]
    if progress.get("pending_files") is not None:
        parts.append(f"{count(progress['pending_files'])} files · {size(progress.get('pending_bytes') or 0)} to go")
    return "   ".join(parts)


def stop(session: Session) -> Exit:
    """Stop the daemon, and wait until it has ended."""
    with session.connect() as client:
        process = _process(client)
        try:
            client.call("Stop", {"now": session.arguments.now})
            while not (client.closed_by_peer(LOOK_SECONDS) and not _answers(client.path)):
                _rest(LOOK_SECONDS)
            if process is not None and not _ended(process, EXIT_SECONDS):
                session.say("syncd no longer answers, but its process has not ended yet")
                return Exit.TEMPORARY
        finally:
            if process is not None:
                os.close(process)
    return done(session, "syncd has stopped")


def _process(client: Client) -> int | None:
    """A descriptor that tells when the daemon's process ends; None where there can be none."""
    pid = client.peer_pid()
    if pid in {0, os.getpid()} or not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _ended(process: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _answers(path: str) -> bool:
    try:
        connect([path], timeout=1.0).close()
    except (NotRunning, NotAllowed):
        return False
    return True


def _rest(seconds: float) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        select.select([], [], [], left)


def pause(session: Session) -> Exit:
    """Pause one section, or all."""
    given = session.arguments
    with session.connect() as client:
        client.call("Pause", {"name": given.name, "seconds": given.seconds})
    return done(session, f"paused {given.name or 'every section'}")


def resume(session: Session) -> Exit:
    """Resume one section, or all."""
    given = session.arguments
    with session.connect() as client:
        client.call("Resume", {"name": given.name, "accept": given.accept})
    return done(session, f"resumed {given.name or 'every section'}")


def reload(session: Session) -> Exit:
    """Read the configuration again."""
    with session.connect() as client:
        answer = client.call("Reload")
    if session.arguments.json:
        session.answer_json(answer)
        return Exit.OK
    lines = [f"applied: {printable(text)}" for text in answer.get("applied") or []]
    lines += [f"needs a restart: {printable(text)}" for text in answer.get("needs_restart") or []]
    lines += [printable(text) for text in answer.get("notices") or []]
    session.answer("\n".join(lines or ["nothing has changed"]) + "\n")
    return Exit.OK


def loglevel(session: Session) -> Exit:
    """Set how much the daemon logs."""
    with session.connect() as client:
        client.call("LogLevel", {"level": session.arguments.level})
    return done(session, f"the daemon logs {session.arguments.level} and graver")
