"""Who else has a file open: real processes that hold it, asked by leases and by a pass over all processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from syncd.core.paths import RelPath
from syncd.errors import Stale
from syncd.local import lease
from syncd.local.holders import Holders
from syncd.local.root import Root
from syncd.ports import Openness

A = RelPath("folder/a")
OPEN, CLOSED = Openness.OPEN, Openness.CLOSED

HOLD = """
import mmap, os, sys
name, how = sys.argv[1:]
if how == "map":
    fd = os.open(name, os.O_RDWR)
    kept = mmap.mmap(fd, 0)
    os.close(fd)
elif how == "map-read":
    fd = os.open(name, os.O_RDONLY)
    kept = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    os.close(fd)
else:
    kept = open(name, how)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(file: Path, how: str) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        yield
        child.communicate(timeout=10)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "folder").mkdir()
    (tmp_path / A).write_bytes(b"content")
    return Root.at(tmp_path)


def test_a_file_that_nobody_holds_is_closed(root: Root) -> None:
    assert root.open_elsewhere(A, for_writing=True) is CLOSED
    assert root.open_elsewhere(A, for_writing=False) is CLOSED


@pytest.mark.parametrize(
    ("how", "writing", "at_all"),
    [("rb", CLOSED, OPEN), ("r+b", OPEN, OPEN), ("ab", OPEN, OPEN), ("map", OPEN, OPEN), ("map-read", CLOSED, OPEN)],
)
@pytest.mark.parametrize("by", ["lease", "processes"])
def test_a_holder_is_seen(root: Root, by: str, how: str, writing: Openness, at_all: Openness) -> None:
    file = root.path / A
    with held(file, how):
        for for_writing, wanted in ((True, writing), (False, at_all)):
            if by == "lease":
                assert root.open_elsewhere(A, for_writing=for_writing) is wanted
            else:
                seen = Holders().ask(file.stat(), for_writing=for_writing)
                # a machine may hide some processes from us: then closed is not known
                assert seen is wanted or (wanted is CLOSED and seen is Openness.UNKNOWN)
    assert root.open_elsewhere(A, for_writing=False) is CLOSED


def test_our_own_second_descriptor_counts_where_nobody_may_have_it_open(root: Root) -> None:
    with root.open(A):
        assert root.open_elsewhere(A, for_writing=False) is OPEN
        assert root.open_elsewhere(A, for_writing=True) is CLOSED


def test_a_staged_file_that_is_still_written_is_open(root: Root) -> None:
    stat = root.lstat(A)
    assert stat is not None
    with held(root.path / A, "ab"):
        root.stage(A, expect=stat)
        assert root.staged_open_elsewhere(A) is OPEN
    assert root.staged_open_elsewhere(A) is CLOSED


def test_a_file_that_is_gone_is_stale(root: Root) -> None:
    with pytest.raises(Stale):
        root.open_elsewhere(RelPath("nothing"), for_writing=True)


def test_a_lease_that_somebody_breaks_neither_kills_us_nor_keeps_them_waiting(root: Root) -> None:
    """SIGIO has its deadly default here; the lease's signal is another one."""
    script = """
import fcntl, os, sys, threading
from pathlib import Path
from syncd.core.paths import RelPath
from syncd.local.root import Root
root = Root.at(Path(sys.argv[1]))
real, name = fcntl.fcntl, Path(sys.argv[1]) / sys.argv[2]
broken = []
def slowly(fd, command, argument=0):
    answer = real(fd, command, argument)
    if command == fcntl.F_SETLEASE and argument != fcntl.F_UNLCK:
        writer = threading.Thread(target=lambda: name.open("ab").close())
        writer.start()
        while real(fd, fcntl.F_GETLEASE) != fcntl.F_UNLCK: pass  # until the kernel has told us that it breaks
        broken.append(writer)
    return answer
fcntl.fcntl = slowly
print(root.open_elsewhere(RelPath(sys.argv[2]), for_writing=True).value)
for writer in broken: writer.join(10)
print(len(broken), any(w.is_alive() for w in broken))
"""
    done = subprocess.run([sys.executable, "-c", script, str(root.path), A], capture_output=True, text=True, timeout=40)
    assert (done.returncode, done.stdout.split()) == (0, ["closed", "1", "False"]), done.stderr


def test_many_threads_may_ask_while_others_open(root: Root) -> None:
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(200):
                root.open_elsewhere(A, for_writing=True)
                root.open_elsewhere(A, for_writing=False)
                with root.open(A) as handle:
                    handle.fstat()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


def test_sigio_is_ignored_when_asked(root: Root) -> None:
    before = signal.getsignal(signal.SIGIO)
    try:
        lease.ignore_sigio()
        os.kill(os.getpid(), signal.SIGIO)
        assert signal.getsignal(signal.SIGIO) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGIO, before)


@pytest.mark.root
def test_where_leases_are_refused_and_processes_are_hidden_it_is_unknown() -> None:
    """Another user's file, asked without CAP_LEASE: others' processes cannot be seen, so closed is not known."""
    code = """
import os, sys
from pathlib import Path
from syncd.core.paths import RelPath
from syncd.local.root import Root
import psutil
psutil.cpu_count(), psutil.pids()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(Root.at(Path(sys.argv[1])).open_elsewhere(RelPath(sys.argv[2]), for_writing=True).value)
"""
    with tempfile.TemporaryDirectory() as name:  # each start of pytest closes its own folders to others
        (Path(name) / A).parent.mkdir()
        (Path(name) / A).write_bytes(b"content")
        Path(name).chmod(0o755)
        done = subprocess.run([sys.executable, "-c", code, name, A], capture_output=True, text=True, timeout=30)
    assert done.stdout == "unknown\n", done.stderr


def test_a_pass_over_the_processes_is_kept_for_as_long_as_it_may_be_old(root: Root) -> None:
    moment = [100.0]
    holders = Holders(monotonic=lambda: moment[0])
    file = (root.path / A).stat()
    holders.ask(file, for_writing=True, max_age_s=1.0)
    with held(root.path / A, "ab"):
        assert holders.ask(file, for_writing=True, max_age_s=1.0) is not OPEN
        assert holders.ask(file, for_writing=True) is OPEN
    moment[0] += 2
    assert holders.ask(file, for_writing=True, max_age_s=1.0) is not OPEN
