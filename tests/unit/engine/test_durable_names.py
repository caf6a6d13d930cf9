"""A row says that a file is here, so its name lasts first: after a loss of power it would read as a deletion."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.trash_host import TrashHost, trash_host
from syncd import events
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.cycle import Cycle
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport

NAMES = ["logs/0", "logs/1", "logs/2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Made before all: so nothing but a name in it asks for its fsync."""
    made = tmp_path / "root" / "logs"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def receiver(tmp_path: Path, folder: Path) -> Iterator[TrashHost]:
    with trash_host(tmp_path, mode=Mode.DOWNLOAD) as made:
        yield made


def look(host: TrashHost) -> CycleReport:
    """A pass with threads, which must end."""
    pool = Pool(2)
    try:
        return Cycle(host.context, pool, host.backlog, once=lambda *_: True).run()
    finally:
        pool.close()


def at_each_sync(folder: Path, then: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Do that before each fsync of that folder; what it raises, the disk says."""
    inode, fsync = folder.stat().st_ino, os.fsync

    def syncing(fd: int) -> None:
        if os.fstat(fd).st_ino == inode:
            then()
        fsync(fd)

    monkeypatch.setattr(os, "fsync", syncing)


def failing(number: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOENT], ids=errno.errorcode.__getitem__)
def test_what_came_to_a_folder_that_does_not_last_has_failed_and_is_recorded_by_the_next_pass(
    receiver: TrashHost, folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for name in NAMES:
        receiver.bucket.plant(f"p/{name}", name.encode())
    with monkeypatch.context() as disk:
        at_each_sync(folder, failing(number), disk)
        report = look(receiver)
    assert sorted(os.listdir(folder)) == ["0", "1", "2"], "they are there, but not for sure"
    assert receiver.context.records.count() == 0
    assert report.errors == len(NAMES)
    assert sorted(str(said["path"]) for said in receiver.said.of(events.TRANSFER_FAILED)) == NAMES
    assert {waiting.state for waiting in receiver.backlog.snapshot()} == {"failed"}
    assert all(receiver.context.claims.take(RelPath(name)) for name in NAMES)
    receiver.context.claims.release_all(map(RelPath, NAMES))
    assert look(receiver).errors == 0
    assert receiver.context.records.count() == len(NAMES)
    assert receiver.backlog.snapshot() == ()
    assert receiver.bucket.requests["get"] == len(NAMES), "nothing is fetched twice"


@pytest.fixture
def keeper(tmp_path: Path, folder: Path) -> Iterator[TrashHost]:
    """A pair with the same file here and there, and no row."""
    with trash_host(tmp_path, mode=Mode.BIDIRECTIONAL) as made:
        made.write("logs/0", b"the same here and there")
        made.bucket.plant("p/logs/0", b"the same here and there")
        yield made


@pytest.mark.parametrize(("age", "syncs"), [(0, 1), (59, 1), (61, 0)])
def test_the_name_of_a_young_file_lasts_before_it_is_taken_for_what_is_there(
    keeper: TrashHost, folder: Path, monkeypatch: pytest.MonkeyPatch, age: int, syncs: int
) -> None:
    """It may be a download of ours that died before its folder was synced."""
    keeper.clock.seconds = (folder / "0").stat().st_ctime_ns / 1e9 + age
    before: list[bool] = []
    at_each_sync(folder, lambda: before.append(keeper.context.records.get(RelPath("logs/0")) is None), monkeypatch)
    assert look(keeper).errors == 0
    assert before == [True] * syncs
    assert keeper.context.records.get(RelPath("logs/0")) is not None
    assert keeper.bucket.requests["put"] == keeper.bucket.requests["get"] == 0


def test_a_young_file_whose_name_does_not_last_is_not_recorded(
    keeper: TrashHost, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper.clock.seconds = (folder / "0").stat().st_ctime_ns / 1e9
    with monkeypatch.context() as disk:
        at_each_sync(folder, failing(errno.EIO), disk)
        assert look(keeper).errors == 1
    assert keeper.context.records.count() == 0
    look(keeper)
    assert keeper.context.records.count() == 1
