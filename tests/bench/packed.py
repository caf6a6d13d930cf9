"""The archiver as a row: many small files into archives, single PUTs, and `tar` piped into other people's tools."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from bench.measure import Middle, round_to_ms
from bench.world import Result, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Archiver:
    """`python -m bench.archiver` on the embedded server, which counts requests; its table by itself shows dollars."""

    name: str = "archiver"

    def run(self, world: World) -> Result:
        files, singles = (3_000, 300) if world.quick else (50_000, 5_000)
        with world.scratch() as scratch:
            target = scratch / "archiver.json"
            env = {
                "BENCH_FILES": str(files),
                "BENCH_SINGLES": str(singles),
                "BENCH_JSON": str(target),
                "TMPDIR": str(scratch),
                "PATH": os.pathsep.join([str(world.peers.folder / "bin"), os.environ.get("PATH", "")]),
            }
            world.tell("archives, single PUTs, tar")
            done = subprocess.run(
                [sys.executable, "-m", "bench.archiver"],
                env={**os.environ, **env},
                capture_output=True,
                text=True,
                check=False,
            )
            rows: list[dict[str, Any]] = json.loads(target.read_text())["rows"] if target.exists() else []
        return Result(
            name=self.name,
            title=f"{files:,} x 2 KiB packed",
            server="moto",
            transport="http",
            settings={"files": files, "singles": singles, "size": 2048},
            medians=[_middle(row) for row in rows if row["cost"]],
            figures={f"requests, {row['name']}": sum(row["requests"].values()) for row in rows if row["requests"]},
            notes=[] if done.returncode == 0 else [f"ended with {done.returncode}: {done.stderr[-300:]}"],
        )


def _middle(row: dict[str, Any]) -> Middle:
    cost = {name: round_to_ms(number) for name, number in row["cost"].items()}
    return Middle(client=row["name"], variant=f"({row['files']:,} files)", runs=1, **cost)
