"""Reading: one descriptor on one version, hashes in one pass, views that do not disturb each other."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from awscrt import checksums
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.paths import RelPath
from syncd.errors import ItemError, Stale
from syncd.local.digest import Digester
from syncd.local.root import Root

A = RelPath("folder/a")
ALL = frozenset({"sha256", "md5", "crc64nvme"})
BODY = os.urandom(600_000)


def never() -> bool:
    return False


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / A).write_bytes(BODY)
    return tmp_path / A


@pytest.fixture
def root(file: Path) -> Root:
    return Root.at(file.parent.parent)


def test_one_pass_gives_every_hash_that_was_asked_for(root: Root) -> None:
    with root.open(A) as handle:
        both = handle.hash(types=ALL, stopped=never)
        one = handle.hash(types=frozenset({"md5"}), stopped=never)
    assert both.sha256 == hashlib.sha256(BODY).digest()
    assert both.md5 == one.md5 == hashlib.md5(BODY).digest()
    assert both.crc64nvme == checksums.crc64nvme(BODY)
    assert (one.sha256, one.crc64nvme) == (None, None)


def test_an_empty_file_has_hashes(root: Root, file: Path) -> None:
    file.write_bytes(b"")
    with root.open(A) as handle:
        assert handle.hash(types=ALL, stopped=never).sha256 == hashlib.sha256().digest()
        assert handle.reader(0, 0).read() == b""


@given(st.lists(st.binary(max_size=40)))
def test_pieces_hash_to_what_the_whole_does(pieces: list[bytes]) -> None:
    digester = Digester(ALL)
    for piece in pieces:
        digester.update(memoryview(piece))
    whole = b"".join(pieces)
    result = digester.result()
    assert (result.sha256, result.crc64nvme) == (hashlib.sha256(whole).digest(), checksums.crc64nvme(whole))


def test_an_unknown_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="sha1"):
        Digester({"sha1"})


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_hashed_is_stale(root: Root, file: Path, change: str) -> None:
    pieces = iter(range(100))

    def change_it_once() -> bool:
        if next(pieces) == 1:
            with file.open("r+b") as other:
                match change:
                    case "grow":
                        other.seek(0, os.SEEK_END)
                        other.write(b"more" * 200_000)
                    case "shrink":
                        other.truncate(300_000)
                    case _:
                        other.write(b"other")
        return False

    with root.open(A) as handle, pytest.raises(Stale):
        handle.hash(types=ALL, stopped=change_it_once)


def test_hashing_stops_when_it_is_told_to(root: Root) -> None:
    asked = []
    with root.open(A) as handle, pytest.raises(Stale, match="stopped"):
        handle.hash(types=ALL, stopped=lambda: bool(asked.append(1)) or len(asked) == 2)
    assert len(asked) == 2


@given(st.integers(0, 60), st.integers(0, 40), st.lists(st.tuples(st.sampled_from("rstT"), st.integers(0, 50))))
def test_a_view_behaves_as_the_bytes_of_its_range(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("view")
    (folder / "f").write_bytes(BODY[:100])
    model = io.BytesIO(BODY[start : start + length])
    with Root.at(folder).open(RelPath("f")) as handle:
        view = handle.reader(start, length)
        for step, number in steps:
            match step:
                case "r":
                    assert view.read(number) == model.read(number)
                case "s":
                    assert view.seek(number) == model.seek(number)
                case "t":
                    assert (
                        view.seek(-number, os.SEEK_END) == model.seek(-number, os.SEEK_END) if number <= length else 1
                    )
                case _:
                    assert view.tell() == model.tell()
        assert view.read() == model.read()
        assert len(view) == length  # type: ignore[arg-type]


def test_two_views_have_their_own_offsets(root: Root) -> None:
    with root.open(A) as handle:
        one, other = handle.reader(0, 100), handle.reader(50, 100)
        assert one.read(10) + other.read(10) + one.read(10) == BODY[:10] + BODY[50:60] + BODY[10:20]


def test_a_view_fills_a_buffer(root: Root) -> None:
    with root.open(A) as handle:
        assert io.BufferedReader(handle.reader(5, 20)).read() == BODY[5:25]  # type: ignore[arg-type]


def test_a_view_names_the_descriptor_and_the_span_that_it_shows(root: Root) -> None:
    with root.open(A) as file:
        fd, offset, size = file.reader(2, 5).fileno_span()  # type: ignore[attr-defined]  # the kernel's way
        assert os.pread(fd, size, offset) == file.reader(2, 5).read()


def test_a_file_that_shrinks_below_a_view_is_stale(root: Root, file: Path) -> None:
    with root.open(A) as handle:
        view = handle.reader(0, len(BODY))
        view.read(10)
        os.truncate(file, 20)
        with pytest.raises(Stale, match="shorter"):
            view.read(100)


def test_a_file_replaced_by_rename_is_still_read_as_it_was(root: Root, file: Path) -> None:
    with root.open(A) as handle:
        before = handle.fstat()
        file.with_name("new").write_bytes(b"new")
        file.with_name("new").replace(file)
        assert handle.hash(types=ALL, stopped=never).sha256 == hashlib.sha256(BODY).digest()
        assert root.lstat(A) != before


def test_growth_shows_in_fstat(root: Root, file: Path) -> None:
    with root.open(A) as handle:
        before = handle.fstat()
        with file.open("ab") as other:
            other.write(b"x")
        assert handle.fstat().size == before.size + 1


def test_a_view_of_a_closed_file_is_refused(root: Root) -> None:
    with root.open(A) as handle:
        view = handle.reader(0, 10)
    with pytest.raises(ValueError, match="closed"):
        view.read(1)


def test_opening_what_is_gone_or_no_file_is_stale(root: Root, file: Path) -> None:
    os.mkfifo(file.with_name("pipe"))
    for name in ("folder/pipe", "folder/nothing", "folder"):
        with pytest.raises(Stale), root.open(RelPath(name)):
            pass


def test_reading_leaves_the_access_time(root: Root, file: Path) -> None:
    os.utime(file, ns=(0, file.stat().st_mtime_ns))
    with root.open(A) as handle:
        handle.hash(types=ALL, stopped=never)
    assert file.stat().st_atime_ns == 0


def test_what_is_ours_is_not_opened_as_a_file(root: Root) -> None:
    with pytest.raises(ItemError, match="never synced"):
        root.open(RelPath(".syncd/root.json"))
