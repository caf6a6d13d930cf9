"""What a disk says when a descriptor is given back, or a temporary removed, hides neither failure nor content."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.core.paths import RelPath
from syncd.core.timeuuid import time_uuid
from syncd.errors import ItemError
from syncd.local.root import Root
from syncd.local.spool import SpoolFolder
from syncd.ports import Marker


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "hot").mkdir()
    return Root.at(tmp_path / "hot")


def failing(call: Callable[..., object], number: int) -> Callable[..., None]:
    """The call is made, and then reported as failed, as close does on a disk that is full or gone."""

    def fail(*arguments: object, **options: object) -> None:
        call(*arguments, **options)
        raise OSError(number, os.strerror(number))

    return fail


def refusing(number: int) -> Callable[..., None]:
    """The call is not made."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_what_was_read_stands_whatever_close_says(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    (root.path / "a").write_bytes(b"a")
    root.write_marker(Marker("u", 1))
    with monkeypatch.context() as disk, root.open(RelPath("a")) as file:
        read = file.pread(9, 0)
        disk.setattr("syncd.local.spot.os.close", failing(os.close, errno.EIO))
    assert read == b"a"


def test_a_temporary_that_cannot_be_removed_does_not_hide_why_it_was_given_up(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    def give_up() -> None:
        with root.temporary():
            monkeypatch.setattr("os.unlink", refusing(errno.EROFS))
            raise ItemError("a", "the disk is full")

    with pytest.raises(ItemError, match="the disk is full"):
        give_up()


def test_leftovers_that_cannot_be_removed_are_in_nobodys_way(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    with root.temporary():
        pass
    (root.path / ".syncd" / "tmp" / "left").write_bytes(b"half")
    with monkeypatch.context() as disk:
        disk.setattr("os.unlink", refusing(errno.EROFS))
        assert root.sweep_temporaries() == 0
    assert root.sweep_temporaries() == 1


def test_an_archive_whose_close_fails_is_not_taken_for_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = SpoolFolder(tmp_path / "spool")

    def seal() -> None:
        with spool.create(time_uuid(1, bytes(10))) as file, monkeypatch.context() as disk:
            file.write(b"archive")
            disk.setattr("syncd.local.spool.os.close", failing(os.close, errno.EIO))
            file.finish()

    with pytest.raises(ItemError, match="the disk failed"):
        seal()
    assert os.listdir(tmp_path / "spool") == []
