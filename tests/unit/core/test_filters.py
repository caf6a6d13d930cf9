"""Filters: globs as gitignore reads them, over whole paths."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.filters import BadGlob, Filter, check_glob

MATCHES = [
    ("*.gz", ["a.gz", "x/y/a.gz", ".gz", "x/.gz"], ["a.gzip", "a.GZ", "a.gz/b"]),
    ("access.log", ["access.log", "d/access.log"], ["xaccess.log", "access.log/x"]),
    ("a?c", ["abc", "d/abc"], ["ac", "a/c", "abbc"]),
    ("[0-9]*.log", ["1.log", "d/12.log"], ["x1.log"]),
    ("[!0-9].log", ["x.log", "d/-.log"], ["1.log", "/.log"]),
    ("[^a].x", ["b.x"], ["a.x"]),
    ("[]x]", ["]", "x"], ["y"]),
    ("[ab-]", ["a", "-"], ["c"]),
    ("[!!]x", ["ax"], ["!x"]),
    ("[&|~]x", ["&x", "|x", "~x"], ["x"]),
    ("d/*.gz", ["d/a.gz"], ["a.gz", "x/d/a.gz", "d/e/a.gz"]),
    ("/top.log", ["top.log"], ["d/top.log"]),
    ("d/**", ["d/a", "d/e/f"], ["d", "x/d/a"]),
    ("**/d/a", ["d/a", "x/d/a", "x/y/d/a"], ["xd/a"]),
    ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "c/a/b"]),
    ("a/*/b", ["a/x/b"], ["a/b", "a/x/y/b"]),
    ("tmp/", ["tmp/a", "x/tmp/a/b"], ["tmp", "xtmp/a"]),
    ("x/tmp/", ["x/tmp/a", "x/tmp/a/b"], ["y/x/tmp/a", "x/tmp"]),
    ("**", ["a", "d/a"], []),
    (r"\*.gz", ["*.gz", "d/*.gz"], ["a.gz"]),
    (r"\[x", ["[x"], ["x"]),
    ("a.b", ["a.b"], ["aXb"]),
    ("*a*b", ["ab", "xaxb", "d/ab"], ["a/b", "ba"]),
    ("*", ["a", "d/a\nb"], []),
    ("é*", ["éa", "d/été"], ["e"]),
]


@pytest.mark.parametrize(("pattern", "yes", "no"), MATCHES, ids=[row[0] for row in MATCHES])
def test_a_pattern_takes_what_it_should_and_nothing_else(pattern: str, yes: list[str], no: list[str]) -> None:
    wanted = Filter([pattern])
    unwanted = Filter([], [pattern])
    for path in yes:
        assert wanted.wants(path), path
        assert not unwanted.wants(path), path
    for path in no:
        assert not wanted.wants(path), path
        assert unwanted.wants(path), path


def test_no_pattern_wants_everything() -> None:
    assert Filter().wants("any/thing.at-all")


def test_exclude_takes_away_from_include() -> None:
    chosen = Filter(["*.gz", "logs/*.txt"], ["debug-*", "old/"])
    assert chosen.wants("a.gz")
    assert chosen.wants("logs/a.txt")
    assert not chosen.wants("a.txt")
    assert not chosen.wants("d/debug-a.gz")
    assert not chosen.wants("old/a.gz")


def test_a_conflict_copy_shares_the_fate_of_its_original() -> None:
    chosen = Filter(["report.csv"])
    assert chosen.wants("report.conflict-0123456789ab.csv")
    assert not chosen.wants("report.conflict-xyz.csv")


@pytest.mark.parametrize(
    "pattern", ["", "a//b", "../x", "./x", "a/..", "[abc", "x[", "[z-a]", "!x", "end\\", "//", "/", "a\0b"]
)
def test_a_pattern_that_can_mean_nothing_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(BadGlob, match=r"\w+ \w+"):
        check_glob(pattern)
    with pytest.raises(BadGlob):
        Filter([pattern])


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 40 + "b", "a" * 255),
        ("**/" + "*a*/**/" * 20 + "b", "a/" * 500 + "c"),
        ("**/a/" * 20 + "b", "a/" * 500 + "c"),
        ("**/" * 50 + "b", "a/" * 500 + "c"),
    ],
)
@pytest.mark.timeout(5)
def test_no_pattern_takes_more_than_a_moment(pattern: str, path: str) -> None:
    assert not Filter([pattern]).wants(path)


components = st.sampled_from(["**", "*", "a", "b", "a*", "*b", "?"])


def by_definition(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether the components match, said as slowly and plainly as can be."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        least = 1 if len(pattern) == 1 else 0
        return any(by_definition(pattern[1:], path[taken:]) for taken in range(least, len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and by_definition(pattern[1:], path[1:])


@given(
    st.lists(components, min_size=2, max_size=6).map(tuple),
    st.lists(st.sampled_from(["a", "b", "ab", "ba"]), min_size=1, max_size=6).map(tuple),
)
def test_with_a_slash_it_is_the_definition_over_components(pattern: tuple[str, ...], path: tuple[str, ...]) -> None:
    assert Filter(["/".join(pattern)]).wants("/".join(path)) is by_definition(pattern, path)


names = st.text(alphabet="ab.-[]!^&~|\\*?", min_size=1, max_size=8)


@given(names, names)
def test_any_pattern_is_refused_or_compiles_without_a_warning(pattern: str, name: str) -> None:
    try:
        chosen = Filter([pattern])
    except BadGlob:
        return
    assert chosen.wants(name) in {True, False}


@given(st.text(alphabet="ab.*?", min_size=1, max_size=8), st.text(alphabet="ab.", min_size=1, max_size=8))
def test_without_a_slash_it_is_fnmatch_on_the_base_name(pattern: str, name: str) -> None:
    expected = re.fullmatch(fnmatch.translate(pattern), name) is not None
    if pattern not in {".", ".."}:
        assert Filter([pattern]).wants(name) is expected
        assert Filter([pattern]).wants(f"x/{name}") is expected
