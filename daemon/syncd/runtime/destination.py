"""The folder that archived files come back to: one that the daemon may write, and the one that the caller means."""

from __future__ import annotations

import os
import pwd
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from syncd.control.port import BadRequest
from syncd.errors import ItemError, PairHalted, SyncdError
from syncd.local.root import Root
from syncd.local.translate import printable, words


class Destinations:
    """Opens such folders, for several callers at once.

    `taken`: roots that nothing is restored into, with what would become of it there. `proposal`: a folder that the
    daemon's user may write, for those who named none.
    """

    def __init__(self, taken: Callable[[], Iterable[tuple[Path, str]]], *, proposal: Path | None) -> None:
        self._taken = taken
        self._proposal = proposal
        self._lock = threading.Lock()
        self._users: Counter[Path] = Counter()

    def check(self, to: str, view: str | None) -> Path:
        """The folder as a path, if it can be one. Made by `open` alone.

        `view`: "DEVICE:INODE:PATH" of the deepest folder on the way that the caller sees. BadRequest, or SyncdError
        where the daemon sees another one there, or may not write to it.
        """
        if not to.startswith("/") or "\0" in to:
            raise BadRequest(f"{to!r} is no absolute path", hint="name the folder from / on")
        path = Path(os.path.normpath(to))
        for root, fate in self._taken():
            if _real(path).is_relative_to(_real(root)):
                raise BadRequest(f"{printable(str(path))} is no place for restored files: {fate}", hint=self._hint())
        if view is not None and not _sees(view):
            raise SyncdError(
                f"the daemon sees another {printable(view.split(':', 2)[-1])} than you do",
                hint=f"its unit hides that place from it (PrivateTmp, ProtectHome); {self._hint()}",
            )
        standing = _standing(path)
        if not os.access(standing, os.W_OK | os.X_OK):
            raise self._refused(path, f"it may not write to {printable(str(standing))}")
        return path

    @contextmanager
    def open(self, path: Path) -> Iterator[Root]:
        """Make it where it is missing; what is ours in it is gone afterwards. SyncdError where it cannot be."""
        try:
            root = Root.at(path, create=True)
            self._enter(path, root)
        except (PairHalted, ItemError) as error:
            cause = error.__cause__
            raise self._refused(path, words(cause)[0] if isinstance(cause, OSError) else error.message) from error
        try:
            yield root
        finally:
            self._leave(path, root)

    def _enter(self, path: Path, root: Root) -> None:
        with self._lock:
            if not self._users[path] and root.marker() is None:
                root.sweep_temporaries()  # what an earlier restore left that was killed
            with root.temporary():
                self._users[path] += 1

    def _leave(self, path: Path, root: Root) -> None:
        with self._lock:
            self._users[path] -= 1
            if self._users[path] <= 0:
                del self._users[path]
                with suppress(PairHalted, ItemError):
                    root.vacate()

    def _refused(self, path: Path, reason: str) -> SyncdError:
        return SyncdError(
            f"{printable(str(path))} cannot take restored files: {reason}; the daemon runs as {_user()}",
            hint=self._hint(),
        )

    def _hint(self) -> str:
        return "choose another --to" if self._proposal is None else f"try --to {self._proposal}"


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _standing(path: Path) -> Path:
    """The deepest folder on the way that is there."""
    return next((each for each in (path, *path.parents) if os.path.lexists(each)), Path("/"))


def _sees(view: str) -> bool:
    """Whether we see that very folder."""
    device, _, rest = view.partition(":")
    inode, _, path = rest.partition(":")
    if not (device.isdecimal() and inode.isdecimal() and path.startswith("/")):
        raise BadRequest(f"{view[:80]!r} is no DEVICE:INODE:PATH")
    try:
        seen = os.stat(path)
    except (OSError, ValueError):
        return False
    return (seen.st_dev, seen.st_ino) == (int(device), int(inode))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
