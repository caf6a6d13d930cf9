"""Small files are read whole, as exactly the version that was seen, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.errors import Stale
from syncd.local.root import Root
from syncd.ports import ScanEntry


@pytest.fixture
def root(tmp_path: Path) -> Root:
    for name in ("a/1", "a/2", "b/1", "top"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    return Root.at(tmp_path)


def seen(root: Root) -> dict[RelPath, LocalStat]:
    return dict(entry for entry in root.scan() if isinstance(entry, ScanEntry))


def test_files_of_several_folders_are_read_in_any_order(root: Root) -> None:
    files = seen(root)
    with root.small_files() as small:
        for path in [*files, *reversed(files)]:
            assert small.read(path, files[path]) == path.encode()
            assert small.unchanged(path, files[path])


def test_an_empty_file_is_read(root: Root) -> None:
    (root.path / "top").write_bytes(b"")
    with root.small_files() as small:
        assert small.read(RelPath("top"), seen(root)[RelPath("top")]) == b""


@pytest.mark.parametrize("change", ["grown", "shrunk", "replaced", "gone", "a symlink", "a fifo", "a folder"])
def test_another_version_than_the_one_that_was_seen_is_not_read(root: Root, change: str) -> None:
    stat, file = seen(root)[RelPath("a/1")], root.path / "a/1"
    match change:
        case "grown":
            file.write_bytes(b"longer than before")
        case "shrunk":
            file.write_bytes(b"")
        case "replaced":
            (root.path / "new").write_bytes(b"a/1")
            os.utime(root.path / "new", ns=(stat.mtime_ns, stat.mtime_ns))
            os.replace(root.path / "new", file)
        case _:
            file.unlink()
    match change:
        case "a symlink":
            file.symlink_to(root.path / "a/2")
        case "a fifo":
            os.mkfifo(file)
        case "a folder":
            file.mkdir()
    with root.small_files() as small:
        assert not small.unchanged(RelPath("a/1"), stat)
        with pytest.raises(Stale):
            small.read(RelPath("a/1"), stat)
        assert small.read(RelPath("a/2"), seen(root)[RelPath("a/2")]) == b"a/2"


def test_a_folder_on_the_way_that_became_a_symlink_is_not_followed(root: Root, tmp_path: Path) -> None:
    stat = seen(root)[RelPath("a/1")]
    (root.path / "a").rename(root.path / "elsewhere")
    (root.path / "a").symlink_to(root.path / "elsewhere")
    with root.small_files() as small, pytest.raises(Stale):
        small.read(RelPath("a/1"), stat)


def test_a_file_that_is_open_for_writing_is_not_read(root: Root) -> None:
    stat = seen(root)[RelPath("a/1")]
    with root.small_files() as small:
        with open(root.path / "a/1", "r+b"), pytest.raises(Stale, match="open for writing"):
            small.read(RelPath("a/1"), stat)
        with open(root.path / "a/1", "rb"):
            assert small.read(RelPath("a/1"), stat) == b"a/1"


def test_no_descriptor_is_left(root: Root) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with root.small_files() as small:
        for path, stat in seen(root).items():
            small.read(path, stat)
        with pytest.raises(Stale):
            small.read(RelPath("none/here"), LocalStat(1, 1, 1, 1))
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_byte_is_taken_from_a_pipe_that_took_the_place_of_a_file(root: Root) -> None:
    stat, pipe = seen(root)[RelPath("a/1")], root.path / "a/1"
    pipe.unlink()
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with open(pipe, "wb") as writer:
            writer.write(b"for somebody else")
        with root.small_files() as small, pytest.raises(Stale):
            small.read(RelPath("a/1"), stat)
        assert os.read(reader, 99) == b"for somebody else"
    finally:
        os.close(reader)


def test_a_folder_that_was_not_there_hides_no_file_that_is_asked_for_next(root: Root) -> None:
    files = seen(root)
    with root.small_files() as small:
        assert small.unchanged(RelPath("top"), files[RelPath("top")]), "the first one that is asked for"
        assert not small.unchanged(RelPath("gone/1"), files[RelPath("a/1")])
        assert small.unchanged(RelPath("a/1"), files[RelPath("a/1")])
        assert not small.unchanged(RelPath("gone/1"), files[RelPath("a/1")])
        assert small.unchanged(RelPath("a/2"), files[RelPath("a/2")]), "in the folder it was in last"


def test_a_folder_that_was_away_for_a_while_is_found_again(root: Root) -> None:
    files = seen(root)
    with root.small_files() as small:
        assert small.unchanged(RelPath("a/1"), files[RelPath("a/1")])
        assert not small.unchanged(RelPath("gone/1"), files[RelPath("b/1")])
        (root.path / "a").rename(root.path / "away")
        assert not small.unchanged(RelPath("a/1"), files[RelPath("a/1")]), "the name it was in last"
        (root.path / "away").rename(root.path / "a")
        assert small.unchanged(RelPath("a/1"), files[RelPath("a/1")])
