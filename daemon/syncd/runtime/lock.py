"""One daemon for each state folder: an flock on `lock`, whose content says who holds it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

import psutil

from syncd import checkpoint
from syncd.errors import FatalError
from syncd.local.translate import words

LOCK_NAME = "lock"
PATIENCE_SECONDS = 1.0
"""How long a lock held by nobody alive is tried again: somebody may be looking at it this very moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a state folder. pid and start time together name one process, for ever.

    `started_ticks` is the start in clock ticks since `boot`, `started_at` in seconds since the epoch, for people.
    pid 0: the lock is held, but by whom could not be read.
    """

    pid: int
    started_at: float
    started_ticks: int
    boot: str
    host: str

    @property
    def since(self) -> str:
        """The start as a person reads it, in local time."""
        return datetime.fromtimestamp(self.started_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")

    def __str__(self) -> str:
        if not self.pid:
            return "a process that could not be read"
        return f"syncd, pid {self.pid} on {self.host}, running since {self.since}"

    def runs_here(self) -> bool:
        """Whether that very process is alive on this machine: the pid and its start time agree."""
        return bool(self.pid) and self.boot == boot_id() and start_ticks(self.pid) == self.started_ticks


class LockHeld(FatalError):
    """Another daemon holds the state folder; `holder` says which."""

    def __init__(self, state_dir: Path, holder: Holder) -> None:
        super().__init__(
            f"the state folder {state_dir} is in use by {holder}",
            hint="stop that one (synctl stop, or syncd --stop), or give this one another folder with --state-dir",
        )
        self.holder = holder


class StateLock:
    """The lock of one state folder, held from `acquire` to `release` or the end of the process."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._path = state_dir / LOCK_NAME
        self._descriptor = -1

    def acquire(self) -> None:
        """Take it, and write who we are. Raises LockHeld with the holder; FatalError where the file cannot be made."""
        pause = threading.Event()
        for _ in range(20):
            if self._try():
                return
            holder = find_holder(self._state_dir)
            if holder is not None and holder.runs_here():
                raise LockHeld(self._state_dir, holder)
            pause.wait(PATIENCE_SECONDS / 20)
        raise LockHeld(self._state_dir, find_holder(self._state_dir) or UNKNOWN)

    def release(self) -> None:
        """Let go. The file stays: removing it would let two hold it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # who comes next writes over it
                os.ftruncate(descriptor, 0)
            with suppress(OSError):
                os.close(descriptor)

    def check(self) -> None:
        """Raise FatalError where the lock's file was removed or replaced: another daemon could start beside us."""
        if not self._is_at_path(self._descriptor):
            raise FatalError(
                f"the lock {self._path} was removed or replaced while it was held",
                hint="leave the state folder alone while syncd runs",
            )

    def __enter__(self) -> StateLock:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()

    def _try(self) -> bool:
        descriptor = _open(self._path, os.O_RDWR | os.O_CREAT)
        try:
            if not _flock(descriptor, fcntl.LOCK_EX) or not self._is_at_path(descriptor):
                return False
            self._sign(descriptor)
            self._descriptor, descriptor = descriptor, -1
            return True
        finally:
            if descriptor >= 0:
                os.close(descriptor)

    def _sign(self, descriptor: int) -> None:
        try:
            with checkpoint.STATE_LOCK:
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(asdict(_myself())).encode(), 0)
        except OSError as error:
            message, _ = words(error)
            raise FatalError(
                f"the lock {self._path} cannot be written: {message}",
                hint=f"see to the disk of {self._state_dir}: nothing is done without its records",
            ) from error

    def _is_at_path(self, descriptor: int) -> bool:
        try:
            at_path = os.stat(self._path)
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (at_path.st_dev, at_path.st_ino) == (ours.st_dev, ours.st_ino)


UNKNOWN = Holder(pid=0, started_at=0.0, started_ticks=0, boot="", host="")


def find_holder(state_dir: Path) -> Holder | None:
    """Who holds the state folder now; None where nobody does. Raises FatalError where that cannot be read."""
    try:
        descriptor = _open(state_dir / LOCK_NAME, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        if _flock(descriptor, fcntl.LOCK_SH):
            return None
        return _parse(os.pread(descriptor, 4096, 0))
    finally:
        os.close(descriptor)


def start_ticks(pid: int) -> int | None:
    """When that process started, in clock ticks since the boot; None where there is none, or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


def boot_id() -> str:
    """The kernel's name for this boot: ticks count from it."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _myself() -> Holder:
    pid = os.getpid()
    return Holder(
        pid=pid,
        started_at=psutil.Process(pid).create_time(),
        started_ticks=start_ticks(pid) or 0,
        boot=boot_id(),
        host=socket.gethostname(),
    )


def _parse(content: bytes) -> Holder:
    """The holder as written; UNKNOWN for content that is not ours (yet: it is written right after the lock)."""
    try:
        fields = json.loads(content)
        return Holder(
            pid=int(fields["pid"]),
            started_at=float(fields["started_at"]),
            started_ticks=int(fields["started_ticks"]),
            boot=str(fields["boot"]),
            host=str(fields["host"]),
        )
    except (ValueError, KeyError, TypeError):
        return UNKNOWN


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except (FileNotFoundError, NotADirectoryError):
        if flags & os.O_CREAT:
            raise FatalError(f"the state folder {path.parent} is not there, or no folder") from None
        raise
    except OSError as error:
        raise FatalError(
            f"the lock {path} cannot be opened: {error.strerror}", hint="run as the user that owns the state folder"
        ) from error


def _flock(descriptor: int, kind: int) -> bool:
    """Whether the lock was to be had at once."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EWOULDBLOCK, errno.EACCES}:
            return False
        raise FatalError(f"the state folder's lock does not work here: {error.strerror}") from error
    return True
