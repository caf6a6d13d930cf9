"""What is no edit of what it replaces keeps it, also where ordinary edits are not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from support.fake_store import EVERYTHING
from support.model_fuse import WRITES, Trouble
from support.model_host import ModelHost
from support.model_world import Manner, World
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.ports import Capabilities

BOTH_WAYS = Manner(
    mode=Mode.BIDIRECTIONAL,
    deletes=Deletes.LEAVE,
    conflict=ConflictPolicy.NEWER,
    keep_versions=KeepVersions.CONFLICTS,
    hash=HashType.SHA256,
    cleanup=False,
    skew=0,
)
OPAQUE = replace(EVERYTHING, etag_is_md5=False, stores_checksum=False)
Make = Callable[..., tuple[World, ModelHost]]


@pytest.fixture
def make() -> Iterator[Make]:
    worlds = []

    def one_host(
        capabilities: Capabilities, *, cleanup: bool = False, deletes: Deletes = Deletes.LEAVE
    ) -> tuple[World, ModelHost]:
        worlds.append(World(capabilities, [replace(BOTH_WAYS, cleanup=cleanup, deletes=deletes)]))
        return worlds[-1], worlds[-1].hosts[0]

    yield one_host
    for world in worlds:
        world.close()


def run(world: World, host: ModelHost) -> list[tuple[str, str]]:
    world.clock.seconds += 5
    return host.run_pass().steps


def test_a_local_file_whose_object_was_deleted_gives_way_to_a_new_object_into_trash(make: Make) -> None:
    world, host = make(EVERYTHING)
    world.write(host, "a", b"first", "in-place")
    run(world, host)
    world.foreign_delete("a")
    run(world, host)
    world.foreign_put("a", b"another", {})
    run(world, host)
    assert host.files() == {"a": b"another"}
    assert b"first" in world.findable()


def test_an_object_whose_file_was_deleted_gives_way_to_a_new_file_into_trash(make: Make) -> None:
    world, host = make(EVERYTHING)
    world.write(host, "a", b"first", "in-place")
    run(world, host)
    world.delete(host, "a")
    run(world, host)
    world.write(host, "a", b"another", "in-place")
    run(world, host)
    assert world.objects() == {"a": b"another"}
    assert b"first" in world.findable()


def test_an_object_that_could_not_be_deleted_gives_way_to_a_new_file_into_trash(make: Make) -> None:
    world, host = make(replace(EVERYTHING, delete_if_match=False, versioned=False), deletes=Deletes.PROPAGATE)
    world.write(host, "a", b"first", "in-place")
    run(world, host)
    world.delete(host, "a")
    assert run(world, host) == [("a", "delete.unsupported")]
    assert run(world, host) == []
    assert world.objects() == {"a": b"first"}
    world.write(host, "a", b"another", "in-place")
    run(world, host)
    assert world.objects() == {"a": b"another"}
    assert b"first" in world.findable()


def test_a_file_only_taken_for_the_object_is_kept_when_the_object_changes(make: Make) -> None:
    world, host = make(OPAQUE)
    world.write(host, "a", b"mine", "old")
    world.foreign_put("a", b"your", {})
    assert run(world, host) == [("a", "same-content.unproven")]
    world.foreign_put("a", b"more", {})
    run(world, host)
    assert b"mine" in world.findable()


def test_an_object_only_taken_for_the_file_is_kept_when_the_file_changes(make: Make) -> None:
    world, host = make(OPAQUE)
    world.write(host, "a", b"mine", "old")
    world.foreign_put("a", b"your", {})
    assert run(world, host) == [("a", "same-content.unproven")]
    world.write(host, "a", b"more", "in-place")
    run(world, host)
    assert b"your" in world.findable()


def test_a_renamed_file_only_taken_for_the_object_goes_up_as_itself(make: Make) -> None:
    world, host = make(OPAQUE)
    world.write(host, "a", b"mine", "old")
    world.foreign_put("a", b"your", {})
    run(world, host)
    world.rename(host, "a", "b.log")
    run(world, host)
    assert world.objects()["b.log"] == b"mine"


def test_an_edit_under_way_switches_no_precondition_off(make: Make) -> None:
    world, host = make(EVERYTHING)
    world.write(host, "a", b"first", "in-place")
    run(world, host)
    world.write(host, "a", b"a longer second", "in-place")
    shorter = [b"x", b"third"]

    def shorten() -> None:
        (host.path / "a").write_bytes(shorter.pop())
        if shorter:
            host.fuse.arm(Trouble(WRITES, 1, True, shorten))

    host.fuse.arm(Trouble(WRITES, 1, True, shorten))
    run(world, host)
    assert host.context.capabilities.put_if_match
    run(world, host)
    assert world.objects() == {"a": b"x"}


def test_what_lost_records_left_in_staging_stands_in_nobodys_way(make: Make) -> None:
    world, host = make(EVERYTHING, cleanup=True)
    world.write(host, "a", b"first", "in-place")
    run(world, host)
    assert run(world, host) == [("a", "clean")]
    world.lose_records(host)
    world.write(host, "a", b"second", "in-place")
    for _ in range(4):
        run(world, host)
    assert host.files() == {}
    assert world.objects() == {"a": b"second"}
    assert b"first" in world.findable()
