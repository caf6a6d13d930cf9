"""What a daemon is killed at: each scenario prepares a world, changes it, and leaves the rest to the daemon."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from support.crash_world import Attend, World
from support.nursery import Newborn
from support.processes import eventually
from support.site import AGO

MIB = 1 << 20
PARTS = {"syncd.engine.upload.SINGLE_PUT": MIB, "syncd.engine.multipart.PART": 5 * MIB}
"""An object over 1 MiB goes up in parts of the least size that S3 takes."""

RANGES = {"syncd.engine.download.LARGE": MIB, "syncd.engine.ranged.RANGE": MIB // 2}

NO_PAUSE = {"syncd.runtime.once_batch.PAUSE_S": 0.01}
AT_ONCE = 'min_files = 1\nmax_age = "0s"\nmin_age = "0s"\nsettle = "0s"\n'

Deed = Callable[[World], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """`act` is what the daemon finds when it is killed; `before` what it was used to. It is done `by` these calls.

    `keys` are those of `[[pair]]`, `s3` of `[s3]`, `batch` and `index` lines of their sections. `attend`: it is a
    daemon that stays, and somebody uses it. `store`: how strict the store is (support/moto.py). `may_go`: versions that
    the promise excepts. `rolled_back`: also tried with a database that is lost, or from the past.
    """

    name: str
    by: tuple[str, ...]
    act: Deed
    before: Deed = lambda world: None
    keys: Mapping[str, Any] = field(default_factory=dict)
    s3: Mapping[str, Any] = field(default_factory=dict)
    batch: str = ""
    indexed: bool = False
    attend: Attend | None = None
    store: str = "plain"
    versioned: bool = False
    flagless: bool = False
    patches: Mapping[str, float] = field(default_factory=dict)
    may_go: frozenset[bytes] = frozenset()
    rolled_back: bool = False


def both(world: World) -> None:
    """Two files that both sides have."""
    write_two(world)
    assert world.live().code == 0


def edit_here(world: World) -> None:
    world.write("one", b"edited here", mtime=AGO + 100)


def edit_there(world: World) -> None:
    world.put("one", b"edited there")


def edit_both(world: World) -> None:
    edit_there(world)
    edit_here(world)


def write_two(world: World) -> None:
    world.write("one", b"first", mtime=AGO)
    world.write("deep/two", b"second", mtime=AGO)


LARGE = b"a large file, " * (11 * MIB // 14)


def write_large(world: World) -> None:
    world.write("large", LARGE, mtime=AGO)


def rewrite_large(world: World) -> None:
    """By its own writer, before the first version was all there."""
    world.write("large", LARGE[::-1], mtime=AGO + 100)


def abandon(world: World) -> None:
    """An earlier life died between two parts."""
    write_large(world)
    assert world.live(at="s3.part.after").killed


def put_two(world: World) -> None:
    world.put("one", b"first")
    world.put("deep/two", b"second")


def put_large(world: World) -> None:
    world.put("large", LARGE[: 2 * MIB])


def put_where_a_folder_is(world: World) -> None:
    world.put("one", b"first")
    (world.root / "one").mkdir()


def stage(world: World) -> None:
    """One file that is on its way out."""
    world.write("one", b"first", mtime=AGO)
    for _ in range(2):
        world.live()
    assert world.staged() == [b"first"]


def rename(world: World) -> None:
    (world.root / "deep/two").rename(world.root / "deep/three")


def write_for_archive(world: World) -> None:
    for number in range(3):
        world.write(f"logs/{number}.log", b"%d of three" % number, mtime=AGO)
    world.write("other/0.log", b"of another folder", mtime=AGO)


def write_for_stream(world: World) -> None:
    world.write("logs/0.log", b"0" * (4 * MIB), mtime=AGO)
    world.write("logs/1.log", b"1" * (3 * MIB), mtime=AGO)


def write_for_both_ways(world: World) -> None:
    world.write("logs/small.log", b"small", mtime=AGO)
    world.write("logs/large.log", b"larger than an archive may be " * 100, mtime=AGO)


# --- a daemon that stays --------------------------------------------------------------------------------------------


def ask(world: World, born: Newborn, *words: str) -> str:
    """synctl's answer; "" where the daemon died meanwhile. Nobody minds what it is."""
    return world.synctl(*words).out if born.running else ""


