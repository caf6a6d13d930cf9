"""Progress on one line of the terminal, drawn over itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from synctl.session import Session
from synctl.words import fit

CLEAR_LINE = "\r\x1b[K"


class Drawer:
    """Draws on standard error, where that is a terminal that can."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wanted = session.err.isatty() and session.environ.get("TERM") != "dumb"
        self._drawn = False

    def __call__(self, text: str) -> None:
        if self._wanted:
            self._drawn = True
            self._session.err.write(CLEAR_LINE + fit(text, self._session.look.width - 1))
            self._session.err.flush()

    def clear(self) -> None:
        """Leave nothing of it."""
        if self._drawn:
            self._session.err.write(CLEAR_LINE)
            self._session.err.flush()


@contextmanager
def progress_line(session: Session) -> Iterator[Drawer]:
    """A line that is gone at the end."""
    drawer = Drawer(session)
    try:
        yield drawer
    finally:
        drawer.clear()
