"""Rows of a host that is writing: how soon a file is safe, and whether the load test notices the daemon."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import trees
from bench.bars import Bar, judged
from bench.clients import Task
from bench.living import Daemon
from bench.servers import Sink
from bench.transfers import PREFIX
from bench.trees import Shape
from bench.world import Result, World
from support.processes import eventually

RATE = 200
SIZE = 10 << 10
HERE = Path(__file__).parent


@contextmanager
def writing(root: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """RATE files a second into that folder, meanwhile."""
    words = [str(word) for word in (HERE / "writer.py", root, RATE, seconds, SIZE)]
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True) as writer:
        try:
            yield writer
        finally:
            writer.kill()


def _place(sink: Sink, scratch: Path, bucket: str) -> Task:
    root = scratch / f"files-{bucket}"
    root.mkdir()
    shape = Shape(count=RATE, size=SIZE)
    return Task(way="up", folder=root, server=sink, bucket=bucket, prefix=PREFIX, shape=shape, scratch=scratch / bucket)


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """From the close of a file to its being held by the server, at 200 files a second."""

    name: str
    cleanup: bool

    def run(self, world: World) -> Result:
        seconds = 5 if world.quick else 20
        with world.serving("sink", "http") as sink, world.scratch() as scratch:
            assert isinstance(sink, Sink)
            place = _place(sink, scratch, "hot")
            pair = 'cleanup = true\ninterval = "2s"' if self.cleanup else ""
            with Daemon(place, pair=pair).running() as daemon:
                _watched(daemon, sink)
                sink.ask("POST", "note")
                world.tell(f"{RATE} files a second for {seconds} s")
                before = daemon.cpu_s()
                with writing(place.folder, seconds) as writer:
                    closed: dict[str, int] = json.loads(writer.communicate(timeout=seconds + 60)[0])
                wanted = {f"{PREFIX}{name}" for name in closed}
                eventually(lambda: wanted <= _arrivals(sink).keys(), within=60, what="not all arrived", every=0.2)
                used_s, peak = daemon.cpu_s() - before, daemon.peak_mib()
                arrived = _arrivals(sink)
                left = self._gone(place.folder, closed) if self.cleanup else 0
        late = sorted((arrived[f"{PREFIX}{name}"] - at) / 1e6 for name, at in closed.items())
        figures = {
            "p50, ms": round(late[len(late) // 2], 1),
            "p99, ms": round(late[int(len(late) * 0.99)], 1),
            "longest, ms": round(late[-1], 1),
            "CPU, % of a core": round(used_s / seconds * 100, 1),
            "RSS MiB": round(peak, 1),
        }
        if self.cleanup:
            figures["files not moved out yet"] = left
        bars = (Bar(metric="p50, ms", limit=50), Bar(metric="p99, ms", limit=250))
        return Result(
            name=self.name,
            title=f"{RATE} files of 10 KiB a second" + (", moved out" if self.cleanup else ""),
            server="sink",
            transport="http",
            settings={"rate": RATE, "size": SIZE, "seconds": seconds, "cleanup": self.cleanup},
            figures=figures,
            verdicts=judged(bars, [], figures),
        )

    def _gone(self, folder: Path, closed: dict[str, int]) -> int:
        """How many originals are still there when nine of ten are gone, or after half a minute."""

        def remaining() -> int:
            return sum(1 for name in closed if (folder / name).exists())

        with suppress(AssertionError):
            eventually(lambda: remaining() < len(closed) / 10, within=30, what="they stay", every=0.5)
        return remaining()


def _watched(daemon: Daemon, sink: Sink) -> None:
    """Return when a file that is written now goes up."""
    first = daemon.place.folder / "first.gz"
    first.write_bytes(b"is anybody there\n")
    there = lambda: "first.gz" in sink.held(daemon.place.bucket, PREFIX)  # noqa: E731
    eventually(there, within=60, what="the daemon sees nothing")


def _arrivals(sink: Sink) -> dict[str, int]:
    found: dict[str, int] = sink.ask("GET", "arrivals")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHost:
    """A load test that writes its logs and keeps its time, with and without the daemon beside it.

    The clock has the last core to itself but for the daemon; server and writer have the others: a server is elsewhere.
    """

    name: str = "quiet-host"

    def run(self, world: World) -> Result:
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return Result(name=self.name, title="a load test beside the daemon", skipped="needs two cores")
        seconds, pairs = (4, 3) if world.quick else (15, 5)
        others = ",".join(str(core) for core in cores[:-1])
        found: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
        with world.scratch() as scratch:
            sink = Sink(scratch, before=("taskset", "-c", others))
            try:
                for round in range(pairs):
                    for way in ("without", "with"):
                        world.tell(f"{way}, {round + 1} of {pairs}")
                        place = _place(sink, scratch, f"{way}-{round}")
                        found[way].append(self._beside(place, sink, way == "with", seconds, cores))
            finally:
                sink.close()
        figures = _compared(found)
        bars = (Bar(metric="p50 moved, of the spread", limit=1), Bar(metric="p99 moved, of the spread", limit=1))
        return Result(
            name=self.name,
            title="a clock of 1 kHz beside the daemon",
            server="sink",
            transport="http",
            settings={"seconds": seconds, "pairs": pairs, "rate": RATE, "size": SIZE, "clock's core": cores[-1]},
            figures=figures,
            verdicts=judged(bars, [], figures),
        )

    def _beside(self, place: Task, sink: Sink, daemon: bool, seconds: float, cores: list[int]) -> dict[str, float]:
        """How late the clock was, in microseconds, while files were written."""
        if not daemon:
            return self._clock(place.folder, seconds, cores)
        with Daemon(place).running() as running:
            _watched(running, sink)
            return self._clock(place.folder, seconds, cores)

    def _clock(self, folder: Path, seconds: float, cores: list[int]) -> dict[str, float]:
        with writing(folder, seconds + 2) as writer:
            os.sched_setaffinity(writer.pid, cores[:-1])
            argv = [sys.executable, str(HERE / "jitter.py"), str(seconds), str(cores[-1])]
            told: dict[str, float] = json.loads(subprocess.run(argv, capture_output=True, check=True, text=True).stdout)
        trees.forget_ours(folder)
        return told


def _compared(found: dict[str, list[dict[str, float]]]) -> dict[str, float]:
    """Medians in microseconds, and by how much of the spread without the daemon they moved with it."""
    figures: dict[str, float] = {}
    for name in ("p50", "p90", "p99", "p999"):
        without, beside = ([one[name] for one in found[way]] for way in ("without", "with"))
        figures[f"{name} without, us"] = round(median(without), 1)
        figures[f"{name} with, us"] = round(median(beside), 1)
        spread: Any = max(without) - min(without)
        moved = median(beside) - median(without)
        figures[f"{name} moved, of the spread"] = round(max(0.0, moved) / spread, 2) if spread else 0.0
    return figures
