"""The power goes at any moment of any work: what was told done is there, nothing is half, and no version is lost.

POWER_SEED=0x... repeats a run's choices.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.archiver_host import AT_ONCE
from support.churn import digests
from support.daemon_process import Host
from support.moto import MotoServer
from support.power import PoweredDisk
from support.processes import Process, eventually
from support.safekeeping import Versions, files_in, stored

pytestmark = pytest.mark.root

ROUNDS = int(os.environ.get("POWER_ROUNDS", "4"))
WITHIN = 120.0
PAIR = 'settle = "0s"\nkeep_versions = "all"\ndeletes = "propagate"\nmax_delete = "off"\ninterval = "1s"\n'
TOLD = ("transfer.finished", "file.cleaned", "file.trashed", "archive.sealed", "archive.finished", "object.deleted")


class World:
    """A daemon, all of whose folders lie on a disk whose power is cut; its log does not."""

    def __init__(self, folder: Path, server: MotoServer, disk: PoweredDisk) -> None:
        self.server = server
        self.disk = disk
        self.bucket = server.new_bucket(f"power-{os.urandom(6).hex()}")
        self.versions = Versions()
        self.names: dict[str, bytes] = {}  # what both sides of the pair are to hold in the end
        self.cleaned, self.batch = disk.path / "cleaned", disk.path / "batch"
        (self.batch / self.bucket).mkdir(parents=True)
        self.cleaned.mkdir()
        more = (
            f'[[pair]]\nname = "cleans"\nlocal = "{self.cleaned}"\nremote = "s3://{self.bucket}/c/"\n'
            f'mode = "upload"\ncleanup = true\n{PAIR}\n[[batch]]\nname = "small"\nroot = "{self.batch}"\n{AT_ONCE}'
        )
        remote = f"s3://{self.bucket}/p/"
        self.host = Host(folder / "host", server.endpoint, remote=remote, mode="bidirectional", pair=PAIR, more=more)
        self.host.root, self.host.state = disk.path / "root", disk.path / "state"
        self.host.root.mkdir()
        self.host.configure()
        os.sync()

    def work(self, number: int, chance: random.Random) -> None:
        """A round of everything: new here, new there, over both ways, deletions both ways, cleanup, archiver."""
        settled = sorted(self.names)
        for each in range(4):
            self._write(self.host.root / f"{number}-up{each}", f"{number}-up{each}")
            self._store(f"{number}-down{each}")
        for old in chance.sample(settled, min(4, len(settled))):
            match chance.choice(("write", "store", "remove", "delete")):
                case "write":
                    self._write(self.host.root / old, old, generation=number)
                case "store":
                    self._store(old, generation=number)
                case "remove":
                    (self.host.root / old).unlink(missing_ok=True)
                    _sync(self.host.root)
                    self.names.pop(old)
                case _:
                    self.server.client().delete_object(Bucket=self.bucket, Key=f"p/{old}")
                    self.names.pop(old)
        for each in range(3):
            self._write(self.cleaned / f"{number}-{each}", f"cleaned {number}-{each}", tracked=False)
            key = self.batch / self.bucket / f"{number}" / f"{each}.log"
            self._write(key, f"archived {number}-{each}", tracked=False)

    def _write(self, path: Path, name: str, *, generation: int = 0, tracked: bool = True) -> None:
        """As a writer who wants it to last: whole, fsynced, renamed into place."""
        content = self._made(name, f"here {generation}")
        path.parent.mkdir(exist_ok=True)
        beside = self.disk.path / "beside"
        with beside.open("wb", buffering=0) as file:
            file.write(content)
            os.fsync(file.fileno())
        os.rename(beside, path)
        _sync(path.parent)
        _sync(path.parent.parent)
        if tracked:
            self.names[name] = content

    def _store(self, name: str, *, generation: int = 0) -> None:
        content = self._made(name, f"there {generation}")
        self.server.client().put_object(Bucket=self.bucket, Key=f"p/{name}", Body=content)
        self.names[name] = content

    def _made(self, name: str, generation: str) -> bytes:
        return self.versions.made(f"{name} ({generation})", f"{name} {generation}; ".encode() * 3000)

    def here(self) -> dict[str, bytes]:
        """The files of the pair that works both ways."""
        return files_in(self.host.root)

    def settled(self) -> bool:
        """Whether both sides hold what they should, and nothing waits to be cleaned or archived."""
        waits = list(self.cleaned.glob("[!.]*")) or dict(digests(self.batch / self.bucket))
        return not waits and self.here() == self.names == stored(self.server.client(), self.bucket, "p/")

    def differs(self) -> str:
        """What is not settled, in words."""
        here, there = self.here(), stored(self.server.client(), self.bucket, "p/")
        sides = [{n for n in self.names.keys() | side if side.get(n) != self.names.get(n)} for side in (here, there)]
        waits = [*self.cleaned.glob("[!.]*"), *dict(digests(self.batch / self.bucket))]
        return f"differ here, there: {sides}; wait: {waits}\n{self.host.process and self.host.process.said(60)}"

    def lost(self) -> list[str]:
        """The versions that are nowhere."""
        folders = [self.host.root, self.cleaned, self.batch]
        return self.versions.lost(folders, self.server.client(), self.bucket)

    def told(self) -> list[dict[str, Any]]:
        """What was told done, each after it was durable."""
        return [event for event in self.host.events() if event["event"] in TOLD]

    def check_disk(self) -> None:
        """What a power cut left: a database that is whole, and no half file under a final name."""
        with closing(sqlite3.connect(self.host.state / "syncd.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        whole = self.versions.digests()
        for folder in (self.host.root, self.cleaned, self.batch):
            for path, found in digests(folder):
                assert found in whole, f"{path} is half, or nobody's"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def a_world(folder: Path, server: MotoServer) -> Iterator[World]:
    with PoweredDisk(folder / "powered") as disk:
        world = World(folder, server, disk)
        try:
            yield world
        finally:
            world.host.close()


def test_the_power_may_go_at_any_moment(s3: MotoServer, tmp_path: Path) -> None:
    seed = int(os.environ.get("POWER_SEED", "0"), 0) or random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    print(f"POWER_SEED={seed:#x}")
    with a_world(tmp_path, s3) as world:
        host = world.host
        host.start("-v")
        for number in range(ROUNDS):
            told = len(world.told())
            world.work(number, chance)
            moment = told + chance.randrange(1, 24)
            eventually(lambda: len(world.told()) >= moment or world.settled(), within=WITHIN, what=host.log.read_text)  # noqa: B023
            assert host.process is not None
            done = downloads_told(world, since=told)
            world.disk.cut(host.process, commit_s=chance.choice((1, 5, 30)))
            world.check_disk()
            for name in done:
                assert (host.root / name).exists(), f"{name} was told done, POWER_SEED={seed:#x}"
            sent = uploads_told(world, since=told)
            mark = s3.mark()
            host.start("-v")
            eventually(world.settled, within=WITHIN, what=lambda: f"POWER_SEED={seed:#x}\n{world.differs()}")
            assert world.lost() == [], f"POWER_SEED={seed:#x}"
            again = {path.rpartition("/")[2] for kind, path, _ in s3.log(mark) if kind == "PUT" and "/p/" in path}
            assert not again & sent, f"told done and sent again, POWER_SEED={seed:#x}"
        assert host.stop(within=60) == 0
        assert not host.events("worker.crashed")


def downloads_told(world: World, *, since: int) -> set[str]:
    """Names whose download was told done, and that both sides still hold."""
    rows = world.told()[since:]
    names = {row["path"] for row in rows if row.get("rule", "").startswith("download")}
    return {name for name in names if name in world.names}


def uploads_told(world: World, *, since: int) -> set[str]:
    """Names whose upload of what is still their content was told done."""
    rows = world.told()[since:]
    names = {row["path"] for row in rows if row.get("rule", "").startswith("upload")}
    there = stored(world.server.client(), world.bucket, "p/")
    return {name for name in names if there.get(name) == world.names.get(name)}


def test_what_a_forced_sync_told_done_outlives_a_power_cut_right_after_it(s3: MotoServer, tmp_path: Path) -> None:
    with a_world(tmp_path, s3) as world:
        host = world.host
        world.work(0, random.Random(0))
        host.start("-v")
        assert host.ctl("force-sync", "logs", "--wait", "--timeout", "100", within=120).code == 0
        assert host.process is not None
        world.disk.cut(host.process, commit_s=30)
        world.check_disk()
        assert world.here() == world.names
        mark = s3.mark()
        host.start("-v")
        eventually(world.settled, within=WITHIN, what=host.log.read_text)
        moved = [path for kind, path, _ in s3.log(mark) if kind == "PUT" and "/p/" in path and ".syncd" not in path]
        assert not moved, "what was told done was sent again"
        assert not host.events("records.dropped")
        assert world.lost() == []
        for name in world.names:
            assert '"done"' in host.ctl("history", name, "--json").out
        assert host.stop(within=60) == 0


def test_a_copy_of_the_disk_really_lacks_what_nobody_synced(tmp_path: Path) -> None:
    with PoweredDisk(tmp_path / "powered") as disk:
        bystander = Process(["sleep", "600"], log=tmp_path / "log")
        with (disk.path / "synced").open("wb", buffering=0) as file:
            file.write(b"synced")
            os.fsync(file.fileno())
        _sync(disk.path)
        (disk.path / "cached").write_bytes(b"cached")
        disk.cut(bystander, commit_s=5)
        assert (disk.path / "synced").read_bytes() == b"synced"
        assert not (disk.path / "cached").exists() or not (disk.path / "cached").read_bytes()
