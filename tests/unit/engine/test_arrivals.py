"""The short way down: what is new and small comes many at a time; whatever is not as it was seen goes the long way."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.trash_host import TrashHost, trash_host
from syncd.core.model import ETag, LocalStat, Mode, Origin
from syncd.core.paths import RelPath
from syncd.engine import lane
from syncd.engine.arrivals import BRISK_S
from syncd.engine.cycle import Cycle
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.errors import ItemError, RemoteError, RemoteKind, Stale
from syncd.lifecycle.stop import Stop
from syncd.local.places import SmallPlaces
from syncd.local.root import Root
from syncd.ports import Awaited, Lasting, ObjectBody, Written

LOST = RemoteError(RemoteKind.UNAVAILABLE, "the answer is lost")
BODY = b"one line of a log\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TrashHost]:
    with trash_host(tmp_path, mode=Mode.DOWNLOAD) as made:
        yield made


def look(host: TrashHost, stop: Stop | None = None) -> CycleReport:
    """A pass with threads, which must end."""
    host.clock.seconds += 60
    context = host.context if stop is None else replace(host.context, stop=stop)
    pool = Pool(2)
    try:
        return Cycle(context, pool, host.backlog, once=lambda *_: True).run()
    finally:
        pool.close()


def files(host: TrashHost) -> dict[str, bytes]:
    return {
        file.relative_to(host.root).as_posix(): file.read_bytes()
        for file in host.root.rglob("*")
        if file.is_file() and ".syncd" not in file.parts
    }


def left(host: TrashHost) -> list[str]:
    return os.listdir(host.root / ".syncd" / "tmp") if (host.root / ".syncd" / "tmp").exists() else []


def recorded(host: TrashHost) -> int:
    return host.context.records.count()


def test_new_objects_of_many_folders_come_once_each_dated_and_recorded(host: TrashHost) -> None:
    bodies = {
        f"{name}/{number}": f"{name}{number}".encode() * number for name in ("a", "b/c", "ä") for number in range(30)
    }
    for path, body in bodies.items():
        host.bucket.plant(f"p/{path}", body, metadata={"mtime": "1000000000.5"})
    report = look(host)
    assert files(host) == bodies
    assert report.counts["downloaded"] == len(bodies)
    assert report.bytes_down == sum(map(len, bodies.values()))
    assert host.bucket.requests["get"] == len(bodies)
    assert host.bucket.requests["head"] == 0
    for path, body in bodies.items():
        record = host.context.records.get(RelPath(path))
        assert record is not None
        assert record.digest is not None
        assert record.digest.hex == hashlib.sha256(body).hexdigest()
        assert record.origin is Origin.DOWNLOADED
        assert (host.root / path).stat().st_mtime_ns == 1_000_000_000_500_000_000
    assert left(host) == []
    look(host)
    assert host.bucket.requests["get"] == len(bodies)


def test_a_file_that_came_first_is_met_as_a_conflict_and_kept(host: TrashHost) -> None:
    host.bucket.plant("p/a", b"theirs")
    host.bucket.intervene("get", lambda: host.write("a", b"ours"))
    for _ in range(3):
        look(host)
    assert b"ours" in {*files(host).values(), *host.trash()}
    assert left(host) == []


@pytest.mark.parametrize("in_the_way", ["a file above", "a full folder", "an empty folder", "a symlink"])
def test_what_stands_in_the_way_is_told_or_gives_way_as_on_the_long_way(host: TrashHost, in_the_way: str) -> None:
    host.bucket.plant("p/a/b", BODY)
    host.bucket.plant("p/z", BODY)
    match in_the_way:
        case "a file above":
            host.write("a", b"a file")
        case "a full folder":
            host.write("a/b/c", b"a file in it")
        case "an empty folder":
            (host.root / "a" / "b").mkdir(parents=True)
        case "a symlink":
            (host.root / "elsewhere").mkdir()
            (host.root / "a").symlink_to(host.root / "elsewhere")
    look(host)
    assert files(host)["z"] == BODY
    assert (host.root / "elsewhere" / "b").exists() is False
    assert ((host.root / "a" / "b").is_file()) == (in_the_way == "an empty folder")


def test_an_object_that_changed_since_the_listing_is_fetched_as_it_is(host: TrashHost) -> None:
    host.bucket.plant("p/a", b"old")
    host.bucket.intervene("get", lambda: host.bucket.plant("p/a", b"newer content"))
    for _ in range(2):
        look(host)
    assert files(host) == {"a": b"newer content"}


def test_bytes_that_arrive_spoilt_are_never_put_in_place(host: TrashHost) -> None:
    host.bucket.plant("p/a", b"all of it")
    host.bucket.flip_next_read("p/a")
    seen: list[bytes] = []
    write = SmallPlaces.write

    def writing(self: SmallPlaces, path: RelPath, content: bytes, *, mtime_ns: int) -> Written:
        seen.append(content)
        return write(self, path, content, mtime_ns=mtime_ns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SmallPlaces, "write", writing)
        look(host)
    assert seen == []
    assert files(host) == {"a": b"all of it"}


def test_metadata_that_was_written_beside_other_bytes_is_looked_at_on_the_long_way(host: TrashHost) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    host.bucket.plant("p/a", BODY, metadata={"file-hash": other, "hash-type": "sha256"})
    look(host)
    assert files(host) == {"a": BODY}
    assert host.bucket.requests["get"] > 1


def test_a_failure_is_said_of_each_and_the_pass_ends(host: TrashHost) -> None:
    for number in range(5):
        host.bucket.plant(f"p/{number}", BODY)
    host.bucket.fail_next("get", LOST, times=3)
    report = look(host)
    assert report.errors == 3
    assert len(files(host)) == 2
    look(host)
    assert len(files(host)) == 5


def test_a_disk_that_takes_no_name_is_told_and_nothing_is_recorded(
    host: TrashHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Placed, but not lasting: a record would call it deleted after a loss of power."""
    for number in range(3):
        host.bucket.plant(f"p/{number}", BODY)

    def failing(self: SmallPlaces) -> None:
        raise ItemError("p", "the disk fails", hint="look at it") from OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(SmallPlaces, "settle", failing)
    host.bucket.intervene("get", lambda: None)
    look(host)
    monkeypatch.undo()
    assert recorded(host) == 0
    look(host)
    assert files(host) == {str(number): BODY for number in range(3)}
    assert recorded(host) == 3