def attended(*wishes: Callable[[World, Newborn], object]) -> Attend:
    """Wait until it answers, ask for these things and for a full pass, and stop it."""

    def attend(world: World, born: Newborn) -> None:
        eventually(lambda: not born.running or ask(world, born, "version"), within=60, what=world.told)
        for wish in wishes:
            wish(world, born)
        ask(world, born, "force-sync", "--wait", "--timeout", "20")
        if born.running:
            born.signal(signal.SIGTERM)

    return attend


def restore(world: World, born: Newborn) -> None:
    """Whatever lies in the trash."""
    listed = json.loads(ask(world, born, "trash", "list", "--json") or "{}")
    for row in listed.get("rows", ()):
        ask(world, born, "trash", "restore", str(row["id"]))


def settle_otherwise(world: World, born: Newborn) -> None:
    """The side that lost is to stay after all."""
    listed = json.loads(ask(world, born, "conflicts", "--json") or "{}")
    for row in listed.get("rows", ()):
        ask(world, born, "conflicts", "resolve", str(row["id"]), "--keep", "local")


def leave_a_socket(world: World) -> None:
    """The socket of a daemon that was killed."""
    import socket

    write_two(world)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(world.socket))


# --- all of them ------------------------------------------------------------------------------------------------------

KEEP_ALL = {"keep_versions": "all"}
OVERWRITTEN = frozenset({b"first"})
"""By its own writers, here and there, before the daemon saw either edit."""

PROPAGATE = {"deletes": "propagate", "max_delete": "off"}

