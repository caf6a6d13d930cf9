from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncd.core.timeuuid import time_uuid
from syncd.errors import ItemError, PairHalted, Stale
from syncd.local.spool import SpoolFolder
from syncd.ports import Spool

ONE = time_uuid(1_700_000_000_000, bytes(10))
TWO = time_uuid(1_700_000_000_001, bytes(10))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spool"


@pytest.fixture
def spool(path: Path) -> Spool:
    return SpoolFolder(path)


def put(spool: Spool, uuid: str, body: bytes) -> None:
    with spool.create(uuid) as file:
        file.write(body[:3])
        file.write(body[3:])
        file.finish()


def test_what_is_finished_stays_and_is_read_back(spool: Spool, path: Path) -> None:
    put(spool, ONE, b"an archive")
    with spool.open(ONE) as file:
        assert file.fstat().size == 10
        assert file.reader(3, 7).read() == b"archive"
    assert list(spool.uuids()) == [ONE]
    assert (path.stat().st_mode & 0o777, (path / f"{ONE}.tar").stat().st_mode & 0o777) == (0o700, 0o600)


def test_what_is_not_finished_goes(spool: Spool, path: Path) -> None:
    with spool.create(ONE) as file:
        file.write(b"half")
    assert os.listdir(path) == []


def test_a_name_that_is_taken_is_left_as_it_is(spool: Spool, path: Path) -> None:
    put(spool, ONE, b"first")
    with pytest.raises(ItemError), spool.create(ONE):
        pass
    assert (path / f"{ONE}.tar").read_bytes() == b"first"


def test_a_symlink_is_never_written_through_nor_read(spool: Spool, path: Path, tmp_path: Path) -> None:
    path.mkdir(parents=True)
    (tmp_path / "precious").write_bytes(b"precious")
    (path / f"{ONE}.tar").symlink_to(tmp_path / "precious")
    with pytest.raises(ItemError), spool.create(ONE):
        pass
    with pytest.raises(ItemError), spool.open(ONE):
        pass
    assert list(spool.uuids()) == []
    assert list(spool.strangers()) == [f"{ONE}.tar"]
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_fifo_of_our_name_hangs_nobody(spool: Spool, path: Path) -> None:
    path.mkdir(parents=True)
    os.mkfifo(path / f"{ONE}.tar")
    with pytest.raises(Stale), spool.open(ONE):
        pass


def test_removing_takes_our_own_file_alone_and_twice_is_no_error(spool: Spool) -> None:
    put(spool, ONE, b"one")
    put(spool, TWO, b"two")
    spool.remove(ONE)
    spool.remove(ONE)
    assert list(spool.uuids()) == [TWO]
    with pytest.raises(Stale), spool.open(ONE):
        pass


@pytest.mark.parametrize("name", ["../state", "thesis", "", ONE.upper(), f"{ONE}\n"])
def test_nothing_else_can_be_named(spool: Spool, path: Path, name: str) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ItemError):
        spool.remove(name)
    with pytest.raises(ItemError), spool.create(name):
        pass


def test_strangers_are_told_in_words_that_can_be_printed(spool: Spool, path: Path) -> None:
    path.mkdir(parents=True)
    for name in (b"thesis.tar", b"bad\xff", b"line\nbreak", f"{ONE}.tar.gz".encode()):
        with open(os.fsencode(path) + b"/" + name, "wb"):
            pass
    put(spool, ONE, b"one")
    assert list(spool.strangers()) == [f"{ONE}.tar.gz", "bad\\xff", "line\\nbreak", "thesis.tar"]
    assert list(spool.uuids()) == [ONE]


def test_it_tells_how_much_is_free(spool: Spool, path: Path) -> None:
    free = spool.free()
    assert free == pytest.approx(os.statvfs(path).f_bavail * os.statvfs(path).f_frsize, rel=0.1)


def test_a_spool_that_is_no_folder_is_said(spool: Spool, path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    with pytest.raises(PairHalted, match="the spool"):
        spool.free()
