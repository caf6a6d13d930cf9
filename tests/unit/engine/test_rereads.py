"""Files that went up as soon as they were written are read once more, together; any other goes the long way."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.processes import eventually
from support.trash_host import TrashHost, trash_host
from syncd.core.model import Digest, HashType, Mode, RemoteState, racy
from syncd.core.paths import RelPath
from syncd.engine.cycle import Cycle
from syncd.engine.lane import LARGEST
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.engine.sweep import Memory
from syncd.lifecycle.stop import Stop
from syncd.local.small import SmallFiles
from syncd.ports import Commit

NAMES = [f"{number:02}" for number in range(20)]


def noted(monkeypatch: pytest.MonkeyPatch, where: type, name: str) -> list[str]:
    """The paths with which that is called from now on."""
    seen: list[str] = []
    act = getattr(where, name)

    def noting(self: object, path: RelPath, *rest: object) -> object:
        seen.append(str(path))
        return act(self, path, *rest)

    monkeypatch.setattr(where, name, noting)
    return seen


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which files were read the short way."""
    return noted(monkeypatch, SmallFiles, "read")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which paths were looked at the long way."""
    return noted(monkeypatch, Cycle, "_decide")


@pytest.fixture
def host(tmp_path: Path, reads: list[str], looks: list[str]) -> Iterator[TrashHost]:
    """An upload pair whose files went up within the second in which they were written."""
    with trash_host(tmp_path, mode=Mode.UPLOAD) as made:
        sent(made)
        reads.clear()
        looks.clear()
        yield made


def sent(host: TrashHost) -> None:
    host.clock.seconds = time.time()
    for name in NAMES:
        host.write(name, name.encode())
    run(host, wait_s=0.0)
    for name in NAMES:
        record = host.context.records.get(RelPath(name))
        assert record is not None
        assert record.stat is not None
        assert racy(record.stat, record.looked_ns), "the premise"


def run(host: TrashHost, *, wait_s: float = 60.0, stop: Stop | None = None) -> CycleReport:
    return host.threaded_pass(wait_s, stop=stop)


def test_each_is_read_once_more_and_then_no_more(host: TrashHost, reads: list[str], looks: list[str]) -> None:
    host.bucket.requests.clear()
    run(host)
    assert (sorted(reads), looks) == (NAMES, [])
    reads.clear()
    run(host)
    assert (reads, looks) == ([], [])
    assert set(host.bucket.requests) == {"list"}


def test_content_that_is_not_the_recorded_one_goes_up(host: TrashHost, looks: list[str]) -> None:
    """As where a write left the very same stat: the row has another digest than the file."""
    record = host.context.records.get(RelPath("07"))
    assert record is not None
    other = replace(record, digest=Digest(HashType.SHA256, "00" * 32))
    host.context.records.commit(Commit(path=record.path, expect_seq=record.seq, put=other)).result(10)
    host.bucket.requests.clear()
    run(host)
    assert looks == ["07"]
    assert host.bucket.requests["put"] == 1
    after = host.context.records.get(RelPath("07"))
    assert after is not None
    assert after.digest == record.digest


@pytest.mark.parametrize("what", ["larger", "rewritten", "touched", "gone", "other object", "open"])
def test_what_is_not_as_it_was_seen_goes_the_long_way(host: TrashHost, looks: list[str], what: str) -> None:
    file = host.root / "07"
    opened = None
    match what:
        case "larger":
            file.write_bytes(b"more than before")
        case "rewritten":
            file.write_bytes(b"70")
        case "touched":
            os.utime(file)
        case "gone":
            file.unlink()
        case "other object":
            host.bucket.plant("p/07", b"another's")
        case "open":
            opened = file.open("ab")
    run(host)
    assert looks == ["07"]
    record = host.context.records.get(RelPath("07"))
    assert what != "touched" or (record is not None and record.stat == host.context.tree.lstat(RelPath("07")))
    if opened is not None:
        opened.close()


def test_large_files_are_read_the_long_way(host: TrashHost, reads: list[str], looks: list[str]) -> None:
    host.write("large", b"x" * (LARGEST + 1))
    run(host, wait_s=0.0)
    run(host)
    assert "large" in looks
    assert "large" not in reads


def test_a_pair_that_cleans_cleans_them(tmp_path: Path) -> None:
    with trash_host(tmp_path, mode=Mode.UPLOAD, cleanup=True) as host:
        sent(host)
        run(host)
        assert [file.name for file in host.root.iterdir() if file.is_file()] == []


def test_a_stop_lets_them_go(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    stop, read = Stop(), SmallFiles.read
    begun: list[str] = []

    def reading(self: SmallFiles, path: RelPath, *rest: object) -> bytes:
        begun.append(str(path))
        if path == "03":  # 03 to 06 go together
            stop.drain()
        return read(self, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(SmallFiles, "read", reading)
    assert run(host, stop=stop).stopped
    assert begun == NAMES[:4]
    assert all(host.context.claims.take(RelPath(name)) for name in NAMES)


def test_none_is_held_while_the_next_page_is_asked_for(tmp_path: Path) -> None:
    bucket = FakeObjects(page_size=11)
    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=bucket) as host:
        sent(host)
        free: list[bool] = []

        def taken() -> None:
            def all_free() -> bool:
                claims = host.context.claims
                return all(claims.take(path) and not claims.release(path) for path in map(RelPath, NAMES[:11]))

            eventually(all_free, within=10, what="those of the first page")
            free.append(True)

        bucket.intervene("list", lambda: bucket.intervene("list", taken))
        host.clock.seconds += 60
        pool = Pool(1)
        try:
            Cycle(host.context, pool, host.backlog, once=lambda *_: True, memory=Memory()).run()
        finally:
            pool.close()
        assert free == [True]


def test_a_row_that_changed_meanwhile_is_not_written_over(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    path = RelPath("07")
    read = SmallFiles.read

    def reading(self: SmallFiles, at: RelPath, *rest: object) -> bytes:
        if at == path:
            record = host.context.records.get(path)
            assert record is not None
            gone = replace(record, remote=RemoteState.ABSENT)
            host.context.records.commit(Commit(path=path, expect_seq=record.seq, put=gone)).result(10)
        return read(self, at, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(SmallFiles, "read", reading)
    run(host)
    record = host.context.records.get(path)
    assert record is not None
    assert record.remote is RemoteState.ABSENT
