"""No core dump: the memory of this process holds keys and tokens, and a dump of it would be read by others."""

from __future__ import annotations

import resource
from contextlib import suppress

NONE_AT_ALL = 1
"""Bytes. Zero stops the kernel from writing a file, but a `core_pattern` that is a pipe is fed all the same; one byte
is too little for a file and stops the pipe as well (core(5), fs/coredump.c)."""


def leave_no_core() -> None:
    """Neither a file nor a pipe gets this process's memory, also where it is told to abort (the watchdog's SIGABRT).

    PR_SET_DUMPABLE would do so too, and would take /proc/PID from the daemon's own user, whom `syncd --kill` and the
    look for open files serve.
    """
    limit = (NONE_AT_ALL, NONE_AT_ALL)
    with suppress(ValueError, OSError):  # the limit is 0 already and may not be raised: no file is written
        resource.setrlimit(resource.RLIMIT_CORE, limit)
