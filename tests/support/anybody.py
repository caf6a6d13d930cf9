"""Programs for which file modes and owners count, also where the suite runs as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from support.gaps import missing


def as_anybody() -> tuple[str, ...]:
    """What stands before a command so that it is refused like anybody else: root without its capabilities."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        missing("refusals by file mode", "as root this needs setpriv (util-linux)")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def said_by_anybody(code: str, *arguments: str | Path) -> str:
    """What this Python code prints, run to its end in a process that is refused like anybody else."""
    command = [*as_anybody(), sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
