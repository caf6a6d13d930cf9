"""A glob finds in the index what it finds in the journal, newest first. Both flavors, and the query by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import elastic_search
from support.elastic_stub import ElasticStub, RequestFault
from support.indexed import named, some
from syncd.errors import RemoteError, RemoteKind
from syncd.index.query import query
from syncd.ports import ArchiveIndex

ALL = ["phones/d/a.log", "phones/d/sub/c.log", *["photos/d/a.log"] * 2, "photos/d/b.txt", "photos/d/[x].log"]


def keys(sources: list[Mapping[str, Any]]) -> list[str]:
    return [f"{source['bucket']}/{source['key']}" for source in sources]


@pytest.fixture
def filled(index: ArchiveIndex) -> ArchiveIndex:
    """Three archives: the second holds d/a.log anew, the third lies in another bucket."""
    index.add(named("d/a.log", "d/b.txt", "d/[x].log", archive=1, created_at=1000.0))
    index.add(named("d/a.log", archive=2, created_at=2000.0))
    index.add(named("d/a.log", "d/sub/c.log", bucket="phones", archive=3, created_at=3000.0))
    return index


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("photos/d/a.log", ["photos/d/a.log", "photos/d/a.log"]),
        ("photos/*", ["photos/d/a.log", "photos/d/a.log", "photos/d/b.txt", "photos/d/[x].log"]),
        ("ph*/sub/*", ["phones/d/sub/c.log"]),  # the star crosses the slash between bucket and key
        ("photos?d?b.txt", []),  # no slash: a base name
        ("phot?s/d?b.txt", ["photos/d/b.txt"]),
        ("pho[nm]es/*.log", ["phones/d/a.log", "phones/d/sub/c.log"]),
        ("pho[n]os/d/b*", ["photos/d/b.txt"]),  # a set counts as any character: who asks has the last word
        ("a.log", ["phones/d/a.log", "photos/d/a.log", "photos/d/a.log"]),
        ("*.txt", ["photos/d/b.txt"]),
        ("photos/d/[x].log", ["photos/d/a.log", "photos/d/a.log", "photos/d/[x].log"]),  # written exactly so
        ("[x].*", ["phones/d/a.log", "phones/d/sub/c.log", "photos/d/a.log", "photos/d/a.log", "photos/d/b.txt"]),
        ("[x].log", ["phones/d/a.log", "phones/d/sub/c.log", *["photos/d/a.log"] * 2, "photos/d/[x].log"]),
        ("photos/d/[x", []),
        ("d/*", []),
        ("", []),
        ("*" * 3000, ALL),
        ("x" * 5000, []),
        ("\udcff/*", []),
    ],
)
def test_a_glob_finds_what_it_means(filled: ArchiveIndex, pattern: str, expected: list[str]) -> None:
    assert keys(filled.find(pattern, limit=100)) == expected


def test_the_limit_keeps_the_newest(filled: ArchiveIndex) -> None:
    assert [source["archived_at"] for source in filled.find("*/d/a.log", limit=2)] == [
        "1970-01-01T00:50:00Z",
        "1970-01-01T00:33:20Z",
    ]


def test_more_than_a_page_is_found_and_nothing_twice(index: ArchiveIndex, stub: ElasticStub) -> None:
    index.add(some(2500))
    found = keys(index.find("photos/d/*", limit=10_000))
    assert len(found) == len(set(found)) == 2500


def test_where_there_is_no_index_nothing_is_found(index: ArchiveIndex) -> None:
    assert index.find("*", limit=10) == []


def test_a_server_that_repeats_itself_ends_the_search(filled: ArchiveIndex, stub: ElasticStub) -> None:
    hit = {"_source": {"bucket": "b", "key": "k", "name": "k"}, "sort": [1, 2, 3]}
    stub.fail(RequestFault(answer=(200, {"hits": {"hits": [hit] * 1000}})))
    assert len(filled.find("b/*", limit=5000)) == 2000
    assert len(stub.seen) < 10


@pytest.mark.parametrize("answer", [{}, {"hits": []}, {"hits": {"hits": [{}]}}, {"hits": {"hits": [{"_source": {}}]}}])
def test_an_answer_that_makes_no_sense_is_a_failure(index: ArchiveIndex, stub: ElasticStub, answer: object) -> None:
    stub.fail(RequestFault(answer=(200, answer)))
    with pytest.raises(RemoteError) as caught:
        index.find("*", limit=5)
    assert caught.value.kind is RemoteKind.UNAVAILABLE


# --- the query by itself --------------------------------------------------------------------------------------------

PATTERNS = st.text("ab/*?[]^!-\\", min_size=1, max_size=12)
NAMES = st.text("ab[]*?!^-\\", min_size=1, max_size=6)
JOURNAL = sqlite3.connect(":memory:", check_same_thread=False)


@given(PATTERNS, NAMES, st.lists(NAMES, min_size=1, max_size=3).map("/".join))
def test_the_query_finds_what_the_journal_does_and_more_only_where_there_is_a_set(
    pattern: str, bucket: str, key: str
) -> None:
    source = {"bucket": bucket, "key": key, "name": key.rpartition("/")[2]}
    name = f"{bucket}/{key}" if "/" in pattern else source["name"]
    (expected,) = JOURNAL.execute("SELECT ? GLOB ? OR ? = ?", (name, pattern, name, pattern)).fetchone()
    found = elastic_search.matches(query(pattern), source)
    assert found is bool(expected) or (found and "[" in pattern)
