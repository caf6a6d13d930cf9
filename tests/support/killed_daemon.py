"""The real `syncd`, with its checkpoints armed: it writes down each that it passes, and dies at one by SIGKILL.

    python -m support.killed_daemon ORDER [syncd's own words...]
    python -m support.killed_daemon --nursery

The second form imports everything once and forks a process for each line that it reads ({"order", "argv", "env", "cwd",
"log"}): a start then costs no import. It has one thread, so what it forks is as fresh as a started program.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd import checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """`trail`: where each point that is passed is written, one a line. `at`, `nth`: where to die ("": nowhere).

    `patches`: "module.NAME" to a number of the product that is set to another one, so that little data takes the way
    of much. `flagless`: renames know no flags, as on some NFS.
    """

    trail: str
    at: str = ""
    nth: int = 1
    patches: dict[str, float] = field(default_factory=dict)
    flagless: bool = False


class Trail:
    """Hears the points, by any thread. Each is in the file before the program goes on, or ends."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._fd = os.open(order.trail, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()
        self._passed: Counter[str] = Counter()

    def hear(self, point: str) -> None:
        """Write it down; die if it is the one."""
        with self._lock:
            self._passed[point] += 1
            os.write(self._fd, f"{point}\n".encode())
            if (point, self._passed[point]) == (self._order.at, self._order.nth):
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # for the moment that the kernel takes


def arm(order: Order) -> None:
    """Set what is patched, and listen."""
    for name, value in order.patches.items():
        module, _, constant = name.rpartition(".")
        here = importlib.import_module(module)
        assert hasattr(here, constant), f"{name} is no more"
        setattr(here, constant, value)
    if order.flagless:
        refuse_flags()
    checkpoint.arm(Trail(order).hear)


def refuse_flags() -> None:
    """Be a file system that knows no RENAME_NOREPLACE and no RENAME_EXCHANGE."""
    from syncd.local import renameat2

    plain = renameat2.renameat2

    def flagless(source: Any, target: Any, flags: int) -> None:
        if flags:
            raise renameat2.FlagsRefused
        plain(source, target, flags)

    renameat2.renameat2 = flagless


def be(order: Order, argv: list[str]) -> int:
    """Be that daemon; its exit code."""
    from syncd.app import run

    arm(order)
    return run(argv)


# --- the nursery -------------------------------------------------------------------------------------------------


def nurse() -> int:
    """Fork one after the other. Answers {"pid"} and, once it has ended, {"code"} (negative: the signal)."""
    warm()
    answer({"ready": True})
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            return born(asked)
        answer({"pid": pid})
        _, status = os.waitpid(pid, 0)
        answer({"code": os.waitstatus_to_exitcode(status)})
    return 0


def born(asked: dict[str, Any]) -> int:
    """In the child: a program of its own, with its own environment, folder and output."""
    os.chdir(asked["cwd"])
    os.environ.update(asked["env"])
    silence = os.open(os.devnull, os.O_RDONLY)
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, silence), (1, log), (2, log)):
        os.dup2(source, target)
    return be(Order(**asked["order"]), asked["argv"])


def warm() -> None:
    """Import what a run imports, and parse the descriptions that boto3 reads."""
    import boto3

    for module in sorted(Path(checkpoint.__file__).parent.rglob("*.py")):
        parts = module.relative_to(Path(checkpoint.__file__).parent.parent).with_suffix("").parts
        if parts[-1] not in {"__main__", "__init__"}:
            importlib.import_module(".".join(parts))
    boto3.session.Session().client("s3", region_name="us-east-1")
    gc.collect()
    gc.freeze()  # a child never looks through what it was given


def answer(value: dict[str, Any]) -> None:
    """One line to whoever asked."""
    os.write(1, f"{json.dumps(value)}\n".encode())


if __name__ == "__main__":
    if sys.argv[1:] == ["--nursery"]:
        sys.exit(nurse())
    sys.exit(be(Order(**json.loads(sys.argv[1])), sys.argv[2:]))
