"""Child processes of the suite: started with a log file, awaited with a deadline, always ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def free_port() -> int:
    """A TCP port on the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def eventually(
    condition: Callable[[], object], *, within: float, what: str | Callable[[], str], every: float = 0.05
) -> None:
    """Return once `condition()` is true; AssertionError naming `what` when it is not within so many seconds."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            said = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {within:g} s: {said}")
        pause.wait(every)


class Process:
    """One child in a process group of its own, its output in `log`."""

    def __init__(self, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = [str(part) for part in argv]
        self.log = log
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=None if env is None else {**os.environ, **env},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the child has not ended yet."""
        return self._child.poll() is None

    def said(self, lines: int = 30) -> str:
        """The last lines of its output, for a failure's message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the child's whole group; nothing happens where it has ended."""
        if self.running:
            os.killpg(self._child.pid, number)

    def wait(self, *, within: float) -> int:
        """The exit status; subprocess.TimeoutExpired when it takes longer."""
        return self._child.wait(timeout=within)

    def stop(self, *, within: float = 10.0) -> int:
        """End it: SIGTERM, after so many seconds SIGKILL. Returns the exit status; harmless when called twice."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            return self._child.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            return self._child.wait(timeout=10)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.signal(signal.SIGKILL)
        self._child.wait(timeout=10)
