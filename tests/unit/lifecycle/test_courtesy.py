"""What a process leaves to its neighbours, read back from the kernel, of a process for each: none can take it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

SCRIPT = """
import json, os, sys, threading
import psutil
from syncd.config.types import Daemon
from syncd.errors import ConfigError
from syncd.lifecycle.courtesy import be_courteous, told
os.setpriority(os.PRIO_PROCESS, 0, 3)
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    be_courteous(Daemon(**json.loads(sys.argv[1])))
except ConfigError as error:
    print(json.dumps({"refused": [*error.problems, error.hint]})); raise SystemExit
seen = {}
def look():
    io = psutil.Process(threading.get_native_id()).ionice()
    stat = open(f"/proc/self/task/{threading.get_native_id()}/stat").read().rpartition(")")[2].split()
    seen.update(nice=int(stat[16]), cores=sorted(os.sched_getaffinity(0)), io=[int(io.ioclass), io.value], told=told())
thread = threading.Thread(target=look); thread.start(); thread.join()
print(json.dumps(seen))
"""

CORES = sorted(os.sched_getaffinity(0))


def child(**settings: object) -> dict[str, Any]:
    """What a thread of a process with these settings is; it was started at nice 3, by nobody in particular."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(settings)], capture_output=True, text=True, timeout=60, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_as_it_was_started_where_nothing_is_asked_for() -> None:
    seen = child()
    assert (seen["nice"], seen["cores"]) == (3, CORES)
    assert seen["told"] == f"nice 3, ionice none, {len(CORES)} of {os.cpu_count()} cores"


def test_every_thread_is_as_courteous_as_was_asked_for() -> None:
    seen = child(nice=12, ionice="best-effort:6", cores=1)
    assert (seen["nice"], seen["cores"], seen["io"]) == (12, CORES[-1:], [2, 6])
    assert seen["told"] == f"nice 12, ionice best-effort:6, 1 of {os.cpu_count()} cores"


def test_idle_is_a_class_of_its_own_and_more_cores_than_there_are_is_all() -> None:
    seen = child(ionice="idle", cores=4096)
    assert (seen["io"][0], seen["cores"]) == (3, CORES)


@pytest.mark.parametrize("level", [0, -5])
def test_what_the_kernel_refuses_is_said_with_what_to_do(level: int) -> None:
    refused = child(nice=level)["refused"]
    assert f"daemon.nice: {level} is refused, this process was started at 3" in refused[0]
    assert f"Nice={level}" in refused[1]
