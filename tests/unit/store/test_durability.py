"""kill -9: what was told is there, and no half of anything ever."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.ports import Clock
from syncd.store.database import Database
from syncd.store.pairs import RecordSetIdentity

CHILD = """
import sys, time
from concurrent.futures import wait
from pathlib import Path
from syncd.core.model import LocalState, Record, RemoteState
from syncd.core.paths import parse_relpath
from syncd.ports import Commit, ConflictRow, HistoryRow, TrashRow
from syncd.store.database import Database
from syncd.store.pairs import RecordSetIdentity

class Clock:
    now, now_ns, monotonic = time.time, time.time_ns, time.monotonic

def outcome(path, number):
    return Commit(
        put=Record(
            path=parse_relpath(path), local=LocalState.PRESENT, remote=RemoteState.PRESENT, size=number, digest=None
        ),
        history=HistoryRow(at=float(number), path=path, operation="upload", rule="r", result="done", size=number),
        conflict=ConflictRow(at=float(number), path=path, rule="r", winner="local", loser_digest="", loser_at=path),
        trash=TrashRow(at=float(number), path=path, where="local:x", reason="conflict", size=number),
    )

database = Database.open(Path(sys.argv[1]), clock=Clock())
pair = database.pair("logs", RecordSetIdentity(root_uuid="root-1", endpoint="http://s3", bucket="logs", prefix="a/"))
first, step = int(sys.argv[2]), int(sys.argv[3])
number = first
while True:
    futures = [(n, pair.commit(outcome(f"{n:07}", n))) for n in range(number, number + step)]
    for n, future in futures:
        future.result()
    print(number + step, flush=True)
    number += step
"""


def start(path: Path, first: int, step: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(first), str(step)], stdout=subprocess.PIPE, text=True
    )


def kill(child: subprocess.Popen[str]) -> list[int]:
    """Kill it; every number that it had told before it died."""
    child.send_signal(signal.SIGKILL)
    assert child.stdout is not None
    with child.stdout:
        told = [int(line) for line in child.stdout.read().splitlines() if line]
    child.wait(30)
    return told


def test_what_a_future_told_survives_a_kill_right_after_it(
    path: Path, clock: Clock, identity: RecordSetIdentity
) -> None:
    told = 0
    for _ in range(3):
        child = start(path, told, 1)
        assert child.stdout is not None
        told = int(child.stdout.readline())
        told = max([told, *kill(child)])
        with Database.open(path, clock=clock) as database:
            found = [kept.path for kept in database.pair("logs", identity).walk()]
        assert found[:told] == [f"{number:07}" for number in range(told)]


def test_a_kill_at_any_moment_leaves_no_half_outcome(path: Path, clock: Clock, identity: RecordSetIdentity) -> None:
    chance = random.Random(7)
    told = 0
    for _ in range(5):
        child = start(path, told, 300)
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0.0, 0.2))
        told = max([told, *kill(child)])
        with Database.open(path, clock=clock) as database:
            records = {kept.path for kept in database.pair("logs", identity).walk()}
            history = {str(row.path) for row in database.history.query(limit=10**9)}
            conflicts = {str(row.path) for row in database.conflicts.unresolved()}
            trash = {str(row.path) for row in database.trash.rows()}
        assert records == history == conflicts == trash
        assert records >= {f"{number:07}" for number in range(told)}
        told = len(records)
    assert told > 1000
