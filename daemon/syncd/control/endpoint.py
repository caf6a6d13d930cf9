"""The socket in the file system: made with a tight mode, never over a living one, removed only while it is ours."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncd import checkpoint
from syncd.errors import ConfigError, FatalError

MAX_PATH = 107  # bytes in sockaddr_un, less its NUL
BACKLOG = 128
PROBE_SECONDS = 1.0


@contextmanager
def listening(path: Path, *, group: int | None) -> Iterator[socket.socket]:
    """A listening socket at `path`: 0660 for `group`, or 0600 where there is none or it cannot be given.

    ConfigError for a path that cannot be one, FatalError where another daemon answers there. The file is removed
    at the end if it is still the one that was made here.
    """
    if len(os.fsencode(path)) > MAX_PATH:
        raise ConfigError(
            [f"the socket path {path} has {len(os.fsencode(path))} bytes, and a Unix socket takes {MAX_PATH}"],
            hint="name a shorter one with --socket or daemon.socket",
        )
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made: tuple[int, int] | None = None
    try:
        made = _bind(sock, path, group)
        _open_to_group(path, group)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        yield sock
    finally:
        sock.close()
        if made is not None:
            _remove(path, made)


def _bind(sock: socket.socket, path: Path, group: int | None) -> tuple[int, int]:
    os.fchmod(sock.fileno(), 0o600)  # bind takes the file's mode from here: as a tight umask, for this thread alone
    try:
        path.parent.mkdir(mode=0o700 if group is None else 0o755, parents=True, exist_ok=True)
        _clear_stale(path)
        sock.bind(str(path))
        made = os.lstat(path)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise FatalError(f"another daemon has just taken the socket {path}", hint="stop one of them") from error
        raise ConfigError(
            [f"the control socket {path} cannot be made: {error.strerror}"],
            hint="name a place that this user may write with --socket or daemon.socket",
        ) from error
    return made.st_dev, made.st_ino


def _open_to_group(path: Path, group: int | None) -> None:
    if group is None:
        return
    try:
        os.chown(path, -1, group)
    except PermissionError:
        return  # this user is not in the group: its own 0600 stays
    os.chmod(path, 0o660)


def _clear_stale(path: Path) -> None:
    """Remove a socket file that nobody serves; refuse anything else that stands there."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigError(
            [f"{path} is there and is no socket"],
            hint="remove it, or name another place with --socket",
        )
    if _answers(path):
        raise FatalError(
            f"another daemon answers on {path}", hint=f"`synctl --socket {path} status` shows it; stop one of them"
        )
    with checkpoint.SOCKET_STALE:
        os.unlink(path)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except (BlockingIOError, TimeoutError):
            return True  # its queue is full, so somebody owns it
    return True


def _remove(path: Path, made: tuple[int, int]) -> None:
    try:
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) == made:
            with checkpoint.SOCKET_UNLINK:
                os.unlink(path)
    except FileNotFoundError:
        return