def test_a_bug_ends_the_pass_and_leaves_no_claim(tmp_path: Path) -> None:
    class Breaking(FakeObjects):
        broken = True

        def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
            if self.broken and key == "p/3":
                raise ZeroDivisionError
            return super().start_get(key, expect=expect)

    with trash_host(tmp_path, mode=Mode.DOWNLOAD, bucket=Breaking()) as host:
        for number in range(40):
            host.bucket.plant(f"p/{number}", BODY)
        with pytest.raises(ZeroDivisionError):
            look(host)
        assert isinstance(host.bucket, Breaking)
        host.bucket.broken = False
        look(host)
        assert len(files(host)) == 40


def test_a_stop_lets_go_what_had_not_begun(host: TrashHost) -> None:
    for number in range(100):
        host.bucket.plant(f"p/{number:03}", BODY)
    stop = Stop()
    host.bucket.intervene("get", stop.drain)
    report = look(host, stop)
    assert report.stopped
    assert 0 < len(files(host)) < 100
    assert recorded(host) == len(files(host))
    look(host)
    assert len(files(host)) == 100


def test_a_large_object_goes_the_long_way(host: TrashHost) -> None:
    host.bucket.plant("p/a", b"x" * (lane.LARGEST + 1))
    host.bucket.plant("p/b", b"y")
    look(host)
    assert {path: len(body) for path, body in files(host).items()} == {"a": lane.LARGEST + 1, "b": 1}


def test_what_was_cleaned_here_does_not_come_back_by_the_short_way(tmp_path: Path) -> None:
    """Without its record (a lost database) it looks like news; only a HEAD tells whose it is."""
    with trash_host(tmp_path, mode=Mode.BIDIRECTIONAL, cleanup=True) as host:
        host.write("a", BODY)
        for _ in range(4):
            look(host)
        assert files(host) == {}
        host.context.records.drop_all()
        look(host)
        assert files(host) == {}


def test_a_time_that_no_file_can_have_is_told_of_that_object_alone(host: TrashHost) -> None:
    host.bucket.plant("p/a", BODY, metadata={"mtime": "99999999999.0"})
    host.bucket.plant("p/b", BODY)
    look(host)
    assert files(host)["b"] == BODY
    assert left(host) == []


