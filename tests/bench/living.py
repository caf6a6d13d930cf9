"""A daemon that runs, and what it uses while it does."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.clients import Task as Place
from bench.clients import configured, environment
from bench.servers import cpu_s
from support.processes import Process, eventually


class Daemon:
    """`syncd` in the foreground with a state folder of its own. `pair`: more lines of its one pair."""

    def __init__(self, place: Place, *, pair: str = "", before: tuple[str, ...] = ()) -> None:
        self.place = place
        self.socket = place.scratch / "control"
        self.config = configured(place.scratch, place, pair=pair)
        self.env: Mapping[str, str] = environment(place)
        self._before = before
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @contextmanager
    def running(self) -> Iterator[Daemon]:
        """Until its socket answers, and to its end."""
        argv = [*self._before, sys.executable, "-m", "syncd", "--config", str(self.config)]
        process = self._process = Process(argv, log=self.place.scratch / "daemon.log", env=self.env)
        try:
            eventually(lambda: self._answers(process), within=60, what=process.said)
            yield self
        finally:
            process.stop(within=30)

    def synctl(self, *words: str) -> list[str]:
        """That command, to be run."""
        return [sys.executable, "-m", "synctl", "--socket", str(self.socket), *words]

    def cpu_s(self) -> float:
        return cpu_s(self.pid)

    def peak_mib(self) -> float:
        """The largest resident memory since it began."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found.group(1)) / 1024 if found else 0.0

    def idle_share(self, seconds: float) -> float:
        """The share of a core that it uses while nothing happens, in per cent."""
        before, began = _on_cpu_ns(self.pid), time.monotonic()
        time.sleep(seconds)
        return (_on_cpu_ns(self.pid) - before) / 1e9 / (time.monotonic() - began) * 100

    def _answers(self, process: Process) -> bool:
        assert process.running, process.said()
        return self.socket.exists()


def _on_cpu_ns(pid: int) -> int:
    """By the kernel's clock of that process (clock_getcpuclockid makes it so): no ticks, and with ended threads."""
    return time.clock_gettime_ns((~pid << 3) | 2)
