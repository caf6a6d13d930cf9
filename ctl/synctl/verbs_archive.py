"""synctl archive: find an original in the archives, and bring it back."""

from __future__ import annotations

import os
from typing import Any

from synctl import render_archives
from synctl.progress_line import progress_line
from synctl.session import Session
from synctl.words import printable
from syncwire.exits import Exit, gravest

Row = dict[str, Any]
PAGED = {
    "ArchiveFind": ("rows",),
    "ArchiveList": ("rows", "archives"),
    "ArchiveRestore": ("rows",),
    "ArchiveReindex": (),
}
"""Lists that come in pages."""


def archive(session: Session) -> Exit:
    """The verb behind `archive`."""
    return {"find": _find, "ls": _ls, "restore": _restore, "reindex": _reindex}[session.arguments.what](session)


def _find(session: Session) -> Exit:
    given = session.arguments
    asked = {"pattern": given.pattern, "all": given.all, "source": given.source, "limit": given.limit}
    answer = _asked(session, "ArchiveFind", asked)
    if given.json:
        session.answer_json(answer)
    else:
        session.answer(render_archives.render_found(answer, session.look))
        if not answer["rows"]:
            session.say(f"nothing archived matches {printable(given.pattern)}{_advice(given.pattern)}")
    return _ended(session, answer)


def _ls(session: Session) -> Exit:
    given = session.arguments
    answer = _asked(session, "ArchiveList", {"place": given.place, "limit": given.limit})
    if given.json:
        session.answer_json(answer)
    elif "archives" in answer:
        session.answer(render_archives.render_archives(answer, session.look))
    else:
        session.answer(render_archives.render_found(answer, session.look))
    return _ended(session, answer)


def _restore(session: Session) -> Exit:
    given = session.arguments
    try:
        to = os.path.abspath(given.to)
    except OSError:
        session.say("this folder is gone: name another one with --to DIR")
        return Exit.USAGE
    asked = {"keys": given.keys, "to": to, "view": view_of(to), "all": given.all, "source": given.source}
    answer = _asked(session, "ArchiveRestore", asked)
    if given.json:
        session.answer_json(answer)
    else:
        session.answer(render_archives.render_restored(answer, session.look))
    return _ended(session, answer)


def _reindex(session: Session) -> Exit:
    given = session.arguments
    answer = _asked(session, "ArchiveReindex", {"batch": given.batch, "bucket": given.bucket})
    if given.json:
        session.answer_json(answer)
    else:
        session.answer(render_archives.render_reindexed(answer, session.look))
    return _ended(session, answer)


def _advice(pattern: str) -> str:
    """What is forgotten most."""
    if "/" not in pattern or pattern.startswith(("/", "*", "s3://")):
        return ""
    return f" (a pattern begins with its bucket: '*/{printable(pattern)}' asks all of them)"


def view_of(path: str) -> str | None:
    """DEVICE:INODE:PATH of the deepest folder on the way that this user sees, so that the daemon means the same."""
    while True:
        try:
            seen = os.stat(path)
            return f"{seen.st_dev}:{seen.st_ino}:{path}"
        except (OSError, ValueError):
            above = os.path.dirname(path)
            if above == path:
                return None
            path = above


def _asked(session: Session, method: str, parameters: Row) -> Row:
    """The whole answer of a call that may take long: pages of rows add up."""
    answer: Row = {}
    with session.connect() as client, progress_line(session) as draw:
        for reply in client.stream(method, parameters):
            if reply.get("progress"):
                draw(render_archives.progress(reply["progress"]))
                continue
            for name, value in reply.items():
                answer[name] = [*answer.get(name, []), *value] if name in PAGED[method] else value
    return answer


def _ended(session: Session, answer: Row) -> Exit:
    for problem in answer.get("problems") or []:
        session.say(printable(problem))
    if answer.get("more"):
        session.say("there are more than these: --limit N shows them")
    return gravest([answer.get("exit_code") or 0])
