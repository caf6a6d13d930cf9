"""synctl status: once, or again and again."""

from __future__ import annotations

import json
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from synctl.render_status import render_status
from synctl.screen import height_of
from synctl.session import Session
from syncwire.client import Client, NoAnswer, NotRunning
from syncwire.exits import Exit

ANSWER_SECONDS = 5.0
ALTERNATE, NORMAL = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, REST_OF_LINE, REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


def status(session: Session) -> Exit:
    """Show the daemon; the exit code is its health."""
    if session.arguments.watch:
        return _watch(session)
    with session.connect() as client:
        answer = client.call("Status", timeout=ANSWER_SECONDS)
    if session.arguments.json:
        session.answer_json(answer)
    else:
        session.answer(_drawn(answer, session))
    return health_exit(answer)


def health_exit(answer: dict[str, Any]) -> Exit:
    """0 ok, 6 degraded, 7 where a section is halted, 1 for any other failure."""
    if any(section.get("state") == "halted" for kind in ("pairs", "batches") for section in answer.get(kind) or []):
        return Exit.HALTED
    return {"ok": Exit.OK, "degraded": Exit.DEGRADED}.get(str(answer.get("health")), Exit.FAILED)


def _drawn(answer: dict[str, Any], session: Session) -> str:
    return render_status(answer, datetime.now(timezone.utc), session.look)


def _watch(session: Session) -> Exit:
    """Until Ctrl-C, which is the usual end, or a closed output."""
    whole = session.out.isatty() and session.environ.get("TERM", "dumb") != "dumb" and not session.arguments.json
    with _whole_screen(session) if whole else _nothing():
        for text in _pictures(session):
            _draw(text, session) if whole else session.out.write(text)
            session.out.flush()
    return Exit.OK


def _pictures(session: Session) -> Iterator[str]:
    client: Client | None = None
    first = True
    while True:
        began = time.monotonic()
        try:
            client = client or session.connect()
            answer = client.call("Status", timeout=ANSWER_SECONDS)
            picture = json.dumps(answer) + "\n" if session.arguments.json else _drawn(answer, session) + "\n"
        except (NotRunning, NoAnswer) as error:
            client = None
            if first:
                raise
            picture = "" if session.arguments.json else f"syncd does not answer: {error}\nStill looking.\n\n"
        first = False
        yield picture
        pause = max(0.05, session.arguments.every - (time.monotonic() - began))
        select.select([], [], [], pause)  # Ctrl-C ends it


def _draw(text: str, session: Session) -> None:
    """Over the last picture, cut at the lower edge so that nothing scrolls."""
    height = height_of(session.out) or 24
    lines = text.rstrip("\n").split("\n")[: max(1, height - 1)]
    session.out.write(HOME + "".join(f"{line}{REST_OF_LINE}\r\n" for line in lines) + REST_OF_SCREEN)


@contextmanager
def _whole_screen(session: Session) -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _terminated)
    session.out.write(ALTERNATE)
    try:
        yield
    finally:
        session.out.write(NORMAL)
        session.out.flush()
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _terminated(number: int, frame: object) -> None:
    raise SystemExit(128 + number)
