"""Starts daemons that die where they are told to: one nursery process, one daemon after the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from support.killed_daemon import Order

TESTS = Path(__file__).resolve().parent.parent
WITHIN_S = 120.0


class Nursery:
    """`killed_daemon --nursery` as a child of ours. Used by one thread at a time."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "support.killed_daemon", "--nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **env, "PYTHONPATH": str(TESTS), "PYTHONWARNINGS": "ignore"},
            start_new_session=True,
        )
        assert self._answer() == {"ready": True}

    def start(self, order: Order, argv: Sequence[str | Path], *, cwd: Path, log: Path) -> Newborn:
        """Start one; it must have ended before the next."""
        asked = {
            "order": asdict(order),
            "argv": [str(word) for word in argv],
            "env": {},
            "cwd": str(cwd),
            "log": str(log),
        }
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(asked).encode() + b"\n")
        self._child.stdin.flush()
        return Newborn(self._answer()["pid"], self._answer)

    def close(self) -> None:
        """End it, and with it whoever still lives."""
        os.killpg(self._child.pid, signal.SIGKILL)
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            pipe.close()
        self._child.wait(timeout=10)

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        assert line, "the nursery ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


class Newborn:
    """A daemon that lives, or did."""

    def __init__(self, pid: int, ended: Any) -> None:
        self.pid = pid
        self._code: int | None = None
        self._thread = threading.Thread(target=self._wait, args=(ended,), daemon=True)
        self._thread.start()

    def _wait(self, ended: Any) -> None:
        self._code = ended()["code"]

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._code is None

    def wait(self) -> int:
        """Its exit code; negative: the signal that ended it. Killed, and an AssertionError, where it takes minutes."""
        self._thread.join(WITHIN_S)
        if self._thread.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            self._thread.join(10)
            raise AssertionError(f"it did not end within {WITHIN_S:g} s")
        assert self._code is not None
        return self._code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens where it has ended."""
        if self.running:
            with suppress(ProcessLookupError):  # it has ended, and nobody told us yet
                os.kill(self.pid, number)
