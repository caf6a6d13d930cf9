"""A temporary file that is filled at many places at once: its room is taken first, or it is said that there is none."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from syncd.core.paths import RelPath
from syncd.errors import ItemError
from syncd.local.root import Root
from syncd.ports import Absent


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "hot").mkdir()
    return Root.at(tmp_path / "hot")


def partial(root: Root) -> Path:
    (file,) = (root.path / ".syncd" / "tmp").iterdir()
    return file


def test_room_is_taken_before_the_first_byte_comes(root: Root) -> None:
    with root.temporary() as temporary:
        temporary.preallocate(1 << 20)
        seen = partial(root).stat()
        assert (seen.st_size, seen.st_blocks * 512 >= 1 << 20) == (1 << 20, True)


def test_a_disk_without_room_says_so_at_once(root: Root) -> None:
    with root.temporary() as temporary, pytest.raises(ItemError, match=r"the disk is full|too large"):
        temporary.preallocate(1 << 62)


def test_where_no_room_can_be_taken_ahead_it_is_written_all_the_same(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("os.posix_fallocate", refuse)
    with root.temporary() as temporary:
        temporary.preallocate(10)
        assert partial(root).stat().st_size == 10


def test_pieces_lie_where_they_were_written_in_any_order_and_are_read_back(root: Root) -> None:
    buffer = memoryview(bytearray(10))
    with root.temporary() as temporary:
        temporary.preallocate(10)
        temporary.write_at(b"world", 5)
        temporary.write_at(b"hello", 0)
        assert temporary.read_at(buffer, 0) == 10
        assert bytes(buffer) == b"helloworld"
        with pytest.raises(ItemError):
            temporary.read_at(buffer, 10)
        temporary.finish(mtime_ns=None)
        root.place(temporary, RelPath("a"), expect=Absent())
    assert (root.path / "a").read_bytes() == b"helloworld"
