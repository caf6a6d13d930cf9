"""What a person may type to name archived files."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.archive.patterns import BadPattern, Pattern, parse_pattern

ROOTS = [Path("/srv/batch"), Path("/data/small")]


def glob_of(typed: str) -> str:
    return parse_pattern(typed, roots=ROOTS).glob


@pytest.mark.parametrize(
    ("typed", "glob"),
    [
        ("lab/run-1/a.log", "lab/run-1/a.log"),
        ("s3://lab/run-1/a.log", "lab/run-1/a.log"),
        ("/srv/batch/lab/run-1/a.log", "lab/run-1/a.log"),
        ("/data/small/lab/*.log", "lab/*.log"),
        ("/srv/batch", "*"),
        ("lab/run-1/", "lab/run-1/*"),
        ("a.log", "a.log"),
        ("*", "*"),
    ],
)
def test_every_way_to_name_a_file_is_one_glob(typed: str, glob: str) -> None:
    assert glob_of(typed) == glob


@pytest.mark.parametrize("typed", ["", "s3://", "///", "/etc/passwd", "lab/\udc80"])
def test_what_can_name_nothing_is_refused(typed: str) -> None:
    with pytest.raises(BadPattern):
        glob_of(typed)


@pytest.mark.parametrize(
    ("glob", "bucket", "folder"),
    [
        ("lab/run-1/a.log", "lab", "run-1/"),
        ("lab/run-1/*.log", "lab", "run-1/"),
        ("lab/run-*", "lab", ""),
        ("lab/a/b/c?", "lab", "a/b/"),
        ("la*/run-1/a", None, ""),
        ("a.log", None, ""),
        ("*/a.log", None, ""),
    ],
)
def test_where_to_look_follows_from_what_is_certain(glob: str, bucket: str | None, folder: str) -> None:
    pattern = Pattern(typed=glob, glob=glob)
    assert (pattern.bucket, pattern.folder) == (bucket, folder)


@pytest.mark.parametrize(
    ("glob", "name", "meant"),
    [
        ("lab/*.log", "lab/run-1/deep/a.log", True),
        ("lab/*.log", "lab/a.gz", False),
        ("a?.log", "lab/run-1/ab.log", True),
        ("a?.log", "lab/run-1/xab.log", False),
        ("lab/[ab].log", "lab/b.log", True),
        ("lab/[^ab].log", "lab/b.log", False),
        ("lab/a[1].log", "lab/a[1].log", True),
        ("a[1].log", "lab/run/a[1].log", True),
        ("lab/[a", "lab/[a", True),
        ("lab/a\n*", "lab/a\nb", True),
    ],
)
def test_a_glob_matches_as_in_a_shell_but_for_slashes(glob: str, name: str, meant: bool) -> None:
    assert Pattern(typed=glob, glob=glob).matcher()(name) is meant


CHARACTERS = "ab-]^[*?/\\&|é"


@given(st.text(CHARACTERS, min_size=1, max_size=8), st.text("ab-]^[*/\\&|é", max_size=6))
def test_the_matcher_agrees_with_the_database(glob: str, key: str) -> None:
    glob, name = f"lab/{glob}", f"lab/{key}"
    with sqlite3.connect(":memory:") as database:
        (told,) = database.execute("SELECT ? GLOB ?", (name, glob)).fetchone()
    database.close()
    assert Pattern(typed=glob, glob=glob).matcher()(name) is (bool(told) or name == glob)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    glob = "lab/" + "*a" * 200
    assert not Pattern(typed=glob, glob=glob).matcher()("lab/" + "a" * 199)
