"""One process that is no child of ours: a signal to it and nobody else, and waiting for its end."""

from __future__ import annotations

import errno
import os
import select
import signal
import threading
import time

from syncd.errors import SyncdError
from syncd.runtime.lock import Holder

POLL_SECONDS = 0.05


class Vanished(Exception):
    """The process ended before we got to it."""


class OtherProcess:
    """The process of a holder, held by a pidfd where the kernel has them, so that no reused pid is ever hit.

    Raises Vanished where it is gone by now, or the pid is another's. Close it.
    """

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._descriptor = _open_pid(holder.pid)
        # Looked at after it was opened: what has this start time now is what the descriptor holds.
        if not holder.runs_here():
            self.close()
            raise Vanished

    def send(self, number: signal.Signals) -> None:
        """Send a signal. SyncdError where we may not."""
        try:
            if self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)
            elif self._holder.runs_here():
                os.kill(self._holder.pid, number)
            else:
                raise Vanished
        except ProcessLookupError:
            raise Vanished from None
        except PermissionError:
            raise SyncdError(
                f"pid {self._holder.pid} may not be signalled", hint="run this as the user that syncd runs as, or root"
            ) from None

    def wait(self, seconds: float) -> bool:
        """Wait so long for its end. True when it has ended."""
        if self._descriptor >= 0:
            poll = select.poll()
            poll.register(self._descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        pause, until = threading.Event(), time.monotonic() + seconds
        while self._holder.runs_here():
            if time.monotonic() >= until:
                return False
            pause.wait(POLL_SECONDS)
        return True

    def close(self) -> None:
        """Let go of it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _open_pid(pid: int) -> int:
    """A pidfd, or -1 where the kernel has none to give."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise Vanished from None
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM, errno.EINVAL}:  # an old kernel, a sandbox
            return -1
        raise
