"""Signals as a queue: handlers only put, the main thread takes, and waiting wakes at once."""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType, TracebackType

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
QUEUED = (*sorted(STOPPING), signal.SIGHUP)


class Signals:
    """SIGTERM, SIGINT and SIGHUP, queued from `__enter__` to `__exit__`; SIGIO is ignored meanwhile.

    SIGIO comes with broken file leases, and its default ends the process. Enter it in the main thread, before any
    other thread starts and before the first lease. `poke` may be called by any thread.
    """

    def __init__(self) -> None:
        self._queue: deque[signal.Signals] = deque()
        self._undo = ExitStack()
        self._reader = -1
        self._writer = -1

    def __enter__(self) -> Signals:
        with ExitStack() as undo:
            self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            undo.callback(self._close_pipe)
            before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            undo.callback(signal.set_wakeup_fd, before)
            for number in QUEUED:
                undo.callback(signal.signal, number, signal.signal(number, self._put) or signal.SIG_DFL)
            undo.callback(signal.signal, signal.SIGIO, ignore_lease_signal())
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._undo.close()

    def wait(self, seconds: float) -> None:
        """Sleep so long, less when a signal or a poke comes (or came since the last wait)."""
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if poll.poll(max(seconds, 0.0) * 1000):
            self._drain()

    def take(self) -> signal.Signals | None:
        """The next signal in the order they came, or None."""
        return self._queue.popleft() if self._queue else None

    def poke(self) -> None:
        """Wake the waiting main thread. Harmless after `__exit__`."""
        if self._writer < 0:
            return
        try:
            os.write(self._writer, b"\0")
        except (BlockingIOError, OSError):  # full: it wakes anyway; closed meanwhile: nobody waits
            return

    def _put(self, number: int, _frame: FrameType | None) -> None:
        self._queue.append(signal.Signals(number))

    def _drain(self) -> None:
        try:
            while len(os.read(self._reader, 4096)) == 4096:
                pass
        except BlockingIOError:
            return

    def _close_pipe(self) -> None:
        reader, writer, self._reader, self._writer = self._reader, self._writer, -1, -1
        os.close(writer)
        os.close(reader)


def ignore_lease_signal() -> Callable[[int, FrameType | None], object] | int:
    """Ignore SIGIO, as everything that asks for a lease must. Returns the handler that was there."""
    return signal.signal(signal.SIGIO, signal.SIG_IGN) or signal.SIG_DFL
