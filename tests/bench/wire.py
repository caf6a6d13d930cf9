"""Rows over a wire of 3 Gbit/s, a veth pair with a token bucket at each end: how much of it each client uses."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.bars import Bar, judged
from bench.clients import Syncd
from bench.measure import in_turn, medians
from bench.servers import Sink
from bench.transfers import Down, Up, noting
from bench.world import Result, World

GBIT = 3
BYTES_A_SECOND = GBIT * 1e9 / 8
HERE, THERE = "10.211.7.1", "10.211.7.2"


@contextmanager
def wire() -> Iterator[tuple[str, ...]]:
    """What to put before a program that is to be at its other end. Needs root. RuntimeError where there can be none."""
    name = f"bench{os.getpid()}"
    near = f"vb{os.getpid() % 100000}"
    far = f"{near}p"
    inside = ("ip", "netns", "exec", name)
    bucket = f"root tbf rate {GBIT}gbit burst 2mb latency 50ms"
    try:
        for words in (
            f"ip netns add {name}",
            f"ip link add {near} type veth peer name {far} netns {name}",
            f"ip addr add {HERE}/30 dev {near}",
            f"ip link set {near} up",
            f"ip netns exec {name} ip addr add {THERE}/30 dev {far}",
            f"ip netns exec {name} ip link set {far} up",
            f"ip netns exec {name} ip link set lo up",
            f"tc qdisc add dev {near} {bucket}",
            f"ip netns exec {name} tc qdisc add dev {far} {bucket}",
        ):
            done = subprocess.run(words.split(), capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{words}: {done.stderr.strip()}")
        yield inside
    finally:
        subprocess.run(["ip", "link", "del", near], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Large files over the wire, one way."""

    name: str
    way: str

    def run(self, world: World) -> Result:
        title = f"{world.large} {self.way} over {GBIT} Gbit/s"
        if os.geteuid() != 0 or not shutil.which("tc"):
            return Result(name=self.name, title=title, skipped="needs root and iproute2")
        rounds = max(1, world.rounds // 2)
        try:
            with wire() as inside, world.scratch() as scratch:
                sink = Sink(scratch, host=THERE, before=inside)
                try:
                    move = (Up if self.way == "up" else Down)(world, sink, world.large, scratch)
                    clients = [Syncd(), *world.peers.clients("s5cmd", "rclone")]
                    prepare, words = noting(move.prepare, world.folder)
                    runs = in_turn(clients, rounds, prepare, server_pid=sink.pid, scratch=scratch, tell=world.tell)
                finally:
                    sink.close()
        except RuntimeError as error:
            return Result(name=self.name, title=title, skipped=str(error))
        middles = medians(runs)
        least = world.large.bytes / BYTES_A_SECOND
        figures = {
            f"share of the wire, {one.client} {one.variant}": round(least / one.wall_s, 3) for one in middles
        } | {"the wire takes, s": round(least, 2)}
        return Result(
            name=self.name,
            title=title,
            server="sink",
            transport=f"http over veth, tbf {GBIT} Gbit/s",
            settings={"files": world.large.count, "size": world.large.size, "rounds": rounds, "gbit": GBIT} | words,
            runs=runs,
            medians=middles,
            figures=figures,
            verdicts=judged((Bar(metric="wall_s", limit=1.05, against=("s5cmd", "rclone")),), middles, figures),
            notes=sorted({f"{run.client} {run.variant}: {run.wrong}" for run in runs if run.wrong}),
        )
