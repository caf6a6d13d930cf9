"""`python -m bench`: syncd beside its peers, measured and checked. `make bench` and `make bench QUICK=1` run it."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench import machine, report
from bench.peers import CHECKOUT, Peers
from bench.rows import ROWS, Row
from bench.world import Result, World

SHM = Path("/dev/shm")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer files, fewer rounds: under five minutes")
    parser.add_argument("--rows", default="", help="some of them, by name, with commas")
    parser.add_argument("--rounds", type=int, default=0, help="so many of each (5; quick: 2)")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--folder", type=Path, default=SHM if SHM.is_dir() else None, help="where the files lie")
    parser.add_argument("--save", action="store_true", help="write docs/bench/ and the table of docs/PERFORMANCE.md")
    return parser


def main() -> int:
    """Measure, print, write. 1 where a bar is short or a run did not do what it should."""
    chosen = arguments().parse_args()
    names = set(filter(None, chosen.rows.split(",")))
    unknown = names - {row.name for row in ROWS}
    if chosen.list or unknown:
        print("\n".join(row.name for row in ROWS))
        print("".join(f"no such row: {name}\n" for name in sorted(unknown)), end="", file=sys.stderr)
        return 2 if unknown else 0
    rows = [row for row in ROWS if not names or row.name in names]
    peers = Peers()
    peers.install()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are ended and folders removed on the way out
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=chosen.folder, ignore_cleanup_errors=True) as folder:
        results = measured(rows, World(Path(folder), peers, quick=chosen.quick, rounds=chosen.rounds))
    document = {
        "schema_version": 1,
        "machine": machine.described(),
        "versions": machine.versions(peers),
        "quick": chosen.quick,
        "seconds": round(time.monotonic() - began),
        "rows": [result.document() for result in results],
    }
    target = CHECKOUT / "docs" / "bench" if chosen.save else CHECKOUT / "build" / "bench"
    written = report.write(target, document, peers.python)
    print(f"\n{report.settings(document)}\n\n{report.verdicts(document)}\n\nas JSON: {written}")
    if chosen.save:
        report.into_page(CHECKOUT / "docs" / "PERFORMANCE.md", written, json.loads(written.read_text()))
    good = all(one.verdict == "ok" for result in results for one in result.verdicts)
    return 0 if good and len(results) == len(rows) and not any(result.notes for result in results) else 1


def measured(rows: Sequence[Row], world: World) -> list[Result]:
    """Each row, shown as soon as it is there; those so far when somebody ends it."""
    results: list[Result] = []
    began = time.monotonic()
    try:
        for number, row in enumerate(rows):
            gone = time.monotonic() - began
            eta = f", {gone / number * (len(rows) - number) / 60:.0f} min left" if number else ""
            world.begin(f"[{number + 1}/{len(rows)}{eta}] {row.name}:")
            try:
                result = row.run(world)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                result = Result(name=row.name, title="it broke down", notes=[str(error)[-400:]])
            results.append(result)
            print(f"\n{report.shown(result)}", flush=True)
    except (KeyboardInterrupt, SystemExit):
        print("\nended early: the rows so far", file=sys.stderr)
    return results


if __name__ == "__main__":
    sys.exit(main())
