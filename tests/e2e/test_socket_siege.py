"""The running daemon under siege: floods, slow readers, dead clients, no descriptors. It syncs on and stays small."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from support.control_socket import Raw
from support.daemon_process import Host, objects
from support.moto import MotoServer
from support.processes import eventually
from syncd.control.server import CLIENTS

MakeHost = Callable[..., Host]
MIB = 1 << 20
HISTORY = 100_000
PING_S = 2.0


class Besieged:
    """A daemon with its watchdog's ear at our door, and its memory under watch."""

    def __init__(self, host: Host, pings: list[float]) -> None:
        self.host = host
        self.pings = pings
        assert host.process is not None
        self.process = psutil.Process(host.process.pid)
        self.before = self.rss
        self.peak = self.before

    @property
    def rss(self) -> int:
        return int(self.process.memory_info().rss)

    def look(self) -> None:
        self.peak = max(self.peak, self.rss)

    def still_works(self, name: str) -> None:
        """It answers a good client soon, and a new file goes up."""
        began = time.monotonic()
        assert self.host.ctl("version").code == 0
        assert time.monotonic() - began < 10
        self.host.write(name, name.encode())
        done = self.host.ctl("force-sync", "logs", "--wait", "--timeout", "30s")
        assert done.code == 0, done.said


@contextmanager
def besieged(host: Host, folder: Path) -> Iterator[Besieged]:
    """The daemon as systemd would run it: NOTIFY_SOCKET is ours, and each WATCHDOG=1 is kept with its time."""
    pings: list[float] = []
    ended = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(folder / "n"))
        ear.settimeout(0.2)

        def listen() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    if b"WATCHDOG=1" in ear.recv(4096):
                        pings.append(time.monotonic())

        listener = threading.Thread(target=listen)
        listener.start()
        try:
            host.env |= {"NOTIFY_SOCKET": str(folder / "n"), "WATCHDOG_USEC": str(int(PING_S * 2e6))}
            host.start()
            eventually(lambda: pings, within=20, what="no watchdog ping")
            yield Besieged(host, pings)
        finally:
            ended.set()
            listener.join()


@pytest.fixture
def under_siege(s3: MotoServer, make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    host = make_host(s3.endpoint)
    host.write("first.gz", b"first")
    assert host.once().code == 0
    with besieged(host, tmp_path_factory.mktemp("n")) as siege:
        yield siege


def long_history(host: Host) -> None:
    """A history as months make it, written while no daemon runs."""
    with sqlite3.connect(host.state / "syncd.db") as database:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO history "
            "(pair_id, at, path, operation, rule, result, size, digest, etag, error, cycle, elapsed_s) "
            "SELECT (SELECT id FROM pair), unixepoch() - i, CAST('f/' || i AS BLOB), 'upload', 'upload.new', "
            "'done', 1, '', '', '', 'c', 0.1 FROM n",
            (HISTORY,),
        )
    database.close()


def test_a_flood_of_junk_large_and_hanging_clients_costs_neither_sync_nor_memory(
    under_siege: Besieged, s3: MotoServer, bucket: str
) -> None:
    host = under_siege.host
    began, heavy = time.monotonic(), b",".join([b"[]"] * 200_000)
    sent = [
        b'{"method":"io.syncd.Status","parameters":{"' + b"x" * 300_000 + b'":0,"a":[' + heavy + b"]}}\0",
        b"\xff" * (2 * MIB),
        b"[" * MIB,
        b'{"method":"io.syncd.Version"}\0' * 5_000,
        b'{"method":"io.sync',
        b"",
    ]
    with ExitStack() as stack:
        for index in range(3 * CLIENTS):
            bad = stack.enter_context(socket.socket(socket.AF_UNIX))
            bad.settimeout(0.1)
            with suppress(OSError):
                bad.connect(str(host.socket))
                bad.sendall(sent[index % len(sent)])  # and never read
            under_siege.look()
        under_siege.still_works("during.gz")
        under_siege.look()
    under_siege.still_works("after.gz")
    grown = (under_siege.peak - under_siege.before) // MIB
    assert grown < 250, f"{grown} MiB more"
    assert set(objects(s3, bucket)) == {"first.gz", "during.gz", "after.gz"}
    times = [began, *(ping for ping in under_siege.pings if ping > began), time.monotonic()]
    assert max(later - earlier for earlier, later in pairwise(times)) < 3 * PING_S


