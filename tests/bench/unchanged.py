"""Rows of a tree in which nothing changed: what it costs to be sure of that."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import trees
from bench.bars import Bar, judged, ratio
from bench.clients import Client, Command, Task
from bench.living import Daemon
from bench.measure import Run, in_turn, measured, medians, round_to_ms
from bench.servers import Sink
from bench.sink.listing import EMPTY_MD5, FOLDER, MIRAGE_STAMP, Mirage
from bench.transfers import PREFIX, linked
from bench.trees import Shape
from bench.world import Result, World
from syncd.core.model import Digest, ETag, HashType, LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath
from syncd.store.records import COLUMNS, row_of

IDLE_S = 20.0
QUIET = 'interval = "1h"'
"""The daemon makes no pass but those that are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """One `force-sync --wait` in a running daemon against whole runs of the peers; and the same daemon, idle."""

    name: str = "unchanged"

    def run(self, world: World) -> Result:
        shape = world.small
        with world.serving("sink", "http") as sink, world.scratch() as scratch:
            assert isinstance(sink, Sink)
            root = scratch / "files"
            linked(world.tree(shape).root, root)
            theirs = scratch / "theirs"
            linked(world.tree(shape).root, theirs)
            place = _task(root, sink, scratch / "own", shape)
            with Daemon(place, pair=QUIET).running() as daemon:
                world.tell("the first pass uploads")
                _forced(daemon)
                wrong = trees.difference(sink.held(place.bucket, PREFIX), world.tree(shape).sums)
                runs, asked = self._passes(world, daemon, sink, scratch)
                runs += self._peers(world, _task(theirs, sink, scratch / "peer", shape), scratch)
                world.tell("idle")
                idle = daemon.idle_share(IDLE_S / 2 if world.quick else IDLE_S)
        middles = medians(runs)
        figures = {"CPU between passes, %": round(idle, 3), **asked}
        bars = (
            ratio("cpu_s", 0.3, ("rclone",)),
            ratio("wall_s", 0.5, ("rclone",)),
            Bar(metric="peak_mib", limit=96, unit="MiB"),
            Bar(metric="HEAD a pass", limit=0),
            Bar(metric="LIST a pass", limit=shape.count // 1000 + 1),
            Bar(metric="CPU between passes, %", limit=0.2),
        )
        return Result(
            name=self.name,
            title=f"{shape} unchanged",
            server="sink",
            transport="http",
            settings={"files": shape.count, "size": shape.size, "rounds": world.rounds, "idle_s": IDLE_S},
            runs=runs,
            medians=middles,
            figures=figures,
            verdicts=judged(bars, middles, figures),
            notes=[f"the first pass: {wrong}"] if wrong else [],
        )

    def _passes(self, world: World, daemon: Daemon, sink: Sink, scratch: Path) -> tuple[list[Run], dict[str, float]]:
        """The cost of each: of the daemon and of synctl together."""
        runs, heads, lists = [], [], []
        for round in range(max(3, world.rounds)):
            world.tell(f"force-sync, {round + 1}")
            before, asked = daemon.cpu_s(), sink.counts()
            command = Command(argv=daemon.synctl("force-sync", "--wait"), env=dict(daemon.env))
            code, wall_s, used_s, _, server_s = measured(command, server_pid=sink.pid, log=scratch / "forced.log")
            now = sink.counts()
            heads.append(now["HEAD"] - asked["HEAD"])
            lists.append(now["LIST"] - asked["LIST"])
            runs.append(
                Run(
                    client="syncd",
                    variant="force-sync",
                    round=round,
                    wall_s=round_to_ms(wall_s),
                    cpu_s=round_to_ms(used_s + daemon.cpu_s() - before),
                    peak_mib=round_to_ms(daemon.peak_mib()),
                    server_cpu_s=round_to_ms(server_s),
                    wrong="" if code == 0 else (scratch / "forced.log").read_text(),
                )
            )
        return runs, {"HEAD a pass": median(heads), "LIST a pass": median(lists)}

    def _peers(self, world: World, task: Task, scratch: Path) -> list[Run]:
        def prepare(client: Client, round: int) -> tuple[Command, Callable[[], str]]:
            return client.command(task), str

        clients = world.peers.clients("rclone", "s5cmd")
        return in_turn(clients, world.rounds, prepare, server_pid=task.server.pid, scratch=scratch, tell=world.tell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Million:
    """`syncd --once` over a million records, files and listed objects that agree: how much memory streaming takes."""

    name: str = "million"

    def run(self, world: World) -> Result:
        count = 100_000 if world.quick else 1_000_000
        with world.serving("sink", "http") as sink, world.scratch() as scratch:
            assert isinstance(sink, Sink)
            root = scratch / "files"
            root.mkdir()
            place = _task(root, sink, scratch / "own", Shape(count=count, size=0))
            daemon = Daemon(place, pair='interval = "1h"\nwatch = false')
            world.tell("the records' database is made")
            once = Command(argv=[*_syncd(daemon), "--once"], env=dict(daemon.env))
            code, *_ = measured(once, server_pid=sink.pid, log=scratch / "first.log")
            assert code == 0, (scratch / "first.log").read_text()
            world.tell(f"making {count:,} files and their records")
            _records(scratch / "own" / "state", _files(root, count))
            sink.ask("POST", f"mirage?bucket={place.bucket}&prefix={PREFIX}&count={count}")
            asked = sink.counts()
            world.tell("the pass")
            code, wall_s, used_s, peak, _ = measured(once, server_pid=sink.pid, log=scratch / "pass.log")
            sent = {kind: number - asked[kind] for kind, number in sink.counts().items()}
        figures = {
            "wall s": round(wall_s, 2),
            "CPU s": round(used_s, 2),
            "RSS MiB": round(peak, 1),
            "LIST": float(sent["LIST"]),
            "HEAD, GET, PUT": float(sent["HEAD"] + sent["GET"] + sent["PUT"]),
        }
        bars = (
            Bar(metric="RSS MiB", limit=128),
            Bar(metric="LIST", limit=count / 1000 + 2),
            Bar(metric="HEAD, GET, PUT", limit=1),  # the root's marker is looked at
        )
        return Result(
            name=self.name,
            title=f"{count:,} files unchanged",
            server="sink",
            transport="http",
            settings={"files": count, "size": 0},
            figures=figures,
            verdicts=judged(bars, [], figures),
            notes=[] if code == 0 else [f"ended with {code}"],
        )


def _task(root: Path, sink: Sink, scratch: Path, shape: Shape) -> Task:
    return Task(way="same", folder=root, server=sink, bucket="same", prefix=PREFIX, shape=shape, scratch=scratch)


def _syncd(daemon: Daemon) -> list[str]:
    return [sys.executable, "-m", "syncd", "--config", str(daemon.config)]


def _forced(daemon: Daemon) -> None:
    """A whole pass, now, whatever else is under way."""
    subprocess.run(
        daemon.synctl("force-sync", "--wait", "--timeout", "600"), check=True, capture_output=True, timeout=660
    )


def _files(root: Path, count: int) -> list[tuple[str, os.stat_result]]:
    """Empty files with the names that the mirage lists."""
    mirage, found = Mirage("", count), []
    for number in range(count):
        path = mirage.key(number)
        file = root / path
        if number % FOLDER == 0:
            file.parent.mkdir()
        fd = os.open(file, os.O_CREAT | os.O_WRONLY, 0o644)
        os.utime(fd, (MIRAGE_STAMP, MIRAGE_STAMP))
        found.append((path, os.fstat(fd)))
        os.close(fd)
    return found


def _records(state: Path, files: list[tuple[str, os.stat_result]]) -> None:
    """What an upload of each would have left, in the store's own words."""
    database = state / "syncd.db"
    empty = Digest(HashType.SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    with closing(sqlite3.connect(database)) as store, store:
        (set_id,) = store.execute("SELECT id FROM record_set").fetchone()
        (seq,) = store.execute("SELECT last_seq FROM ledger").fetchone()
        rows = (
            row_of(
                set_id,
                Record(
                    path=RelPath(path),
                    local=LocalState.PRESENT,
                    remote=RemoteState.PRESENT,
                    size=0,
                    digest=empty,
                    stat=LocalStat(0, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino),
                    looked_ns=stat.st_ctime_ns + 10**10,
                    etag=ETag(EMPTY_MD5),
                    proof=ProofKind.PAYLOAD,
                    origin=Origin.UPLOADED,
                ),
                seq + 1,
            )
            for path, stat in files
        )
        places = ",".join("?" * (COLUMNS.count(",") + 2))
        store.executemany(f"REPLACE INTO record (set_id, {COLUMNS}) VALUES ({places})", rows)
        store.execute("UPDATE ledger SET last_seq = ?", (seq + 1,))
