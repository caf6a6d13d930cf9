"""Opening below a folder so that no symlink, `..` or mount on the way can lead outside."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from functools import cache

_SYS_OPENAT2 = 437  # the same number on every architecture
_NO_XDEV, _NO_SYMLINKS, _BENEATH = 0x01, 0x04, 0x08
_RACES = 8


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _openat2(folder: int, path: str, flags: int) -> int:
    how = _How(flags | os.O_CLOEXEC, 0, _NO_XDEV | _NO_SYMLINKS | _BENEATH)
    raw = os.fsencode(path)
    for _ in range(_RACES):
        fd: int = _libc().syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_long(folder),
            ctypes.c_char_p(raw),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if fd >= 0:
            return fd
        if ctypes.get_errno() != errno.EINTR:
            break
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), path)


@cache
def available() -> bool:
    """Whether this kernel (and its seccomp filter) lets us call openat2."""
    try:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(_openat2(root, ".", os.O_PATH | os.O_DIRECTORY))
        finally:
            os.close(root)
    except OSError:
        return False
    return True


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open an existing path below the folder. ELOOP on a symlink, EXDEV on another mount, wherever they stand."""
    return _openat2(folder, path, flags) if available() else open_by_components(folder, path, flags)


def open_by_components(folder: int, path: str, flags: int) -> int:
    """What openat2 does, for kernels without it: one component after the other, none of them a symlink."""
    *parents, last = path.split("/")
    device = os.fstat(folder).st_dev
    here = os.dup(folder)
    try:
        for part in parents:
            inner = _step(here, part, os.O_PATH | os.O_DIRECTORY)
            os.close(here)
            here = inner
            if os.fstat(here).st_dev != device:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
        fd = _step(here, last, flags)
    finally:
        os.close(here)
    if flags & os.O_DIRECTORY and os.fstat(fd).st_dev != device:
        os.close(fd)
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
    return fd


def _step(here: int, part: str, flags: int) -> int:
    if part == "..":
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), part)
    try:
        fd = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    except NotADirectoryError:
        if stat.S_ISLNK(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part) from None
        raise
    if flags & os.O_PATH and stat.S_ISLNK(os.fstat(fd).st_mode):  # O_PATH opens the symlink itself
        os.close(fd)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), part)
    return fd
