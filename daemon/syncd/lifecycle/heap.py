"""The heap of the C library: one for all threads."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


def share_one_heap() -> bool:
    """Call before the first thread. Whether the C library knows how.

    glibc gives threads a heap each, so that they need not wait for one another; each keeps what it once had. Python's
    threads wait for one another anyway: a tenth of the memory of a daemon at work was of that kind.
    """
    with suppress(OSError, AttributeError):  # no glibc
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1))
    return False
