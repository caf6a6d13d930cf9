"""Kills the mutants: the suite against one small lie after another (`make mutants`).

Each is put into one copy of the source, and taken back. Exit 0 where all are killed but survivors that are listed with
a reason, and those are at most five in a hundred. Arguments: parts of names, to run only those.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import boto3  # noqa: F401  # in memory before the children are made, as what follows
import hypothesis.stateful  # noqa: F401
import pytest

from mutants.catalogue import CLASSES, DECIDE, GUARDS, RULES, Mutant
from mutants.catalogue_acts import MUTANTS_OF_ACTS
from mutants.catalogue_pace import MUTANTS_OF_PACE
from mutants.catalogue_speed import MUTANTS_OF_SPEED
from mutants.catalogue_trust import MUTANTS_OF_TRUST
from mutants.survivors import SURVIVORS

CHECKOUT = Path(__file__).parents[2]
MUTANTS: list[Mutant] = [
    *DECIDE,
    *RULES,
    *CLASSES,
    *GUARDS,
    *MUTANTS_OF_ACTS,
    *MUTANTS_OF_PACE,
    *MUTANTS_OF_SPEED,
    *MUTANTS_OF_TRUST,
]
PROBE = ("unit/core/test_guard.py", "unit/engine/test_last_looks.py", "unit/local/test_moves.py")
LEAST = 0.95
LIMIT_S = 600.0
RAN = 100  # on top of what pytest says: a child that dies of itself says 1 as well
FORK = multiprocessing.get_context("fork")
PARTS = ("daemon", "ctl", "tests", "etc", "docs", "packaging", "systemd", "pyproject.toml", "README.md", "CHANGELOG.md")


class Copy:
    """The source in a folder of its own. Each change has an mtime of its own: no byte code is taken for another's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamp = int(time.time())
        for part in PARTS:
            source = CHECKOUT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)

    def write(self, file: Path, text: str) -> None:
        """Change one file."""
        file.write_text(text, encoding="utf-8")
        self._stamp += 2
        os.utime(file, (self._stamp, self._stamp))

    def kills(self, tests: tuple[str, ...]) -> str:
        """The first of these test files that fails; "" where all pass."""
        for test in tests:
            child = FORK.Process(target=_pytest, args=(self.folder, test))
            child.start()
            child.join(LIMIT_S)
            if child.exitcode is None:
                child.kill()
                child.join(LIMIT_S)
                return f"{test} (it hangs)"
            if child.exitcode == RAN + pytest.ExitCode.TESTS_FAILED:
                return test
            if child.exitcode != RAN + pytest.ExitCode.OK:
                raise SystemExit(f"{test} could not be run: pytest says {child.exitcode}")
        return ""


def _pytest(folder: Path, test: str) -> None:
    """In a child, which has the slow libraries in memory already: one test file on the source in that folder."""
    os.chdir(folder)
    source = [str(folder / "daemon"), str(folder / "ctl")]
    sys.path[:0] = source
    os.environ["PYTHONPATH"] = ":".join(source)  # for programs that a test starts
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    asked = ["-x", "-q", "--no-header", "--tb=no", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    sys.exit(RAN + pytest.main([*asked, f"tests/{test}"]))


def run(mutants: list[Mutant]) -> int:
    """Print a line for each; 0 where enough are killed."""
    shares = os.cpu_count() or 1
    told = FORK.SimpleQueue()
    workers = [FORK.Process(target=_work, args=(mutants[number::shares], told)) for number in range(shares)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        return 1
    return _verdict(mutants, [name for _ in workers for name in told.get()])


def _work(mutants: list[Mutant], told: multiprocessing.SimpleQueue[list[str]]) -> None:
    """One share of them, in a process of its own; who survived is told at the end."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        copy = Copy(Path(name))
        for test in PROBE:
            if copy.kills((test,)):
                raise SystemExit(f"{test} fails without any mutant")
        told.put([mutant.name for mutant in mutants if not _killed(copy, mutant)])


def _killed(copy: Copy, mutant: Mutant) -> bool:
    file = copy.folder / "daemon" / "syncd" / mutant.file
    sound, began = file.read_text(encoding="utf-8"), time.monotonic()
    copy.write(file, sound.replace(mutant.old, mutant.new))
    killer = copy.kills(mutant.tests)
    copy.write(file, sound)
    word = f"killed by {killer}" if killer else "SURVIVED"
    print(f"{time.monotonic() - began:6.1f} s  {mutant.file:22} {mutant.name}: {word}", flush=True)
    return bool(killer)


def _verdict(mutants: list[Mutant], survivors: list[str]) -> int:
    killed = len(mutants) - len(survivors)
    print(f"\n{killed} of {len(mutants)} killed, {killed / len(mutants):.1%}")
    for name in survivors:
        print(f"survived: {name}: {SURVIVORS.get(name, 'NO REASON GIVEN')}")
    named = all(name in SURVIVORS for name in survivors)
    return 0 if named and killed >= LEAST * len(mutants) else 1


if __name__ == "__main__":
    asked = sys.argv[1:]
    sys.exit(run([mutant for mutant in MUTANTS if not asked or any(part in mutant.name for part in asked)]))