def test_many_slow_readers_of_a_long_history_cost_no_memory_and_hold_no_lock(
    s3: MotoServer, make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = make_host(s3.endpoint)
    host.write("first.gz", b"first")
    assert host.once().code == 0
    long_history(host)
    with besieged(host, tmp_path_factory.mktemp("n")) as siege, ExitStack() as stack:
        slow = [stack.enter_context(Raw(host.socket)) for _ in range(30)]
        for each in slow:
            each.send("io.syncd.History", parameters={"limit": 1_000_000}, more=True)
        for each in slow:
            first = each.reply()
            assert first is not None
            assert first["continues"]
            siege.look()
        siege.still_works("meanwhile.gz")
        siege.look()
        grown = (siege.peak - siege.before) // MIB
        assert grown < 120, f"{grown} MiB more"
        # one that reads at last gets every row, though rows were added since
        quick = slow[-1]
        rows = len(first["parameters"]["rows"])
        while first is not None and first.get("continues"):
            first = quick.reply()
            assert first is not None, "cut off"
            rows += len(first["parameters"]["rows"])
        assert rows == HISTORY + 1


READ_A_LITTLE = """
import socket, sys
sock = socket.socket(socket.AF_UNIX)
sock.connect(sys.argv[1])
sock.sendall(b'{"method":"io.syncd.History","parameters":{"limit":1000000},"more":true}\\0')
print(len(sock.recv(1000)), flush=True)
sock.recv(1)
sys.stdin.read()
"""


def test_clients_killed_in_the_middle_of_an_answer_leave_nothing_behind(
    s3: MotoServer, make_host: MakeHost, tmp_path_factory: pytest.TempPathFactory
) -> None:
    host = make_host(s3.endpoint)
    host.write("first.gz", b"first")
    assert host.once().code == 0
    long_history(host)
    with besieged(host, tmp_path_factory.mktemp("n")) as siege:

        def after_kills() -> int:
            command = [sys.executable, "-I", "-S", "-c", READ_A_LITTLE, str(host.socket)]
            for _ in range(8):
                with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
                    assert reader.stdout is not None
                    assert reader.stdout.readline().strip().isdigit()
                    reader.send_signal(signal.SIGKILL)
            eventually(lambda: threads() <= few, within=20, what="their threads stay")
            with Raw(host.socket) as asking:  # the database lets go of a dead reader when the next one asks
                asking.call("io.syncd.History", limit=1)
            return siege.process.num_fds()

        def threads() -> int:
            return int(siege.process.num_threads())

        siege.still_works("before.gz")
        few = threads() + 2
        first = after_kills()
        assert after_kills() <= first + 6
        siege.still_works("after.gz")


def test_a_daemon_without_descriptors_left_is_deaf_for_so_long_and_no_longer(under_siege: Besieged) -> None:
    host, process = under_siege.host, under_siege.process
    _, most = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, most))
    with ExitStack() as stack:
        for _ in range(8):
            deaf = stack.enter_context(socket.socket(socket.AF_UNIX))
            deaf.settimeout(0.5)
            with suppress(OSError):
                deaf.connect(str(host.socket))
                deaf.sendall(json.dumps({"method": "io.syncd.Version"}).encode() + b"\0")
                assert deaf.recv(100) == b""
    count = len(under_siege.pings)
    eventually(lambda: len(under_siege.pings) > count + 1, within=20, what="no ping without descriptors")
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (most, most))
    eventually(lambda: host.ctl("version").code == 0, within=20, what="deaf for good")
    under_siege.still_works("after.gz")
    assert os.path.exists(host.socket)
