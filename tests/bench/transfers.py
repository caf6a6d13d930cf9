"""Rows of files moved up or down: syncd as it is shipped beside its peers, each from nothing, each checked."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import trees
from bench.bars import Bar, judged
from bench.clients import Client, Command, Syncd, Task
from bench.measure import Middle, Prepare, in_turn, medians
from bench.servers import RcloneServer, Server, Sink
from bench.trees import Shape, Sums, Tree
from bench.world import Result, World

PREFIX = "p/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A row: what is moved, which way, where, with whom."""

    name: str
    way: str  # up down
    size: str  # small large
    server: str = "sink"
    transport: str = "http"
    delay_ms: float = 0
    peers: tuple[str, ...] = ("s5cmd", "rclone")
    bars: tuple[Bar, ...] = ()
    share: float = 1.0  # of the files, where somebody takes too long
    quick_share: float = 1.0  # the same where it is to be quick
    once: bool = False  # one round less than the others take: a variation of another row

    def run(self, world: World) -> Result:
        shape = world.small if self.size == "small" else world.large
        share = self.quick_share if world.quick else self.share
        shape = Shape(count=max(1, int(shape.count * share)), size=shape.size)
        clients: list[Client] = [Syncd(), *world.peers.clients(*self.peers)]
        rounds = max(1, world.rounds // 2) if self.once else world.rounds
        with world.serving(self.server, self.transport, delay_ms=self.delay_ms) as server, world.scratch() as scratch:
            move = Up(world, server, shape, scratch) if self.way == "up" else Down(world, server, shape, scratch)
            prepare, words = noting(move.prepare, world.folder)
            runs = in_turn(clients, rounds, prepare, server_pid=server.pid, scratch=scratch, tell=world.tell)
        middles = medians(runs)
        return Result(
            name=self.name,
            title=f"{shape} {self.way}",
            server=self.server + (f" + {self.delay_ms:g} ms" if self.delay_ms else ""),
            transport=self.transport,
            settings={"files": shape.count, "size": shape.size, "rounds": rounds, "delay_ms": self.delay_ms} | words,
            runs=runs,
            medians=middles,
            figures=_rates(shape, middles),
            verdicts=judged(self.bars, middles, {}),
            notes=sorted({f"{run.client} {run.variant}: {run.wrong}" for run in runs if run.wrong}),
        )


def noting(prepare: Prepare, folder: Path) -> tuple[Prepare, dict[str, str]]:
    """The same, and the words of each client's command once it was prepared."""
    words: dict[str, str] = {}

    def noted(client: Client, round: int) -> tuple[Command, Callable[[], str]]:
        command, check = prepare(client, round)
        words[f"{client.name} {client.variant}"] = shlex.join(command.argv).replace(str(folder), "")
        return command, check

    return noted, words


def _rates(shape: Shape, middles: list[Middle]) -> dict[str, float]:
    """What syncd moved a second."""
    mine = [middle.wall_s for middle in middles if middle.client == "syncd"]
    if not mine or not mine[0]:
        return {}
    return {"files a second": round(shape.count / mine[0], 1), "MB/s": round(shape.bytes / mine[0] / 1e6, 1)}


class Up:
    """The same tree into a fresh bucket each time."""

    def __init__(self, world: World, server: Server, shape: Shape, scratch: Path) -> None:
        self._world, self._server, self._shape, self._scratch = world, server, shape, scratch
        self._tree: Tree = world.tree(shape)

    def prepare(self, client: Client, round: int) -> tuple[Command, Callable[[], str]]:
        bucket = self._world.new_bucket(self._server)
        task = Task(
            way="up",
            folder=self._tree.root,
            server=self._server,
            bucket=bucket,
            prefix=PREFIX,
            shape=self._shape,
            scratch=self._scratch / bucket,
        )

        def check() -> str:
            wrong = trees.difference(self._server.held(bucket, PREFIX), self._tree.sums)
            trees.forget_ours(self._tree.root)
            self._server.forget(bucket)
            shutil.rmtree(task.scratch, ignore_errors=True)
            return wrong

        return client.command(task), check


class Down:
    """The same objects into a fresh folder each time."""

    def __init__(self, world: World, server: Server, shape: Shape, scratch: Path) -> None:
        self._server, self._shape, self._scratch = server, shape, scratch
        self._bucket = world.new_bucket(server)
        self._sums = _there(world, server, self._bucket, shape)
        self._number = 0

    def prepare(self, client: Client, round: int) -> tuple[Command, Callable[[], str]]:
        self._number += 1
        scratch = self._scratch / f"down-{self._number:03d}"
        folder = scratch / "files"
        folder.mkdir(parents=True)
        task = Task(
            way="down",
            folder=folder,
            server=self._server,
            bucket=self._bucket,
            prefix=PREFIX,
            shape=self._shape,
            scratch=scratch / "own",
        )

        def check() -> str:
            wrong = trees.difference(trees.sums_of(folder), self._sums)
            shutil.rmtree(scratch)
            return wrong

        return client.command(task), check


def _there(world: World, server: Server, bucket: str, shape: Shape) -> Sums:
    """Put such objects into the server without any client."""
    match server:
        case Sink():
            return server.plant(bucket, PREFIX, shape.count, shape.size)
        case RcloneServer():
            tree = world.tree(shape)
            linked(tree.root, server.folder / bucket / PREFIX)
            server.read_in(bucket)
            return tree.sums
    raise AssertionError(server)


def linked(source: Path, target: Path) -> None:
    """The same files under another folder."""
    shutil.copytree(source, target, copy_function=os.link, ignore=shutil.ignore_patterns(trees.OURS))
