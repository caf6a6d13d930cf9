"""`streaming = true`: archives go up while they are packed; a file that changes meanwhile is never taken for whole."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.batch_desk import BUCKET, BatchDesk
from support.fake_store import FakeObjects
from syncd.config.types import S3
from syncd.core.archive import MemberState
from syncd.core.model import ProofKind
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Capabilities

MIB = 1 << 20
PARTS = S3(endpoint_url="http://s3", part_size=5 * MIB)
DOWN = RemoteError(RemoteKind.UNAVAILABLE, "no answer")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., BatchDesk]]:
    """Make a desk that streams in parts of 5 MiB."""
    desks: list[BatchDesk] = []

    def made(**settings: Any) -> BatchDesk:
        settings = {"streaming": True, "s3": PARTS, **settings}
        desks.append(BatchDesk(tmp_path / str(len(desks)), **settings))
        return desks[-1]

    yield made
    for desk in desks:
        desk.close()


@pytest.fixture(params=[True, False], ids=["streamed", "spooled"])
def desk(make: Callable[..., BatchDesk], request: pytest.FixtureRequest) -> BatchDesk:
    """Both ways: a file that changes is the same trouble to each."""
    return make(streaming=request.param)


class Meddler:
    """A root on which somebody is busy: `meanwhile` runs once, after a file was opened and looked at."""

    def __init__(self, tree: Any, path: str, meanwhile: Callable[[], object], *, read: int) -> None:
        self._tree, self._path, self._meanwhile, self._read = tree, path, meanwhile, read
        self.done = False

    def open(self, path: str) -> AbstractContextManager[Any]:
        return self._open(path)

    @contextmanager
    def _open(self, path: str) -> Iterator[Any]:
        with self._tree.open(path) as file:
            yield _Watched(file, self) if path == self._path and not self.done else file

    def passed(self, count: int) -> None:
        if not self.done and count >= self._read:
            self.done = True
            self._meanwhile()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tree, name)


class _Watched:
    def __init__(self, file: Any, meddler: Meddler) -> None:
        self._file, self._meddler = file, meddler

    def reader(self, start: int, length: int) -> Any:
        return _Reader(self._file.reader(start, length), self._meddler)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Reader:
    def __init__(self, reader: Any, meddler: Meddler) -> None:
        self._reader, self._meddler, self._count = reader, meddler, 0

    def read(self, size: int) -> bytes:
        self._meddler.passed(self._count)
        piece: bytes = self._reader.read(size)
        self._count += len(piece)
        return piece


def meddle(desk: BatchDesk, path: str, meanwhile: Callable[[], object], *, read: int = 0) -> None:
    """Let something happen to a file after so many of its bytes were read for the archive."""
    tree = Meddler(desk.world.context.tree, path, meanwhile, read=read)
    desk.world = replace(desk.world, context=replace(desk.world.context, tree=tree))


# --- going up ------------------------------------------------------------------------------------------------------


def test_small_archives_go_in_one_request_and_large_ones_in_parts(make: Callable[..., BatchDesk]) -> None:
    desk = make()
    files = {"small/one": b"1", "large/one": os.urandom(7 * MIB), "large/two": os.urandom(6 * MIB)}
    for path, body in files.items():
        desk.write(path, body)
    desk.finish()
    assert desk.proven() == Counter(files.items())
    assert not desk.files()
    assert not desk.spool_path.exists() or not desk.spooled()
    requests = desk.bucket.requests
    assert (requests["create_multipart"], requests["put_part"], requests["complete_multipart"]) == (1, 3, 1)
    assert requests["put"] == 3  # the small archive and both manifests
    assert requests["get"] == 0
    proofs = {archive.proof for archive in desk.journal.archives("", limit=9)}
    assert proofs == {ProofKind.ETAG}


def test_an_upload_that_breaks_off_starts_over(make: Callable[..., BatchDesk]) -> None:
    desk = make()
    desk.write("large/one", os.urandom(12 * MIB))
    desk.bucket.fail_next("put_part", DOWN)
    assert desk.run().failure is DOWN
    assert desk.bucket.open_uploads() == []
    assert desk.journal.unfinished(BUCKET) == []
    desk.finish()
    assert len(desk.archives()) == len(desk.proven()) == 1
    assert not desk.files()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("etag_is_md5", [True, False])
def test_a_lost_answer_to_complete_is_settled_by_a_look(
    make: Callable[..., BatchDesk], when: str, *, etag_is_md5: bool
) -> None:
    honours = Capabilities(put_if_none_match=True, etag_is_md5=etag_is_md5, probed_at=1.0)
    desk = make(bucket=FakeObjects(bucket=BUCKET, capabilities=honours))
    desk.write("large/one", os.urandom(6 * MIB))
    desk.bucket.fail_next("complete_multipart", DOWN, when=when)
    assert desk.run().failure is DOWN
    assert set(desk.files()) == {"large/one"}
    desk.run()
    desk.finish()
    assert len(desk.archives()) == len(desk.proven()) == 1
    assert not desk.files()
    assert desk.bucket.open_uploads() == []


def test_a_key_that_is_taken_when_the_stream_ends_is_left_alone(make: Callable[..., BatchDesk]) -> None:
    desk = make()
    desk.write("large/one", os.urandom(6 * MIB))

    def plant() -> None:
        (archive,) = desk.journal.unfinished(BUCKET)
        desk.bucket.plant(archive.key, b"not ours")

    desk.bucket.intervene("complete_multipart", plant)
    report = desk.run()
    assert report.archives == 0
    assert report.next_due_s is not None
    assert set(desk.files()) == {"large/one"}
    desk.run()
    desk.finish()
    assert len(desk.proven()) == 1
    assert b"not ours" in desk.bucket.contents().values()


# --- files that change while they are packed ------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1000, 3 * MIB], ids=["small", "large"])
def test_a_file_that_shrinks_while_it_is_packed_stays_and_goes_next_time(desk: BatchDesk, size: int) -> None:
    file = desk.write("logs/it", b"x" * size)
    desk.write("logs/other", b"other")
    meddle(desk, "logs/it", lambda: os.truncate(file, 10), read=0 if size < MIB else MIB)
    report = desk.run()
    assert (report.archives, report.files) == (1, 1)
    assert desk.files() == {"logs/it": b"x" * 10}
    desk.restart()
    desk.finish()
    assert desk.proven() == Counter({("logs/other", b"other"): 1, ("logs/it", b"x" * 10): 1})


@pytest.mark.parametrize("size", [1000, 3 * MIB], ids=["small", "large"])
def test_a_file_that_grows_while_it_is_packed_stays_and_goes_next_time(desk: BatchDesk, size: int) -> None:
    file = desk.write("logs/it", b"x" * size)

    def grow() -> None:
        with file.open("ab") as more:
            more.write(b"more")

    desk.write("logs/other", b"other")
    meddle(desk, "logs/it", grow)
    report = desk.run()
    assert (report.archives, report.files) == (1, 1)
    assert desk.files() == {"logs/it": b"x" * size + b"more"}
    desk.restart()
    desk.finish()
    assert desk.proven() == Counter({("logs/other", b"other"): 1, ("logs/it", b"x" * size + b"more"): 1})


@pytest.mark.parametrize("size", [1000, 3 * MIB], ids=["small", "large"])
def test_a_file_that_vanishes_while_it_is_packed_is_no_trouble(desk: BatchDesk, size: int) -> None:
    file = desk.write("logs/it", b"x" * size)
    desk.write("logs/other", b"other")
    meddle(desk, "logs/it", file.unlink)
    report = desk.run()
    assert (report.archives, report.errors) == (1, 0)
    desk.finish()
    assert desk.proven() == Counter({("logs/other", b"other"): 1})


def test_a_void_member_is_padded_said_in_the_manifest_and_never_found(make: Callable[..., BatchDesk]) -> None:
    desk = make()
    file = desk.write("logs/it", b"x" * (3 * MIB))
    desk.write("logs/other", b"other")
    meddle(desk, "logs/it", lambda: os.truncate(file, 10), read=MIB)
    desk.run()
    (key,) = desk.archives()
    padded = desk.archives()[key]["logs/it"]
    assert padded[:MIB] == b"x" * MIB
    assert padded[-MIB:] == bytes(MIB)
    void = {member["key"]: member.get("void", False) for member in desk.manifest(key)["members"]}
    assert void == {"logs/it": True, "logs/other": False}
    assert [found.member.path for found in desk.journal.find("*", limit=9)] == ["logs/other"]
    (archive,) = desk.journal.archives("", limit=9)
    states = {one.member.path: one.state for one in desk.journal.originals(archive.uuid)}
    assert states["logs/it"] is MemberState.KEPT


def test_when_nothing_in_it_is_whole_no_archive_is_made(desk: BatchDesk) -> None:
    file = desk.write("logs/it", b"x" * (8 * MIB))
    meddle(desk, "logs/it", lambda: os.truncate(file, 10), read=6 * MIB)
    report = desk.run()
    assert report.archives == 0
    assert desk.archives() == {}
    assert desk.bucket.open_uploads() == []
    assert desk.spooled() == []
    assert desk.journal.unfinished(BUCKET) == []
