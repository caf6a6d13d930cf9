"""One daemon for each state folder. Real processes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.processes import eventually
from syncd.errors import FatalError
from syncd.runtime.lock import Holder, LockHeld, StateLock, boot_id, find_holder, start_ticks

HOLD = """
import sys, pathlib
from syncd.runtime.lock import StateLock
with StateLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


def test_the_second_is_told_who_holds_it_since_when_and_what_to_do(tmp_path: Path) -> None:
    with holding(tmp_path) as child:
        with pytest.raises(LockHeld) as caught:
            StateLock(tmp_path).acquire()
        holder = caught.value.holder
        assert holder.pid == child.pid
        assert abs(holder.started_at - time.time()) < 60
        assert holder.runs_here()
        for word in (str(child.pid), holder.since, holder.host, str(tmp_path), "syncd --stop"):
            assert word in str(caught.value)


def test_a_killed_holder_frees_it_at_once(tmp_path: Path) -> None:
    with holding(tmp_path) as child:
        child.kill()
        child.wait(10)
    assert find_holder(tmp_path) is None  # though its name still stands in the file
    with StateLock(tmp_path):
        holder = find_holder(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert find_holder(tmp_path) is None


def test_nobody_holds_a_folder_that_never_had_a_lock(tmp_path: Path) -> None:
    assert find_holder(tmp_path) is None
    assert find_holder(tmp_path / "nowhere") is None
    assert list(tmp_path.iterdir()) == []


def test_a_look_at_the_very_moment_of_starting_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            find_holder(tmp_path)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(30):
            with StateLock(tmp_path):
                pass
    finally:
        stop.set()
        looking.join(10)


def test_of_many_that_start_together_exactly_one_holds_it(tmp_path: Path) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        eventually(lambda: sum(child.poll() is None for child in children) == 1, within=20, what="three gave up")
        (winner,) = [child for child in children if child.poll() is None]
        holder = find_holder(tmp_path)
        assert holder is not None
        assert holder.pid == winner.pid
    finally:
        for child in children:
            child.kill()
            child.communicate(timeout=10)


def test_a_lock_file_that_was_removed_is_noticed(tmp_path: Path) -> None:
    with StateLock(tmp_path) as lock:
        lock.check()
        (tmp_path / "lock").unlink()
        with pytest.raises(FatalError, match="removed"):
            lock.check()


def test_content_that_is_not_ours_still_holds_but_names_nobody(tmp_path: Path) -> None:
    with StateLock(tmp_path):
        (tmp_path / "lock").write_bytes(b"\xff{")
        holder = find_holder(tmp_path)
        assert holder is not None
        assert not holder.runs_here()
        with pytest.raises(LockHeld, match="could not be read"):
            StateLock(tmp_path).acquire()


def test_a_missing_state_folder_and_a_link_in_place_of_the_lock_are_said(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="not there"):
        StateLock(tmp_path / "nowhere").acquire()
    (tmp_path / "lock").symlink_to(tmp_path / "precious")
    with pytest.raises(FatalError, match="cannot be opened"):
        StateLock(tmp_path).acquire()
    assert not (tmp_path / "precious").exists()


def test_a_pid_with_another_start_time_or_another_boot_is_not_the_holder() -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    own = Holder(pid=os.getpid(), started_at=0, started_ticks=ticks, boot=boot_id(), host="h")
    assert own.runs_here()
    assert not Holder(pid=os.getpid(), started_at=0, started_ticks=ticks - 1, boot=boot_id(), host="h").runs_here()
    assert not Holder(pid=os.getpid(), started_at=0, started_ticks=ticks, boot="x", host="h").runs_here()
