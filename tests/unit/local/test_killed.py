"""kill -9 at every rename and unlink of every move: afterwards each version of the user's is somewhere."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import os, signal, sys
from pathlib import Path
from syncd.core.paths import RelPath
from syncd.local.renameat2 import FlagsRefused, Renames
from syncd.local.root import Root
from syncd.ports import Absent, Unchanged

home, what, step, when, flagless = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5] == "1"

class Killed(Renames):
    count = 0
    def call(self, source, target, flags):
        if flags and flagless:
            raise FlagsRefused
        Killed.count += 1
        if Killed.count == step and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        super().call(source, target, flags)
        if Killed.count == step and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)

root = Root.at(home, renames=Killed())
a, b = RelPath("folder/a"), RelPath("folder/b")
stat = root.lstat(a)
match what:
    case "replace":
        with root.temporary() as temporary:
            temporary.write(b"ours")
            temporary.finish(mtime_ns=1)
            root.place(temporary, a, expect=Unchanged(stat))
    case "trash":
        root.trash(a, expect=stat)
    case "untrash":
        root.untrash(root.trash(a, expect=stat), b)
    case "rename":
        root.rename(a, b, expect=stat)
    case "stage":
        root.stage(a, expect=stat)
        root.unstage(a)
print(Killed.count)
"""


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


MOVES = ["trash", "untrash", "rename", "stage"]


@pytest.mark.parametrize(
    ("what", "flagless"), [("replace", "0"), *((what, flagless) for what in MOVES for flagless in "01")]
)
def test_a_kill_between_steps_loses_nothing_and_the_next_start_sweeps_none_of_it(
    tmp_path: Path, what: str, flagless: str
) -> None:
    (tmp_path / "whole/folder").mkdir(parents=True)
    (tmp_path / "whole/folder/a").write_bytes(b"theirs")
    steps = int(run(tmp_path / "whole", what, "0", "never", flagless).stdout)
    assert steps >= 1
    for step in range(1, steps + 1):
        for when in ("before", "after"):
            home = tmp_path / f"{step}-{when}"
            (home / "folder").mkdir(parents=True)
            (home / "folder/a").write_bytes(b"theirs")
            assert run(home, what, str(step), when, flagless).returncode == -9
            sweep = "import sys; from pathlib import Path; from syncd.local.root import Root; "
            sweep += "Root.at(Path(sys.argv[1])).sweep_temporaries()"
            subprocess.run([sys.executable, "-c", sweep, str(home)], check=True, timeout=30)
            found = {hashlib.sha256(p.read_bytes()).digest() for p in home.rglob("*") if p.is_file()}
            assert hashlib.sha256(b"theirs").digest() in found, (step, when)
