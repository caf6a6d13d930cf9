"""The archiver's end-to-end proof: real files, a daemon killed ten times on the way, an index that fails; all is there.

Some 3,000 of this machine's docs and man pages; CORPUS=all takes them all. CHAOS_SEED=0x... repeats a run's choices.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.archiver_chaos import Chaos, holding, seed_for_chaos
from support.archiver_host import AT_ONCE, ArchiverHost
from support.ceph import CephServer
from support.churn import digests
from support.elastic_stub import BROKEN, ElasticStub, ItemFault, RequestFault
from support.moto import MotoServer
from support.proxy import Fault, Proxy
from support.scribbler import Scribbler

ALL = os.environ.get("CORPUS") == "all"
MOST = None if ALL else 3000
FEWER = None if ALL else 600
KILLS = 10
FEW_KILLS = 4
WITHIN_S = 1800.0 if ALL else 120.0
DOWN_S = 60.0 if ALL else 10.0
"""How long the index is down."""

HELD = 50

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200 if ALL else 300)]


@contextmanager
def chaos(
    folder: Path, server: MotoServer | CephServer, *, most: int | None, batch: str = "", index: str = ""
) -> Iterator[Chaos]:
    """A host before that server, its corpus, and a seed that a failure names."""
    seed = seed_for_chaos()
    client, bucket = server.client(), f"chaos-{os.urandom(6).hex()}"
    client.create_bucket(Bucket=bucket)
    env = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
    with Proxy(urlsplit(server.endpoint).port or 0) as proxy:
        host = ArchiverHost(folder / "host", proxy.endpoint, batch=AT_ONCE + batch, index=index, env=env)
        try:
            world = Chaos(host, client, bucket, proxy, seed=seed, most=most)
            print(f"\n{len(world.originals)} files, CHAOS_SEED={seed:#x}", file=sys.stderr)
            yield world
            host.close()
            shutil.rmtree(folder)  # what went wrong stays for a look at it
        except AssertionError as error:
            raise AssertionError(f"CHAOS_SEED={seed:#x}, files in {folder}: {error}") from error
        finally:
            host.close()


@contextmanager
def troubled_index() -> Iterator[ElasticStub]:
    """An index that fails one item in ten, and loses an answer now and then."""
    with ElasticStub() as stub:
        stub.fail_items(ItemFault(share=0.05))
        stub.fail_items(ItemFault(share=0.05, status=503, error=BROKEN))
        stub.fail(RequestFault(method="POST", path="/_bulk", lose_answer=True, times=1))
        yield stub


def survive(world: Chaos, stub: ElasticStub) -> None:
    """The kills, and the index is down for a while amid them."""
    back: list[threading.Timer] = []

    def meanwhile(kill: int) -> None:
        if kill == 3:
            stub.refuse()
            back.append(threading.Timer(DOWN_S, stub.listen))
            back[0].start()
        if kill == 6:
            stub.fail(RequestFault(method="POST", path="/_bulk", lose_answer=True, times=2))

    try:
        world.survive(KILLS, meanwhile=meanwhile)
    finally:
        for timer in back:
            timer.join(DOWN_S + 5)


def index_holds_each_once(world: Chaos, stub: ElasticStub) -> None:
    """One document for each original, which says where the bucket has it."""
    documents = stub.documents()
    by_key = {source["key"]: source for source in documents.values()}
    assert len(by_key) == len(documents), "a member has two documents"
    held = {key: copies[0] for key, copies in world.reader.copies().items()}
    assert set(by_key) == set(held)
    for key, source in by_key.items():
        told = tuple(source[name] for name in ("bucket", "archive_key", "offset", "size", "sha256"))
        copy = held[key]
        assert told == (world.bucket, copy.archive, copy.offset, copy.size, copy.sha256), key


def restore(world: Chaos, to: Path) -> None:
    """`synctl archive restore`, all of it in one call."""
    answer = world.host.ctl("archive", "restore", f"{world.bucket}/*", "--to", to, within=WITHIN_S)
    assert answer.code == 0, answer.said[-4000:]


def all_holds(world: Chaos, stub: ElasticStub, to: Path) -> None:
    """All ten deaths later."""
    world.finish(within=WITHIN_S)
    world.check_all_is_archived()
    world.check_tar_lists_them()
    world.eventually_indexed(lambda: len(stub.documents()), within=WITHIN_S)
    index_holds_each_once(world, stub)
    restore(world, to)
    world.check_restored(to / world.bucket)
    assert world.host.stop() == 0


def test_real_files_are_archived_by_a_daemon_that_is_killed_ten_times_on_moto(s3: MotoServer, tmp_path: Path) -> None:
    with troubled_index() as stub, chaos(tmp_path, s3, most=MOST, index=f'url = "{stub.url}"') as world:
        survive(world, stub)
        all_holds(world, stub, tmp_path / "back")


@pytest.mark.ceph
def test_real_files_are_archived_by_a_daemon_that_is_killed_ten_times_on_ceph(ceph: CephServer, tmp_path: Path) -> None:
    with troubled_index() as stub, chaos(tmp_path, ceph, most=MOST, index=f'url = "{stub.url}"') as world:
        survive(world, stub)
        all_holds(world, stub, tmp_path / "back")


def test_real_files_are_streamed_by_a_daemon_that_is_killed_ten_times(s3: MotoServer, tmp_path: Path) -> None:
    with (
        troubled_index() as stub,
        chaos(tmp_path, s3, most=FEWER, batch="streaming = true\n", index=f'url = "{stub.url}"') as world,
    ):
        survive(world, stub)
        all_holds(world, stub, tmp_path / "back")


def test_fifty_files_that_another_process_holds_open_stay_and_go_once_it_closes_them(
    s3: MotoServer, tmp_path: Path
) -> None:
    with chaos(tmp_path, s3, most=FEWER) as world:
        held = frozenset(world.chance.sample(sorted(world.originals), HELD))
        with holding([world.incoming(key) for key in sorted(held)], log=tmp_path / "holder"):
            world.survive(2)
            world.finish(within=WITHIN_S, staying=held)
            world.runs(3)
            assert world.left() == held
            world.check_all_is_archived(staying=held)
        world.until_left(frozenset(), within=WITHIN_S)
        world.check_all_is_archived()


def test_a_file_opened_while_its_archive_goes_up_stays_until_it_is_closed(s3: MotoServer, tmp_path: Path) -> None:
    with chaos(tmp_path, s3, most=0) as world:
        keys = [f"doc/late/{number}.log" for number in range(30)]
        for key in keys:
            world.hand_in(key, f"content of {key}\n".encode())
        late = frozenset(keys[:10])
        gate = world.proxy.add(Fault(method="PUT", target=r"doc/late/[^/]*\.tar", times=1, hold_up_at=1000))
        world.host.start()
        gate.wait_reached()
        with holding([world.folder / key for key in late], log=tmp_path / "holder"):
            gate.open()
            world.until_left(late, within=60)
            world.runs(3)
            assert world.left() == late
            world.reader.look()
            assert set(world.reader.copies()) == set(keys)
        world.until_left(frozenset(), within=60)


@pytest.mark.parametrize("streaming", ["false", "true"])
def test_files_rewritten_while_they_are_archived_are_never_torn_and_their_last_version_is_there(
    s3: MotoServer, tmp_path: Path, streaming: str
) -> None:
    with chaos(tmp_path, s3, most=0, batch=f"streaming = {streaming}\n") as world:
        with Scribbler(world.folder, tmp_path / "new", seed=world.chance.getrandbits(32)) as scribbler:
            for _ in range(FEW_KILLS):
                world.live_and_die()
            world.host.start()
            world.runs(3)
        world.until_left(frozenset(), within=60)
        world.reader.look()
        copies = world.reader.copies()
        torn = [copy for key, held in copies.items() for copy in held if copy.sha256 not in scribbler.versions[key]]
        assert not torn, "archives hold what nobody finished"
        archived = {key: {copy.sha256 for copy in held} for key, held in copies.items()}
        lost = [key for key, versions in scribbler.versions.items() if versions[-1] not in archived.get(key, ())]
        assert not lost, "the last version is in no proven archive"
        restore(world, tmp_path / "back")
        newest = {key: versions[-1] for key, versions in scribbler.versions.items()}
        assert dict(digests(tmp_path / "back" / world.bucket)) == newest