def test_a_place_is_taken_between_the_look_and_the_rename(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.bucket.plant("p/a", b"theirs")
    place = SmallPlaces.place

    def late(self: SmallPlaces, lasting: Lasting) -> LocalStat:
        host.write("a", b"ours")
        return place(self, lasting)

    monkeypatch.setattr(SmallPlaces, "place", late)
    look(host)
    monkeypatch.undo()
    assert b"ours" in {*files(host).values(), *host.trash()}
    assert left(host) == []


def test_nothing_is_replaced(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    (tmp_path / "a").write_bytes(b"ours")
    with root.small_places() as places:
        one, other = (
            places.sync(places.write(RelPath(path), b"theirs", mtime_ns=10**18)) for path in ("a", "deep/down/b")
        )
        with pytest.raises(Stale):
            places.place(one)
        seen = places.place(other)
        places.settle()
    assert (tmp_path / "a").read_bytes() == b"ours"
    assert root.lstat(RelPath("deep/down/b")) == seen
    assert os.listdir(tmp_path / ".syncd" / "tmp") == []


def test_what_is_not_placed_leaves_nothing(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    with suppress(ZeroDivisionError), root.small_places() as places:
        places.write(RelPath("a"), b"written", mtime_ns=10**18)
        places.sync(places.write(RelPath("b"), b"lasting", mtime_ns=10**18))
        raise ZeroDivisionError
    assert os.listdir(tmp_path / ".syncd" / "tmp") == []
    assert sorted(os.listdir(tmp_path)) == [".syncd"]
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_does_not_last_is_not_placed(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails tells so once: a second fsync would succeed."""
    for number in range(5):
        host.bucket.plant(f"p/{number}", BODY)
    fsync, fails = os.fsync, threading.Semaphore(1)

    def failing(fd: int) -> None:
        ours = stat.S_ISREG(os.fstat(fd).st_mode) and ".syncd/tmp" in os.readlink(f"/proc/self/fd/{fd}")
        if ours and fails.acquire(blocking=False):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", failing)
    report = look(host)
    assert report.errors == 1
    assert (len(files(host)), recorded(host), left(host)) == (4, 4, [])
    look(host)
    assert files(host) == {str(number): BODY for number in range(5)}


def test_where_no_more_files_may_be_open_the_long_way_has_one_at_a_time(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with root.small_places() as places:
        written = [places.write(RelPath("0"), b"0", mtime_ns=10**18)]

        def write_on() -> None:
            for number in range(1, 10_000):
                written.append(places.write(RelPath(str(number)), b"n", mtime_ns=10**18))

        resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 2, hard))
        try:
            with pytest.raises(Stale):
                write_on()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in written:
            places.place(places.sync(each))
    assert sorted(os.listdir(tmp_path)) == sorted([".syncd", *(each.path for each in written)])


def test_no_descriptor_outlives_the_fsync(tmp_path: Path) -> None:
    """Else whoever asks takes the file for one that is being written, and its close is news under its name."""
    root = Root.at(tmp_path)
    with root.small_places() as places:
        places.prepare(RelPath("a"))
        before = len(os.listdir("/proc/self/fd"))
        lasting = places.sync(places.write(RelPath("a"), BODY, mtime_ns=10**18))
        assert len(os.listdir("/proc/self/fd")) == before
        places.place(lasting)


def test_a_disk_that_failed_once_is_not_believed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Root.at(tmp_path)
    with root.small_places() as places:
        written = places.write(RelPath("a"), BODY, mtime_ns=10**18)
        monkeypatch.setattr(os, "fsync", failing_disk)
        with pytest.raises(ItemError):
            places.sync(written)
        assert os.listdir(tmp_path / ".syncd" / "tmp") == []


def failing_disk(fd: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_takes_no_more_files_gives_its_room_back_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    root = Root.at(tmp_path)
    with root.small_places() as places:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(ItemError):
            places.write(RelPath("a"), BODY, mtime_ns=10**18)
        assert os.listdir(tmp_path / ".syncd" / "tmp") == []


@pytest.mark.parametrize("slow", [False, True])
def test_nobody_waits_in_the_turn_for_a_slow_disk(host: TrashHost, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    for number in range(40):
        host.bucket.plant(f"p/{number:02}", BODY)
    write, in_turn = SmallPlaces.write, list[bool]()
    pool = Pool(1)
    cycle = Cycle(host.context, pool, host.backlog, once=lambda *_: True)

    def writing(self: SmallPlaces, path: RelPath, content: bytes, *, mtime_ns: int) -> Written:
        in_turn.append(cycle._turn._lock.locked())
        host.clock.seconds += 2 * BRISK_S if slow else 0.0
        return write(self, path, content, mtime_ns=mtime_ns)

    monkeypatch.setattr(SmallPlaces, "write", writing)
    try:
        cycle.run()
    finally:
        pool.close()
    assert len(files(host)) == 40
    assert in_turn == [True, *([not slow] * 39)]