SCENARIOS = (
    Scenario(name="upload", by=("s3.put",), act=write_two, keys={"mode": "upload"}, rolled_back=True),
    Scenario(
        name="edit",
        by=(
            "s3.copy",
            "s3.put",
        ),
        before=both,
        act=edit_here,
        keys=KEEP_ALL,
        rolled_back=True,
    ),
    Scenario(name="edit, versioned", by=("s3.put",), before=both, act=edit_here, keys=KEEP_ALL, versioned=True),
    Scenario(
        name="multipart",
        by=(
            "s3.create",
            "s3.part",
            "s3.complete",
        ),
        act=write_large,
        patches=PARTS,
        keys={"mode": "upload"},
        rolled_back=True,
    ),
    Scenario(
        name="multipart, resumed",
        by=(
            "s3.list_parts",
            "s3.complete",
        ),
        before=abandon,
        act=lambda world: None,
        patches=PARTS,
    ),
    Scenario(
        name="multipart, abandoned",
        by=(
            "s3.abort",
            "s3.complete",
        ),
        before=abandon,
        act=rewrite_large,
        patches=PARTS,
        may_go=frozenset({LARGE}),
    ),
    Scenario(
        name="download",
        by=(
            "s3.get",
            "local.noreplace",
        ),
        act=put_two,
        keys={"mode": "download"},
    ),
    Scenario(
        name="download, in ranges",
        by=(
            "s3.get",
            "local.write",
            "local.noreplace",
        ),
        act=put_large,
        keys={"mode": "bidirectional"},
        patches=RANGES,
    ),
    Scenario(
        name="download over",
        by=(
            "s3.get",
            "local.exchange",
        ),
        before=both,
        act=edit_there,
        keys=KEEP_ALL,
        rolled_back=True,
    ),
    Scenario(
        name="download over, dropped",
        by=(
            "local.exchange",
            "local.unlink",
        ),
        before=both,
        act=edit_there,
        may_go=OVERWRITTEN,
    ),
    Scenario(
        name="download, a folder there",
        by=(
            "local.rmdir",
            "local.noreplace",
        ),
        act=put_where_a_folder_is,
    ),
    Scenario(
        name="cleanup",
        by=(
            "s3.put",
            "local.rename",
            "local.unlink",
        ),
        act=write_two,
        keys={"mode": "upload", "cleanup": True},
        rolled_back=True,
    ),
    Scenario(
        name="cleanup, undone",
        by=("local.noreplace",),
        before=stage,
        act=edit_there,
        keys={"mode": "upload", "cleanup": True, **KEEP_ALL},
    ),
    Scenario(
        name="cleanup, undone, no flags",
        by=(
            "local.link",
            "local.unlink",
        ),
        before=stage,
        act=lambda world: world.delete("one"),
        keys={"mode": "upload", "cleanup": True},
        flagless=True,
    ),
    Scenario(
        name="conflict, local",
        by=(
            "s3.copy",
            "s3.put",
        ),
        before=both,
        act=edit_both,
        keys={"conflict": "local"},
        rolled_back=True,
        may_go=OVERWRITTEN,
    ),
    Scenario(
        name="conflict, remote",
        by=(
            "s3.get",
            "local.exchange",
        ),
        before=both,
        act=edit_both,
        keys={"conflict": "remote"},
        rolled_back=True,
        may_go=OVERWRITTEN,
    ),
    Scenario(
        name="conflict, keep-both",
        by=(
            "local.noreplace",
            "s3.get",
            "s3.put",
        ),
        before=both,
        act=edit_both,
        keys={"conflict": "keep-both"},
        rolled_back=True,
        may_go=OVERWRITTEN,
    ),
    Scenario(
        name="conflict, stored",
        by=("s3.put",),
        before=both,
        act=edit_both,
        keys={"mode": "upload", "conflict": "remote"},
        may_go=OVERWRITTEN,
    ),
    Scenario(
        name="delete there",
        by=(
            "s3.copy",
            "s3.delete",
        ),
        before=both,
        act=lambda world: world.remove("one"),
        keys=PROPAGATE,
        rolled_back=True,
    ),
    Scenario(
        name="delete here",
        by=("local.rename",),
        before=both,
        act=lambda world: world.delete("one"),
        keys=PROPAGATE,
        rolled_back=True,
    ),
    Scenario(
        name="delete there, copied in parts",
        by=(
            "s3.tags",
            "s3.copy_part",
            "s3.complete",
            "s3.delete",
        ),
        before=both,
        act=lambda world: world.remove("one"),
        keys=PROPAGATE,
        store="small-copies",
        patches={"syncd.s3.copying.LIMIT": 0},
    ),
    Scenario(
        name="rename",
        by=(
            "s3.copy",
            "s3.delete",
        ),
        before=both,
        act=rename,
        keys=PROPAGATE,
        store="pinning",
    ),
    Scenario(
        name="trash restored",
        by=(
            "local.noreplace",
            "s3.put",
        ),
        before=lambda world: (both(world), world.delete("one"), world.converge()),
        act=lambda world: None,
        keys=PROPAGATE,
        attend=attended(restore),
    ),
    Scenario(
        name="conflict resolved",
        by=(
            "local.exchange",
            "s3.put",
        ),
        before=lambda world: (both(world), edit_both(world), world.live()),
        act=lambda world: None,
        keys={"conflict": "remote", **KEEP_ALL},
        attend=attended(settle_otherwise),
        may_go=OVERWRITTEN,
    ),
    Scenario(
        name="daemon",
        by=(
            "socket.stale",
            "s3.put",
            "socket.unlink",
        ),
        act=leave_a_socket,
        keys={"mode": "upload"},
        attend=attended(),
    ),
    Scenario(
        name="archive",
        by=(
            "spool.sync",
            "s3.put",
            "local.rename",
            "local.unlink",
            "index.template",
            "index.bulk",
        ),
        act=write_for_archive,
        batch=AT_ONCE,
        patches=NO_PAUSE,
        indexed=True,
        rolled_back=True,
    ),
    Scenario(
        name="archive, streamed",
        by=(
            "s3.create",
            "s3.part",
            "s3.complete",
            "local.rename",
            "local.unlink",
        ),
        act=write_for_stream,
        batch=f"{AT_ONCE}streaming = true\n",
        s3={"part_size": "5MiB"},
        patches=NO_PAUSE,
        rolled_back=True,
    ),
    Scenario(
        name="archive, alone beside",
        by=(
            "spool.sync",
            "s3.put",
            "local.unlink",
        ),
        act=write_for_both_ways,
        batch=f'{AT_ONCE}max_size = "1KiB"\n',
        patches=NO_PAUSE,
    ),
)

HOT = frozenset({"s3.get.after", "s3.put.after", "s3.part.after"})
"""Where the two planes differ, and something was done: before a call, and in all other calls, they are one."""


def by_boto3(scenario: Scenario) -> Scenario:
    """The same over the other plane."""
    return replace(scenario, name=f"{scenario.name}, by boto3", s3={**scenario.s3, "plane": "boto3"})


BY_BOTO3 = tuple(by_boto3(one) for one in SCENARIOS if HOT & {f"{name}.after" for name in one.by})
