"""A real radosgw is killed, frozen, filled and cut off from power under load: no file is lost, and nobody has to help.

A cluster of its own: the others' is left alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.ceph import CephServer, ceph_gap
from support.churn import walk
from support.gaps import missing
from support.hardship import DOWN, SILENT_S, UP, Hardship
from support.processes import eventually
from support.proxy import Proxy
from syncd.engine.breaker import STRIKES

pytestmark = [pytest.mark.ceph, pytest.mark.slow]

REST_S = 120.0
KILLS = 3
LIMIT = 40
MOST_LINES = 60
"""Of warning or worse, whatever number of files is concerned: ten for each kind of failure, then they are counted."""
CLIENT_S = 60.0
"""What the daemon waits for one answer (s3/connect)."""


@pytest.fixture(scope="module")
def own_ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephServer]:
    gap = ceph_gap()
    if gap:
        missing("ceph", gap)
    with CephServer(tmp_path_factory.mktemp("hardship") / "cluster") as server:
        yield server


@contextmanager
def hardship(folder: Path, ceph: CephServer, **how: Any) -> Iterator[Hardship]:
    """The world of one test, its daemon running."""
    with Proxy(ceph.port, patience_s=SILENT_S) as proxy:
        world = Hardship(folder, ceph, proxy, **how)
        world.put(10)
        try:
            world.host.start("-v")
            yield world
            world.nothing_is_lost()
            assert world.host.stop() == 0, world.host.log.read_text()[-3000:]
        finally:
            world.host.close()


def an_outage_is_a_few_lines(world: Hardship, *, met: frozenset[str] = frozenset()) -> None:
    """A pair that met it says that the store is lost, why and what to do, and that it is found; no line for each file.

    A pair that asked for nothing meanwhile, or whose retry went through, has nothing to say; the same word again
    within a minute is folded. `met`: pairs that were seen to be without the store.
    """
    lost, found = world.host.events("endpoint.lost"), world.host.events("endpoint.found")
    assert lost, world.troubles()
    assert met <= {row["pair"] for row in lost}, world.troubles()
    assert {row["pair"] for row in lost} == {row["pair"] for row in found}, (lost, found)
    assert all(row["error"] and row["hint"] for row in lost if "repeated" not in row), lost
    assert sum(world.troubles().values()) < MOST_LINES, world.troubles()


def test_a_radosgw_killed_again_and_again_under_load_loses_and_doubles_nothing(
    own_ceph: CephServer, tmp_path: Path
) -> None:
    with hardship(tmp_path, own_ceph) as world:
        for _ in range(KILLS):
            with world.under_load(pace_s=0.05):
                seen = len(world.proxy.answered)
                eventually(lambda seen=seen: len(world.proxy.answered) > seen + 20, within=60, what="no requests")
                own_ceph.kill_gateway()
                threading.Event().wait(0.5)
                own_ceph.start_gateway()
            world.put(5)
            world.nothing_is_lost()
        world.comes_to_rest(within=REST_S)
        world.nothing_was_sent_twice()
        an_outage_is_a_few_lines(world)


def test_a_frozen_disk_outlasts_the_clients_patience_and_what_lands_later_is_found(
    own_ceph: CephServer, tmp_path: Path
) -> None:
    with hardship(tmp_path, own_ceph, retries=0) as world:
        world.hand_in(5)
        world.comes_to_rest(within=REST_S)
        own_ceph.freeze_osd()
        try:
            world.hand_in(5)
            world.host.until("unreachable", within=CLIENT_S + 30)
            assert "no answer in time" in world.section()["last_error"]
            assert world.host.status()["health"] != "ok"
        finally:
            own_ceph.thaw_osd()
        world.nothing_is_lost()
        world.comes_to_rest(within=REST_S)
        world.nothing_was_sent_twice()
        an_outage_is_a_few_lines(world, met=frozenset({"logs"}))


def test_over_quota_a_person_is_told_what_it_is_and_all_but_the_uploads_goes_on(
    own_ceph: CephServer, tmp_path: Path
) -> None:
    with hardship(tmp_path, own_ceph, direct=True) as world:
        world.hand_in(5)
        world.comes_to_rest(within=REST_S)
        own_ceph.limit_buckets(LIMIT)
        try:
            world.hand_in(2 * LIMIT)
            eventually(lambda: "quota" in (world.section()["last_error"] or ""), within=60, what=world.said)
            said = world.section()["last_error"]
            assert "the quota is used up" in said
            assert "raise it or make room" in said
            assert world.section()["state"] not in {"unreachable", "halted"}
            assert world.host.status()["health"] == "degraded"
            there = world.stored()
            assert len(there) < 2 * LIMIT
            eventually(lambda: not there.keys() & set(walk(world.host.root)), within=30, what=world.said)
            asked = puts_of_a_pass(world)
            assert 0 < asked <= 2 * STRIKES, f"{asked} PUTs in a pass that cannot store anything"
            assert sum(world.troubles().values()) < MOST_LINES, world.troubles()
            world.nothing_is_lost()
        finally:
            own_ceph.unlimit_buckets()
        world.comes_to_rest(within=REST_S)


def puts_of_a_pass(world: Hardship) -> float:
    """How many PUTs a pass sends on average, over the next five."""

    def passes() -> int:
        return len([row for row in world.host.events("cycle.finished") if row["pair"] == "logs"])

    before, puts = passes(), world.host.status()["s3"]["requests"]["put"]
    eventually(lambda: passes() >= before + 5, within=60, what=world.said)
    sent: int = world.host.status()["s3"]["requests"]["put"] - puts
    return sent / (passes() - before)


def test_a_power_cut_of_the_whole_cluster_loses_nothing_that_was_acknowledged(
    own_ceph: CephServer, tmp_path: Path
) -> None:
    with hardship(tmp_path, own_ceph) as world:
        with world.under_load(pace_s=0.05):
            eventually(lambda: world.proxy.count("PUT", f"/{UP}") > 30, within=60, what="no requests")
            own_ceph.kill()
            own_ceph.start()
            world.put(5)
        world.nothing_is_lost()
        world.comes_to_rest(within=REST_S)
        assert world.stored(DOWN) == world.fetched
        world.nothing_was_sent_twice()
        an_outage_is_a_few_lines(world)
