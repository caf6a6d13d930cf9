"""Lives through random days by a seed, and says what brings a failure back.

PYTHONPATH=tests python -m support.model_run --seed 7 --examples 500 [--strict]
PYTHONPATH=tests python -m support.model_run --examples 10000 --processes 2
PYTHONPATH=tests python -m support.model_run --seconds 3600 --processes 2
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from unittest.mock import patch

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import run_state_machine_as_test

from support.model_days import Days, DaysWithAllVersionsKept

STEPS = 30
TESTS = Path(__file__).parents[1]
CHUNK = 250
"""So many examples one process lives through before the next seed."""

HOW = "to live through these days again: PYTHONPATH=tests python -m support.model_run"


def run_days(*, seed: int, examples: int, strict: bool = False) -> None:
    """Live through so many random days of that seed. Raises what ended one of them, printed with its steps."""
    base = DaysWithAllVersionsKept if strict else Days
    days = type(base.__name__, (base,), {})  # hypothesis keeps the seed on the class
    phases = [Phase.generate, *([Phase.shrink] if os.environ.get("MODEL_SHRINK") else [])]  # shrinking takes minutes
    asked = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        report_multiple_bugs=False,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )
    try:
        with _no_copies():
            run_state_machine_as_test(hypothesis.seed(seed)(days), settings=asked)
    except BaseException:
        print(f"\n{HOW} --seed {seed} --examples {examples}{' --strict' if strict else ''}", flush=True)
        raise


def _no_copies() -> AbstractContextManager[object]:
    """Let each day be one of its own: hypothesis follows each with several that differ in one choice only."""
    if not hasattr(ConjectureRunner, "generate_mutations_from"):
        return nullcontext()
    return patch.object(ConjectureRunner, "generate_mutations_from", lambda *_: None)


def run_many(*, seed: int, examples: int | None, seconds: float | None, processes: int) -> list[str]:
    """Live through days of many seeds, half of them strict, in several processes; what failed is returned as text."""
    until = None if seconds is None else time.monotonic() + seconds
    failures: list[str] = []
    lived = 0

    def chunks() -> Iterator[tuple[int, bool]]:
        for number in count():
            past = until is not None and time.monotonic() >= until
            if past or (examples is not None and number * CHUNK >= examples):
                return
            yield seed + number, number % 2 == 1

    given, one_at_a_time = chunks(), threading.Lock()

    def work() -> None:
        nonlocal lived
        while True:
            with one_at_a_time:
                number, strict = next(given, (0, False))
            if not number:
                return
            asked = ["--seed", str(number), "--examples", str(CHUNK), *(["--strict"] if strict else [])]
            done = subprocess.run(
                [sys.executable, "-m", "support.model_run", *asked],
                env=os.environ | {"PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"},
                capture_output=True,
                text=True,
                check=False,
            )
            lived += CHUNK
            print(f"{time.strftime('%H:%M:%S')} {lived} examples, seed {number}", flush=True)
            if done.returncode:
                failures.append(f"exit {done.returncode}\n{done.stdout[-60_000:]}{done.stderr[-20_000:]}")
                print(failures[-1], flush=True)

    with ThreadPoolExecutor(processes) as pool:
        for ended in [pool.submit(work) for _ in range(processes)]:
            ended.result()
    return failures


def main() -> int:
    """Exit 0 where every day ended well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--examples", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--strict", action="store_true")
    asked = parser.parse_args()
    seed = random.randrange(1, 1 << 30) if asked.seed is None else asked.seed
    if not asked.processes:
        run_days(seed=seed, examples=asked.examples or CHUNK, strict=asked.strict)
        return 0
    failures = run_many(seed=seed, examples=asked.examples, seconds=asked.seconds, processes=asked.processes)
    print(f"{len(failures)} seeds failed" if failures else f"all ended well, from seed {seed} on")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
