"""The model expects of a write that it survives only where the writer's own records can tell it from a conflict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace

import pytest

from support.fake_store import EVERYTHING
from support.model_fuse import RECORDS, Crash, Trouble
from support.model_host import ModelHost
from support.model_world import Manner, World
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode

REMOTE_WINS = Manner(
    mode=Mode.BIDIRECTIONAL,
    deletes=Deletes.KEEP,
    conflict=ConflictPolicy.REMOTE,
    keep_versions=KeepVersions.ALL,
    hash=HashType.SHA256,
    cleanup=False,
    skew=0,
)


@pytest.fixture
def world() -> Iterator[World]:
    made = World(EVERYTHING, [REMOTE_WINS])
    yield made
    made.close()


@pytest.fixture
def host(world: World) -> ModelHost:
    host = world.hosts[0]
    world.write(host, "a", b"first", "in-place")
    watched_pass(world, host)
    return host


def watched_pass(world: World, host: ModelHost) -> None:
    world.clock.seconds += 5
    with world.watching(host):
        host.run_pass()


def test_a_write_over_what_both_sides_recorded_is_expected_to_survive(world: World, host: ModelHost) -> None:
    world.write(host, "a", b"second", "in-place")
    assert world.expected["a"].content == b"second"
    watched_pass(world, host)
    assert world.objects() == {"a": b"second"}


def test_a_hot_look_at_one_path_brings_no_lost_record_of_another_back(world: World, host: ModelHost) -> None:
    world.lose_records(host)
    with world.watching(host, hot="b.log"):
        host.run_hot("b.log")
    world.write(host, "a", b"second", "in-place")
    assert world.expected == {}
    watched_pass(world, host)
    assert host.files() == world.objects() == {"a": b"first"}
    assert b"second" in world.findable()


def test_an_upload_by_the_hot_path_is_a_record(world: World, host: ModelHost) -> None:
    world.write(host, "a", b"second", "in-place")
    with world.watching(host, hot="a"):
        host.run_hot("a")
    world.write(host, "a", b"the third", "in-place")
    assert world.expected["a"].content == b"the third"
    watched_pass(world, host)
    assert world.objects() == {"a": b"the third"}


def test_what_a_crash_left_without_a_record_is_expected_again_after_the_next_pass(
    world: World, host: ModelHost
) -> None:
    world.lose_records(host)
    host.fuse.arm(Trouble(RECORDS, 1, True, host.fuse.blow))
    with world.watching(host, trouble=True):
        with pytest.raises(Crash):
            host.run_pass()
        host.restart()
    world.write(host, "a", b"second", "in-place")
    assert world.expected == {}
    world.write(host, "a", b"first", "in-place")
    watched_pass(world, host)
    world.write(host, "a", b"second", "in-place")
    assert world.expected["a"].content == b"second"


@pytest.mark.parametrize("lost", [False, True])
def test_what_only_came_from_s3_may_stand_against_it_once_its_record_is_lost(lost: bool) -> None:
    world = World(EVERYTHING, [replace(REMOTE_WINS, mode=Mode.DOWNLOAD, conflict=ConflictPolicy.LOCAL)])
    (host,) = world.hosts
    world.foreign_put("a", b"first", {})
    watched_pass(world, host)
    if lost:
        world.lose_records(host)
    world.foreign_put("a", b"second", {})
    watched_pass(world, host)
    assert host.files()["a"] == (b"first" if lost else b"second")
    world.check_agreement()
    world.bucket.plant("data/a", b"unseen")
    with nullcontext() if lost else pytest.raises(AssertionError):
        world.check_agreement()
    world.close()


def test_a_file_renamed_away_and_back_is_no_write_and_the_deletion_of_its_object_holds(
    world: World, host: ModelHost
) -> None:
    world.rename(host, "a", "b")
    world.foreign_delete("a")
    world.rename(host, "b", "a")
    assert "a" not in world.expected


def test_of_equal_content_that_no_host_can_know_to_be_equal_no_write_is_expected_to_survive() -> None:
    opaque = replace(EVERYTHING, etag_is_md5=False, stores_checksum=False)
    with closing(World(opaque, [replace(REMOTE_WINS, mode=Mode.UPLOAD)])) as world:
        (host,) = world.hosts
        world.foreign_put("a", b"the first", {})
        world.write(host, "a", b"other", "in-place")
        watched_pass(world, host)
        world.foreign_put("a", b"other", {})
        watched_pass(world, host)
        world.write(host, "a", b"a longer second", "in-place")
        assert world.expected == {}
        watched_pass(world, host)
        assert world.objects()["a"] == b"other"
        assert b"a longer second" in world.objects().values()


@pytest.mark.parametrize("halted", [True, False])
def test_what_a_halted_pass_did_not_carry_over_is_still_superseded_by_an_edit_of_it(halted: bool) -> None:
    limit = replace(REMOTE_WINS, keep_versions=KeepVersions.CONFLICTS, deletes=Deletes.PROPAGATE)
    with closing(World(EVERYTHING, [replace(limit, max_delete=0 if halted else None)])) as world:
        (host,) = world.hosts
        world.write(host, "a", b"first", "in-place")
        watched_pass(world, host)
        world.foreign_delete("a")
        world.clock.seconds += 5
        with world.watching(host) as watch:
            watch.halted = bool(host.run_pass().report.halted_plan)
        assert watch.halted is halted
        assert world.reference.notebooks[host.name].agreed == ({"a": b"first"} if halted else {})
