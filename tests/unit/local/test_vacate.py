"""A root that is only visited: what is ours in it is gone afterwards, and nothing else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from syncd.core.paths import parse_relpath
from syncd.errors import PairHalted
from syncd.local.root import Root
from syncd.ports import Absent, Marker


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root.at(tmp_path)


def put(root: Root, path: str, *, mode: int | None = None) -> None:
    with root.temporary() as temporary:
        temporary.write(b"x")
        temporary.finish(mtime_ns=10**18, mode=mode)
        root.place(temporary, parse_relpath(path), expect=Absent())


def test_a_visited_root_keeps_the_files_alone(root: Root, tmp_path: Path) -> None:
    put(root, "a/b")
    assert (tmp_path / ".syncd/tmp").is_dir()
    root.vacate()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b"]


def test_what_lies_in_our_folders_stays(root: Root, tmp_path: Path) -> None:
    put(root, "a")
    stat_of_a = root.lstat(parse_relpath("a"))
    assert stat_of_a is not None
    name = root.trash(parse_relpath("a"), expect=stat_of_a)
    root.vacate()
    assert (tmp_path / ".syncd/trash" / name).read_bytes() == b"x"


def test_a_root_with_a_marker_is_left_as_it_is(root: Root, tmp_path: Path) -> None:
    put(root, "a")
    root.write_marker(Marker("uuid", 0))
    root.vacate()
    assert (tmp_path / ".syncd/tmp").is_dir()


def test_a_root_that_was_never_written_to_has_nothing_to_leave(root: Root, tmp_path: Path) -> None:
    root.vacate()
    assert list(tmp_path.iterdir()) == []


def test_a_symlink_in_our_place_is_left_alone(root: Root, tmp_path: Path) -> None:
    (tmp_path / ".syncd").symlink_to(tmp_path)
    with pytest.raises(PairHalted, match="a symlink is in the way"):
        root.vacate()
    assert (tmp_path / ".syncd").is_symlink()


@pytest.mark.parametrize(("asked", "given"), [(0o600, 0o600), (0o777, 0o777), (0o7755, 0o755), (0, 0)])
def test_a_file_has_the_bits_it_is_to_have_and_never_more(root: Root, tmp_path: Path, asked: int, given: int) -> None:
    put(root, "a", mode=asked)
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == given
