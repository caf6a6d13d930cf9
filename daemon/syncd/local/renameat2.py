"""The one place that renames: renameat2 with its flags, and what stands in where a file system refuses them."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from functools import cache
from typing import Any

from syncd import checkpoint
from syncd.local.spot import Spot
from syncd.local.unlink import unlink
from syncd.ports import OwnTemporary

NOREPLACE, EXCHANGE = 1, 2

_REFUSALS = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}
_SYSCALLS = {
    "x86_64": 316,
    "aarch64": 276,
    "riscv64": 276,
    "armv7l": 382,
    "i686": 353,
    "ppc64le": 357,
    "s390x": 347,
}  # for a libc that has no renameat2 of its own


class FlagsRefused(Exception):
    """This file system (or kernel) knows no such flag."""


@cache
def _entry() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        libc.renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        return libc.renameat2
    number = ctypes.c_long(_SYSCALLS[platform.machine()])
    return lambda *arguments: libc.syscall(number, *arguments)


def renameat2(source: Spot, target: Spot, flags: int) -> None:
    """Rename by one system call. FlagsRefused where the flags are not known here, else OSError as it comes."""
    before, after = os.fsencode(source.name), os.fsencode(target.name)
    while _entry()(source.folder, before, target.folder, after, flags) != 0:
        code = ctypes.get_errno()
        if code == errno.EINTR:
            continue
        if flags and code in _REFUSALS:
            raise FlagsRefused
        raise OSError(code, os.strerror(code), source.name, None, target.name)


class Renames:
    """How names move. A test stands in for `call` to be a file system that refuses, or another writer."""

    def call(self, source: Spot, target: Spot, flags: int) -> None:
        """One renameat2."""
        renameat2(source, target, flags)

    def take(self, source: Spot, target: Spot) -> None:
        """Rename to a name of ours: one that does not exist, or the marker's, which is replaced."""
        with checkpoint.LOCAL_RENAME:
            self.call(source, target, 0)

    def exchange(self, one: Spot, other: Spot) -> None:
        """Swap two names at once. FlagsRefused where that cannot be."""
        with checkpoint.LOCAL_EXCHANGE:
            self.call(one, other, EXCHANGE)

    def noreplace(self, source: Spot, target: Spot) -> None:
        """Rename, never over anything (FileExistsError). FlagsRefused where that cannot be."""
        with checkpoint.LOCAL_NOREPLACE:
            self.call(source, target, NOREPLACE)

    def give(self, ours: Spot, target: Spot) -> None:
        """Move a file from a name of ours, never over anything (FileExistsError), also where the flag is refused."""
        try:
            self.noreplace(ours, target)
        except FlagsRefused:
            # Nobody but us writes the first name, so that between link and unlink nothing of others can be lost.
            with checkpoint.LOCAL_LINK:
                os.link(ours.name, target.name, src_dir_fd=ours.folder, dst_dir_fd=target.folder, follow_symlinks=False)
            unlink(ours, OwnTemporary(ours.name))
