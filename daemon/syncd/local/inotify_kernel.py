"""One inotify instance: watchdog's system calls, and a reader that hands every record on as it comes.

watchdog's own emitter holds each event for half a second behind a file that was moved out, to pair renames; a hot
folder cannot wait for that. So only its bindings (`watchdog.observers.inotify_c`, the same from 4 to 7) are used.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from watchdog.observers.inotify_c import InotifyConstants as Bits
from watchdog.observers.inotify_c import inotify_add_watch, inotify_init, inotify_rm_watch

OVERFLOW = int(Bits.IN_Q_OVERFLOW)
IGNORED = int(Bits.IN_IGNORED)
UNMOUNT = int(Bits.IN_UNMOUNT)
ISDIR = int(Bits.IN_ISDIR)
CREATE = int(Bits.IN_CREATE)
DELETE = int(Bits.IN_DELETE)
MOVED_FROM = int(Bits.IN_MOVED_FROM)
MOVED_TO = int(Bits.IN_MOVED_TO)
CLOSE_WRITE = int(Bits.IN_CLOSE_WRITE)
ATTRIB = int(Bits.IN_ATTRIB)
MODIFY = int(Bits.IN_MODIFY)
SELF_GONE = int(Bits.IN_DELETE_SELF) | int(Bits.IN_MOVE_SELF)

# No IN_OPEN, IN_ACCESS or IN_CLOSE_NOWRITE: our own reads and leases must not come back as events.
CONTENT = CREATE | DELETE | MOVED_FROM | MOVED_TO | CLOSE_WRITE | ATTRIB | MODIFY
FOLDER = CONTENT | int(Bits.IN_ONLYDIR) | int(Bits.IN_EXCL_UNLINK)
BELOW = FOLDER | int(Bits.IN_DONT_FOLLOW)
ROOT = FOLDER | SELF_GONE
PARENT = DELETE | MOVED_FROM | int(Bits.IN_ONLYDIR)

_HEADER = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, length of the padded name
_BUFFER = 256 * 1024  # bytes
_SYSCTL = Path("/proc/sys/fs/inotify")
_USUAL_LIMIT = {"max_user_watches": 524_288, "max_user_instances": 1_024}


class Exhausted(Exception):
    """The kernel gives no more watches or instances; the text says what to run."""


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One record as the kernel wrote it. `name` is empty where the watched folder itself is meant."""

    wd: int
    mask: int
    cookie: int
    name: bytes


class Inotify:
    """A non-blocking inotify descriptor. Raises Exhausted where the user has no instance left."""

    def __init__(self) -> None:
        self._fd = inotify_init()
        if self._fd < 0:
            raise _failure(ctypes.get_errno(), "an inotify instance")
        os.set_inheritable(self._fd, False)
        os.set_blocking(self._fd, False)

    def fileno(self) -> int:
        """The descriptor, for poll."""
        return self._fd

    def add(self, path: bytes, mask: int) -> int:
        """Watch a folder and return its watch number, the same one for the same inode. OSError, Exhausted."""
        wd = int(inotify_add_watch(self._fd, path, mask))
        if wd < 0:
            raise _failure(ctypes.get_errno(), os.fsdecode(path))
        return wd

    def remove(self, wd: int) -> None:
        """Stop one watch; one that the kernel dropped already is no error."""
        cast("Callable[[int, int], int]", inotify_rm_watch)(self._fd, wd)

    def read(self) -> list[RawEvent]:
        """What is queued now, up to 256 KiB; empty where there is nothing."""
        try:
            return _parse(os.read(self._fd, _BUFFER))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Give descriptor and watches back."""
        os.close(self._fd)


def _parse(buffer: bytes) -> list[RawEvent]:
    records = []
    offset = 0
    while offset < len(buffer):
        wd, mask, cookie, length = _HEADER.unpack_from(buffer, offset)
        offset += _HEADER.size
        records.append(RawEvent(wd, mask, cookie, buffer[offset : offset + length].rstrip(b"\0")))
        offset += length
    return records


def _failure(code: int, what: str) -> Exception:
    if code == errno.ENOSPC:
        return Exhausted(f"no inotify watches are left{_remedy('max_user_watches')}")
    if code == errno.EMFILE:
        if _descriptors_left():
            return Exhausted(f"no inotify instances are left{_remedy('max_user_instances')}")
        return Exhausted("this process has no file descriptors left; raise its limit (ulimit -n, LimitNOFILE=)")
    if code in {errno.ENOMEM, errno.ENFILE}:
        return Exhausted(f"inotify is refused: {os.strerror(code)}")
    return OSError(code, os.strerror(code), what)


def _remedy(key: str) -> str:
    try:
        limit = int((_SYSCTL / key).read_text())
    except (OSError, ValueError):
        limit = 0
    wanted = max(_USUAL_LIMIT[key], 2 * limit)
    return f" (limit {limit}); run: sysctl -w fs.inotify.{key}={wanted}"


def _descriptors_left() -> bool:
    try:
        os.close(os.open("/", os.O_PATH))
    except OSError:
        return False
    return True
