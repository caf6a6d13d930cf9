"""Whether somebody has a file open, asked by a lease that is dropped at once.

F_RDLCK is refused while anyone has the file open for writing (a shared writable mapping included), F_WRLCK while
anyone has it open at all, our own second descriptor too.
"""

from __future__ import annotations

import errno
import fcntl
import signal

from syncd.ports import Openness


def ignore_sigio() -> None:
    """Ignore SIGIO for the whole process. Call it in the main thread at the start, before the first lease.

    A lease that somebody's open breaks is told by a signal. `ask` has it sent as SIGURG, which nobody needs to
    ignore; this is for the kernel's fall-back to SIGIO, whose default ends the process.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def ask(fd: int, *, for_writing: bool) -> Openness | None:
    """OPEN or CLOSED for an O_RDONLY descriptor, its own aside. None where leases are refused (owner, file system)."""
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK if for_writing else fcntl.F_WRLCK)
    except OSError as error:
        return Openness.OPEN if error.errno == errno.EAGAIN else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return Openness.CLOSED
