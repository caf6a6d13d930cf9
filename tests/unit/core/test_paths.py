"""Names: what can be a path, and the conflict name beside any of them."""

from __future__ import annotations

import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncd.core.paths import (
    MAX_COMPONENT,
    MAX_KEY,
    RelPath,
    Unrepresentable,
    base_name,
    conflict_name,
    is_ours,
    order,
    original_name,
    parse_relpath,
)

DIGEST = "0123456789abcdef" * 4
MARK = ".conflict-0123456789ab"

_letters = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]) | st.sampled_from(".-cé🦀"), min_size=1
)
_names = _letters.filter(lambda name: name not in {".", ".."} and len(name.encode()) <= MAX_COMPONENT)
_tricky = st.sampled_from(
    ["a.log.gz", ".bashrc", "a.", "..a", "...", "a.conflict-x", f"a{MARK}", f"a{MARK}.gz", f"{MARK}", f"a.{'é' * 120}"]
)
_long = st.builds(lambda stem, n, ext: (stem * n)[:120] + ext, st.sampled_from("aé🦀"), st.integers(1, 200), _tricky)
_component = (_names | _tricky | _long).filter(lambda name: len(name.encode()) <= MAX_COMPONENT)
_paths = (
    st.lists(_component, min_size=1, max_size=12)
    .map("/".join)
    .filter(lambda text: len(text.encode()) <= MAX_KEY)
    .map(parse_relpath)
)
_digests = st.text("0123456789abcdef", min_size=32, max_size=64)


@pytest.mark.parametrize("text", ["a", "d/a", "d/é/🦀", ".a", "...", " ", "a\nb", "-", "~", "a" * 255, "é" * 127])
def test_a_name_that_a_file_can_have_is_a_path(text: str) -> None:
    assert parse_relpath(text) == text


@pytest.mark.parametrize(
    "text", ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b", "\udcff", "a" * 256, "é" * 128, "🦀" * 64]
)
def test_a_name_that_no_file_can_have_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(Unrepresentable) as caught:
        parse_relpath(text)
    assert caught.value.reason
    assert caught.value.name == text


def test_a_key_ends_at_1024_bytes() -> None:
    longest = "/".join(["a" * 255] * 4) + "/"
    assert len(parse_relpath(longest[:-1])) == MAX_KEY - 1
    with pytest.raises(Unrepresentable, match="1025"):
        parse_relpath(longest + "b")


def test_our_own_folder_is_ours_at_any_depth_and_nothing_else_is() -> None:
    assert all(map(is_ours, [".syncd", ".syncd/tmp/x", "a/.syncd", "a/.syncd/b"]))
    assert not any(map(is_ours, ["syncd", ".syncd2", "a.syncd", ".syncd-old/x", "a/x.syncd/b"]))


@given(st.lists(_paths, max_size=20))
def test_paths_compare_as_their_bytes_do(paths: list[RelPath]) -> None:
    """The merge compares text, S3 lists by bytes, the database sorts blobs: all three orders are one."""
    assert sorted(paths) == sorted(paths, key=order)


# --- conflict names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("a.log", f"a{MARK}.log"),
        ("d/a.log.gz", f"d/a.log{MARK}.gz"),
        ("Makefile", f"Makefile{MARK}"),
        (".bashrc", f".bashrc{MARK}"),
        ("a.", f"a{MARK}."),
        ("a.conflict-x", f"a{MARK}.conflict-x"),
        ("a.conflict-ffffffffffff.gz", f"a.conflict-ffffffffffff{MARK}.gz"),
        ("a.conflict-ffffffffffff", f"a.conflict-ffffffffffff{MARK}"),
        ("x." + "e" * 200, "x." + "e" * 200 + MARK),  # nobody's extension
    ],
)
def test_a_conflict_name_marks_the_stem_and_keeps_the_extension(path: str, named: str) -> None:
    assert conflict_name(RelPath(path), DIGEST) == named
    assert original_name(named) == path


@given(_paths, _digests)
def test_every_path_has_a_conflict_name_that_is_a_path(path: RelPath, digest: str) -> None:
    named = conflict_name(path, digest)
    assert parse_relpath(named) == named
    assert named == conflict_name(path, digest)
    assert named != path
    assert original_name(named) != named
    assert f".conflict-{digest[:12]}" in base_name(named)


@given(_paths, _digests)
def test_the_original_is_found_wherever_nothing_had_to_be_cut(path: RelPath, digest: str) -> None:
    assume(len(base_name(path).encode()) + len(MARK) <= MAX_COMPONENT and len(path.encode()) + len(MARK) <= MAX_KEY)
    assert original_name(conflict_name(path, digest)) == path


@given(_paths, _digests, _digests)
def test_other_content_has_another_conflict_name(path: RelPath, one: str, two: str) -> None:
    assume(one[:12] != two[:12])
    assert conflict_name(path, one) != conflict_name(path, two)


@pytest.mark.parametrize("letter", ["a", "é", "€", "🦀"])
def test_a_long_stem_is_cut_at_a_character(letter: str) -> None:
    stem = (letter * 255).encode()[:252].decode()
    named = conflict_name(RelPath(f"{stem}.gz"), DIGEST)
    assert len(named.encode()) <= MAX_COMPONENT
    assert len(named.encode()) > MAX_COMPONENT - len(letter.encode())
    assert named.endswith(f"{MARK}.gz")
    assert stem.startswith(named.removesuffix(f"{MARK}.gz"))


def test_a_conflict_name_that_no_key_can_hold_stands_in_a_folder_above() -> None:
    folder = "/".join(["a" * 255, "b" * 255, "c" * 255, "d" * 250])
    path = parse_relpath(f"{folder}/x.gz")
    named = conflict_name(path, DIGEST)
    assert named == f"{folder.rpartition('/')[0]}/x{MARK}.gz"


def test_a_key_with_little_room_loses_some_of_its_stem_first() -> None:
    folder = "/".join(["a" * 255, "b" * 255, "c" * 255, "d" * 200])
    named = conflict_name(parse_relpath(f"{folder}/{'s' * 40}.gz"), DIGEST)
    assert len(named) == MAX_KEY
    assert named == f"{folder}/{'s' * 30}{MARK}.gz"


@pytest.mark.parametrize("depth", range(1000, MAX_KEY + 1))
def test_no_length_of_a_path_is_too_long_for_a_conflict_name(depth: int) -> None:
    whole = ("d" * 250 + "/") * 4
    text = whole[: depth - 2].rstrip("/") + "/x"
    assert len(conflict_name(parse_relpath(text), DIGEST)) <= MAX_KEY


@pytest.mark.parametrize(
    "name",
    [
        "a.log",
        MARK,  # nothing stands before the mark
        "a.conflict-",
        "a.conflict-0123",
        "a.conflict-0123456789AB",
        "a.conflict-0123456789ab0.gz",
        f"d{MARK}/a.gz",  # a folder of that name is no conflict copy
        f"a{MARK}.tar.gz",  # ours keep one extension
    ],
)
def test_a_name_without_our_mark_is_its_own_original(name: str) -> None:
    assert original_name(name) == name
    assert original_name(name) == name


def test_a_conflict_name_can_be_a_file(tmp_path: os.PathLike[str]) -> None:
    named = conflict_name(RelPath("🦀" * 63), DIGEST)
    with open(os.path.join(tmp_path, named), "w", encoding="utf-8"):
        pass
    assert os.listdir(tmp_path) == [named]
