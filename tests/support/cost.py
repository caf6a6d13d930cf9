"""What a program cost: the clock, the processor and its largest resident memory, of that program alone.

A child's peak as its parent is told it never lies below the parent's own at the fork (Linux keeps it over an exec), and
a test process grows to some hundred MiB. So a small process in between starts the program and reports.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BETWEEN = """
import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[2:])
wall_s = time.monotonic() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
cost = {"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "peak_mib": used.ru_maxrss / 1024}
with open(sys.argv[1], "w") as report:
    json.dump({"code": code, "cost": cost}, report)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one run took: seconds of the clock and of a core, and its largest resident memory."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def cost_of(
    argv: Sequence[str | Path], *, report: Path, env: Mapping[str, str] | None = None, output: IO[bytes]
) -> tuple[int, Cost]:
    """Run a program to its end: its exit code and what it cost. `report` is a file of ours to pass that through."""
    words = [str(word) for word in argv]
    subprocess.run(
        [sys.executable, "-S", "-E", "-c", BETWEEN, report, *words],
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        check=True,
    )
    told = json.loads(report.read_text())
    return told["code"], Cost(**told["cost"])
