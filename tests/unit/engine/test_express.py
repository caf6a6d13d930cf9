"""The short way up: what is new and small goes many at a time, and whatever is not as it was seen goes the long way."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.trash_host import TrashHost, trash_host
from syncd.core.model import LocalStat, Mode, ProofKind
from syncd.core.paths import RelPath
from syncd.engine import lane
from syncd.engine.cycle import Cycle
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.errors import FatalError, ItemError, RemoteError, RemoteKind, Stale
from syncd.lifecycle.stop import Stop
from syncd.local.root import Root
from syncd.ports import PutAnswer

LOST = RemoteError(RemoteKind.UNAVAILABLE, "the answer is lost")
BODY = b"one line of a log\n"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TrashHost]:
    with trash_host(tmp_path, mode=Mode.UPLOAD) as made:
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


def objects(host: TrashHost) -> dict[str, bytes]:
    return {key: body for key, body in host.bucket.contents().items() if "/.syncd/" not in key}


def test_where_the_checksum_proves_nothing_the_etag_does(tmp_path: Path) -> None:
    lax = replace(EVERYTHING, rejects_wrong_crc64nvme=False)
    with trash_host(tmp_path, mode=Mode.UPLOAD, capabilities=lax) as host:
        host.write("a", BODY)
        look(host)
        record = host.context.records.get(RelPath("a"))
        assert record is not None
        assert record.proof is ProofKind.ETAG


def test_where_answers_show_no_checksum_the_etag_proves_those_that_follow(tmp_path: Path) -> None:
    class Silent(FakeObjects):
        def put(self, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
            return replace(super().put(key, body, size, **more), checksum=None)

    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=Silent()) as host:
        host.write("a", BODY)
        look(host)
        host.write("b", BODY)
        look(host)
        proofs = {record.path: record.proof for record in host.context.records.walk()}
        assert proofs == {"a": ProofKind.PAYLOAD, "b": ProofKind.ETAG}


def test_new_files_of_many_folders_go_up_once_each_proven_and_recorded(host: TrashHost) -> None:
    bodies = {
        f"{folder}/{number}.log": f"{folder}{number}".encode() * number for folder in "abc" for number in range(30)
    }
    for path, body in bodies.items():
        host.write(path, body)
    report = look(host)
    assert objects(host) == {f"p/{path}": body for path, body in bodies.items()}
    assert report.counts["uploaded"] == len(bodies)
    assert report.bytes_up == sum(map(len, bodies.values()))
    assert host.bucket.requests["put"] == len(bodies)
    assert host.bucket.requests["head"] == 0
    for path, body in bodies.items():
        record = host.context.records.get(RelPath(path))
        assert record is not None
        assert record.digest is not None
        assert record.digest.hex == hashlib.sha256(body).hexdigest()
        assert record.proof is ProofKind.CHECKSUM
    assert look(host).counts.get("uploaded", 0) == 0
    assert host.bucket.requests["put"] == len(bodies)
    assert len(list(host.database.history.query(limit=1000))) == len(bodies)


def test_one_that_somebody_writes_to_waits_and_the_others_go(host: TrashHost) -> None:
    host.context = replace(host.context, ready=lambda path, _: path != "busy")
    for name in ("a", "busy", "z"):
        host.write(name, BODY)
    with open(host.root / "busy", "ab"):
        report = look(host)
        assert set(objects(host)) == {"p/a", "p/z"}
        assert report.waiting == 1
    host.context = replace(host.context, ready=lambda *_: True)
    look(host)
    assert set(objects(host)) == {"p/a", "p/busy", "p/z"}


def test_a_file_that_changed_since_the_scan_is_seen_anew(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write("a", b"old")
    files = type(host.context.tree.small_files())
    read = files.read

    def late(self: Any, path: RelPath, expect: LocalStat) -> bytes:
        host.write("a", b"newer content")
        monkeypatch.setattr(files, "read", read)
        return read(self, path, expect)

    monkeypatch.setattr(files, "read", late)
    look(host)
    assert objects(host) == {"p/a": b"newer content"}
    assert [version.body for version in host.bucket.history("p/a")] == [b"newer content"]


def test_a_file_that_changes_while_it_is_under_way_is_not_told_done(host: TrashHost) -> None:
    host.write("a", b"first")
    host.bucket.intervene("put", lambda: host.write("a", b"second"))
    report = look(host)
    assert report.counts.get("uploaded", 0) == 0
    assert [waiting.path for waiting in host.backlog.snapshot()] == ["a"]
    look(host)
    assert objects(host) == {"p/a": b"second"}
    assert host.backlog.snapshot() == ()


def test_an_object_that_came_first_is_met_as_a_conflict_and_kept(host: TrashHost) -> None:
    host.write("a", b"ours")
    host.bucket.intervene("put", lambda: host.bucket.plant("p/a", b"theirs"))
    look(host)
    look(host)
    assert {b"ours", b"theirs"} <= {version.body for version in host.bucket.history()}
    assert hashlib.sha256(b"theirs").hexdigest() in host.bucket.kept()


def test_a_write_of_ours_whose_answer_was_lost_is_not_sent_again(host: TrashHost) -> None:
    host.write("a", BODY)
    host.bucket.fail_next("put", Stale("412 to the retry of a write that had come through"), when="after")
    report = look(host)
    assert report.counts["uploaded"] == 1
    assert host.bucket.requests["put"] == 1
    assert host.context.records.get(RelPath("a")) is not None


def test_a_failure_is_said_of_each_and_the_pass_ends(host: TrashHost) -> None:
    for number in range(5):
        host.write(f"{number}", BODY)
    host.bucket.fail_next("put", LOST, times=3)
    report = look(host)
    assert report.errors == 3
    assert report.counts["uploaded"] == 2
    assert {waiting.state for waiting in host.backlog.snapshot()} == {"failed"}
    look(host)
    assert len(objects(host)) == 5


def test_eight_failures_in_a_row_end_the_pass(host: TrashHost) -> None:
    for number in range(200):
        host.write(f"{number}", BODY)
    host.bucket.fail_next("put", LOST, times=200)
    with pytest.raises(RemoteError):
        look(host)
    assert host.bucket.requests["put"] < 100


class Breaking(FakeObjects):
    """A store behind which a bug of ours sits."""

    broken = True

    def put(self, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
        if self.broken and key == "p/3":
            raise ZeroDivisionError
        return super().put(key, body, size, **more)


def test_a_bug_ends_the_pass_and_leaves_no_claim(tmp_path: Path) -> None:
    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=Breaking()) as host:
        assert isinstance(host.bucket, Breaking)
        for number in range(40):
            host.write(f"{number}", BODY)
        with pytest.raises(ZeroDivisionError):
            look(host)
        host.bucket.broken = False
        look(host)
        look(host)
        assert len(objects(host)) == 40


def test_a_database_that_fails_ends_the_pass(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        host.write(f"{number}", BODY)

    def refuse(*_: object) -> None:
        raise FatalError("the disk is full")

    monkeypatch.setattr(type(host.context.records), "commit_all", refuse)
    with pytest.raises(FatalError):
        look(host)


def test_a_value_that_no_column_takes_harms_no_other_file(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(9):
        host.write(f"{number}", BODY)
    answer_of = FakeObjects.put

    def odd(self: FakeObjects, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
        answer = answer_of(self, key, body, size, **more)
        return replace(answer, version_id=object()) if key == "p/4" else answer  # type: ignore[arg-type]

    monkeypatch.setattr(FakeObjects, "put", odd)
    monkeypatch.setattr(lane, "MOST", 9)
    report = look(host)
    assert report.counts["uploaded"] == 8
    assert [str(waiting.path) for waiting in host.backlog.snapshot()] == ["4"]


def test_a_stop_lets_go_what_had_not_begun(host: TrashHost) -> None:
    for number in range(100):
        host.write(f"{number:03}", BODY)
    stop = Stop()
    host.bucket.intervene("put", stop.drain)
    report = look(host, stop)
    assert report.stopped
    assert 0 < len(objects(host)) < 100
    look(host)
    assert len(objects(host)) == 100
    assert host.backlog.snapshot() == ()


def test_where_all_happens_at_the_answer_a_stop_lets_go_the_rest_of_a_group(tmp_path: Path) -> None:
    stop = Stop()

    class Stopping(FakeObjects):
        def put(self, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
            if self.requests["put"] == 40:  # in the middle of a group
                stop.drain()
            return super().put(key, body, size, **more)

    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=Stopping()) as host:
        for number in range(300):
            host.write(f"{number:03}", BODY)
        assert look(host, stop).stopped
        assert 40 < len(objects(host)) <= 43, "one for each thread"


def test_a_spoilt_arrival_is_replaced_by_a_sound_one(tmp_path: Path) -> None:
    spoilt = threading.Event()

    class Spoiling(FakeObjects):
        def put(self, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
            if spoilt.is_set():
                return super().put(key, body, size, **more)
            spoilt.set()
            etag = self.plant(key, b"other bytes")
            return PutAnswer(etag=etag, checksum="CRC64NVME:AAAAAAAAAAA=")

    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=Spoiling()) as host:
        host.write("a", BODY)
        report = look(host)
        assert report.counts["uploaded"] == 1
        assert objects(host) == {"p/a": BODY}


def test_a_file_that_only_changed_its_name_is_copied_by_the_store(host: TrashHost) -> None:
    host.write("old", BODY)
    look(host)
    os.rename(host.root / "old", host.root / "a new name")
    look(host)
    assert objects(host)["p/a new name"] == BODY
    assert host.bucket.requests["copy"] == 1
    assert host.bucket.requests["put"] == 1


def test_a_file_that_cannot_be_read_is_told_as_on_the_long_way(
    host: TrashHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.write("a", BODY)
    host.write("b", BODY)
    refused = ItemError("a", "a: permission denied", hint="chmod")
    monkeypatch.setattr(type(host.context.tree.small_files()), "read", _refusing("a"))
    plain = Root.open

    def open_(self: Root, path: RelPath) -> Any:
        if path == "a":
            raise refused
        return plain(self, path)

    monkeypatch.setattr(Root, "open", open_)
    report = look(host)
    assert [str(outcome.error) for outcome in report.unfinished] == [str(refused)]
    assert set(objects(host)) == {"p/b"}


def _refusing(name: str) -> Any:
    from syncd.local.small import SmallFiles

    read = SmallFiles.read

    def reading(self: SmallFiles, path: RelPath, expect: LocalStat) -> bytes:
        if path == name:
            raise Stale(path) from OSError(errno.EACCES, "permission denied")
        return read(self, path, expect)

    return reading


def test_the_long_way_is_there_for_large_files(tmp_path: Path) -> None:
    size = lane.LARGEST + 1
    with trash_host(tmp_path, mode=Mode.UPLOAD) as host:
        host.write("a", b"x" * size)
        host.write("b", b"y" * size)
        look(host)
        assert {key: len(body) for key, body in objects(host).items()} == {"p/a": size, "p/b": size}


def test_a_pair_that_only_downloads_sends_nothing(tmp_path: Path) -> None:
    with trash_host(tmp_path, mode=Mode.DOWNLOAD) as host:
        host.write("a", BODY)
        look(host)
        assert objects(host) == {}
