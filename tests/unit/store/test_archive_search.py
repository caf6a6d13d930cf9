"""Finding what was archived: proven members by globs, archives by prefixes, in order and page by page."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.journal import KEPT, TOLD, UNLINKED, paths, prove
from syncd.core.archive import Archive, Found, Original
from syncd.core.model import ETag
from syncd.core.paths import RelPath
from syncd.ports import Clock
from syncd.store.archives import SELECT_REMNANTS, Archives
from syncd.store.connection import Readers
from syncd.store.database import Database

MakeArchive = Callable[..., Archive]
MakeOriginals = Callable[..., list[Original]]


def names(found: list[Found]) -> list[str]:
    return [f"{one.bucket}/{one.member.path}" for one in found]


def find(store: Archives, pattern: str, limit: int = 10_000) -> list[str]:
    return names(list(store.find(pattern, limit=limit)))


@pytest.fixture
def filled(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> Archives:
    """Some names in three buckets, all proven."""
    for uuid, bucket, folder in (
        ("u1", "logs", ("a.log", "b.log", "B.log", "h1/a.log", "h1/sub/a.log.gz", "h1/[x].log", "h1/x.log")),
        ("u2", "logs-old", ("a.log", "é.log")),
        ("u3", "media", ("line\nbreak.jpg", "h1/*.jpg", "h1/?.jpg", "h1/z.jpg")),
    ):
        store.seal(archive(uuid, bucket=bucket), originals(*folder))
        prove(store, uuid)
    return store


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("logs/a.log", ["logs/a.log"]),
        ("a.log", ["logs-old/a.log", "logs/a.log", "logs/h1/a.log"]),
        ("?.log", [
            "logs-old/a.log", "logs-old/é.log", "logs/B.log", "logs/a.log", "logs/b.log", "logs/h1/a.log",
            "logs/h1/x.log",
        ]),
        ("logs/?.log", ["logs/B.log", "logs/a.log", "logs/b.log"]),
        ("logs/*.log.gz", ["logs/h1/sub/a.log.gz"]),  # a star crosses slashes
        ("*/a.log", ["logs-old/a.log", "logs/a.log", "logs/h1/a.log"]),
        ("log*/h1/x*", ["logs/h1/x.log"]),
        ("[l-m]*/[^a-z]?log", ["logs-old/é.log", "logs/B.log"]),
        ("[B].log", ["logs/B.log"]),
        ("h1*", []),  # no base name begins so
        ("logs/h1/[x].log", ["logs/h1/[x].log", "logs/h1/x.log"]),  # exactly that name, too
        ("[x].log", ["logs/h1/[x].log", "logs/h1/x.log"]),
        ("[[]x].log", ["logs/h1/[x].log"]),
        ("media/h1/?.jpg", ["media/h1/*.jpg", "media/h1/?.jpg", "media/h1/z.jpg"]),
        ("media/h1/[*].jpg", ["media/h1/*.jpg"]),
        ("[?].jpg", ["media/h1/?.jpg"]),
        ("*\n*", ["media/line\nbreak.jpg"]),
        ("media/*e", []),
        ("logs", []),
        ("logs/", []),
        ("/logs/a.log", []),
        ("", []),
        ("[", []),
        ("nowhere/*", []),
    ],
)  # fmt: skip
def test_names_are_found_by_globs(filled: Archives, pattern: str, expected: list[str]) -> None:
    assert find(filled, pattern) == expected


@pytest.mark.parametrize("pattern", ["a.log\0", "logs/*\0", "bro\udcffken", "*" * 60_000, "a/" + "x" * 60_000])
def test_a_pattern_that_no_name_can_match_finds_nothing(filled: Archives, pattern: str) -> None:
    assert find(filled, pattern) == []
    assert list(filled.archives(pattern, limit=9)) == []


def test_what_is_found_is_told_whole(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    (member,) = originals("h1/ü\n")
    sealed = archive(created_at=77.5)
    store.seal(sealed, [member])
    prove(store, etag=ETag("e9"))
    assert list(store.find("logs/*", limit=9)) == [
        Found(bucket="logs", archive_key=sealed.key, member=member.member, archived_at=77.5, host="", etag=ETag("e9"))
    ]


def test_only_proven_members_that_are_not_void_are_found_kept_ones_too(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive("u1"), originals("a", "b", "c", void=("b",)))
    assert find(store, "*") == []
    assert list(store.archives("", limit=9)) == []
    prove(store, "u1")
    assert find(store, "*") == ["logs/a", "logs/c"]
    store.mark("u1", [(RelPath("a"), UNLINKED)])
    store.mark("u1", [(RelPath("c"), KEPT)])
    assert find(store, "*") == ["logs/a", "logs/c"]
    store.seal(archive("u2"), originals("d"))
    store.drop("u2")
    assert find(store, "*") == ["logs/a", "logs/c"]


def test_a_name_archived_again_is_told_newest_first_even_if_the_clock_went_back(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    for number in range(4):
        store.seal(archive(f"u{number}", created_at=100.0 - number), originals("a", "b", inode=number * 10))
        prove(store, f"u{number}")
        store.mark(f"u{number}", [(RelPath("a"), UNLINKED), (RelPath("b"), UNLINKED)])
    found = [(one.member.path, one.archive_key) for one in store.find("*", limit=99)]
    assert found == [(path, f"h1/u{number}.tar") for path in "ab" for number in (3, 2, 1, 0)]
    assert [one.archive_key for one in store.find("b", limit=1)] == ["h1/u3.tar"]


def test_finding_goes_on_over_pages_and_within_one_name(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    crowd = originals(*(f"h1/{number:04}" for number in range(2500)))
    store.seal(archive("u0"), crowd)
    prove(store, "u0")
    for number in range(1, 1502):  # one name in more archives than a page has rows
        store.seal(archive(f"u{number}"), originals("h1/0999"))
        prove(store, f"u{number}")
    found = list(store.find("logs/*", limit=10_000))
    expected = [(path, ["u0"]) for path in paths(crowd)]
    expected[999] = (RelPath("h1/0999"), [f"u{number}" for number in range(1501, -1, -1)])
    assert [(one.member.path, one.archive_key) for one in found] == [
        (path, f"h1/{uuid}.tar") for path, uuids in expected for uuid in uuids
    ]
    assert find(store, "*/2499") == find(store, "2499") == ["logs/h1/2499"]
    assert find(store, "logs/h1/24*", limit=3) == ["logs/h1/2400", "logs/h1/2401", "logs/h1/2402"]
    assert find(store, "*", limit=0) == []


def test_no_transaction_is_kept_open_between_two_answers(
    store: Archives, path: Path, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals(*(f"h1/{number:04}" for number in range(1500))))
    prove(store)
    begun = [store.find("*", limit=9999), store.originals("u1"), store.archives("", limit=9)]
    for answers in begun:
        next(iter(answers))
    store.mark("u1", [(RelPath("h1/0000"), UNLINKED)])
    connection = sqlite3.connect(path, isolation_level=None)
    assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)  # nobody holds it up
    connection.close()
    assert sum(1 for _ in begun[0]) == 1499


def test_archives_are_found_by_the_beginning_of_their_name_newest_first(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    for number, (bucket, key) in enumerate(
        [("logs", "h1/u0.tar"), ("logs-old", "h1/u1.tar"), ("logs", "h2/ü/u2.tar"), ("logs", "u3.tar")]
    ):
        store.seal(archive(f"u{number}", bucket=bucket, key=RelPath(key), created_at=-number), originals(f"{number}"))
        prove(store, f"u{number}")
    store.seal(archive("u4"), originals("4"))

    def found(prefix: str, limit: int = 99) -> list[str]:
        return [one.uuid for one in store.archives(prefix, limit=limit)]

    assert found("") == ["u3", "u2", "u1", "u0"]
    assert found("logs") == ["u3", "u2", "u1", "u0"]
    assert found("logs/") == ["u3", "u2", "u0"]
    assert found("logs/h") == ["u2", "u0"]
    assert found("logs/h2/ü/") == ["u2"]
    assert found("logs/h2/u") == []
    assert found("*") == []
    assert found("logs", limit=2) == ["u3", "u2"]
    assert list(store.archives("logs/u3", limit=9)) == [store.get("u3")]


def test_every_way_of_narrowing_finds_what_looking_at_each_name_finds(
    tmp_path: Path, clock: Clock, archive: MakeArchive, originals: MakeOriginals
) -> None:
    parts = st.text("ab-[]*?^é", min_size=1, max_size=3)
    trees = st.dictionaries(st.sampled_from(["a", "a-b", "b"]), st.sets(
        st.lists(parts, min_size=1, max_size=3).map("/".join), min_size=1, max_size=8
    ), min_size=1)  # fmt: skip
    patterns = st.text("ab-[]*?^é/", max_size=6)
    plain = sqlite3.connect(":memory:")
    seeds = iter(range(10_000))

    def matches(name: str, pattern: str) -> bool:
        subject = name if "/" in pattern else name.rpartition("/")[2]
        return subject == pattern or plain.execute("SELECT ? GLOB ?", (subject, pattern)).fetchone() == (1,)

    with Database.open(tmp_path / "searched.db", clock=clock) as database:

        @settings(max_examples=60, deadline=None)
        @given(tree=trees, asked=st.lists(patterns, min_size=1, max_size=20))
        def holds(tree: dict[str, set[str]], asked: list[str]) -> None:
            seed = next(seeds)
            store = database.archives(f"batch-{seed}")
            for bucket, members in tree.items():
                store.seal(archive(f"{seed}-{bucket}", bucket=bucket), originals(*members))
                prove(store, f"{seed}-{bucket}")
            whole = sorted((f"{bucket}/{name}" for bucket, members in tree.items() for name in members), key=str.encode)
            for pattern in asked:
                assert find(store, pattern) == [name for name in whole if matches(name, pattern)]

        holds()
    plain.close()


# --- by which way it is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda store: list(store.find("logs/h1/*", limit=9)), "member_name"),
        (lambda store: list(store.find("*.log", limit=9)), "member_name"),
        (lambda store: list(store.find("a.log", limit=9)), "member_name"),
        (lambda store: store.busy("logs"), "member_open"),
        (lambda store: store.unfinished("logs"), "archive_unfinished"),
        (lambda store: list(store.originals("u1")), "PRIMARY KEY"),
        (lambda store: list(store.archives("logs/", limit=9)), "INTEGER PRIMARY KEY"),
        (lambda store: store.due(1e12, limit=9), "PRIMARY KEY"),
        (lambda store: store.dead_letters(limit=9), "dead_letter_at"),
        (lambda store: store.get("u1"), "sqlite_autoindex_archive_1"),
    ],
)
def test_every_question_is_answered_by_an_index_without_sorting(
    path: Path,
    filled: Archives,
    ask: Callable[[Archives], object],
    index: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []
    answer = Readers.rows

    def listening(self: Readers, sql: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        asked.append((sql, parameters))
        return answer(self, sql, parameters)

    monkeypatch.setattr(Readers, "rows", listening)
    ask(filled)
    monkeypatch.undo()
    readers = Readers(path)
    plans = [[row[3] for row in readers.rows(f"EXPLAIN QUERY PLAN {sql}", parameters)] for sql, parameters in asked]
    readers.close()
    assert any(f"INDEX {index}" in step or f"USING {index}" in step for step in plans[-1]), plans
    steps = [step for plan in plans for step in plan]
    assert not [step for step in steps if "TEMP B-TREE" in step or step.startswith("SCAN member")], steps


def test_what_a_crash_left_is_looked_for_among_the_unfinished_alone(path: Path, filled: Archives) -> None:
    readers = Readers(path)
    ((*_, plan),) = readers.rows(f"EXPLAIN QUERY PLAN {SELECT_REMNANTS}")
    readers.close()
    assert "archive_unfinished" in plan


def test_history_tells_archives_under_the_batchs_name(
    database: Database, store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    for uuid in ("u1", "u2"):
        store.seal(archive(uuid), originals(uuid))
        prove(store, uuid, history=TOLD)
    assert [(row.pair, row.operation, row.path) for row in database.history.query(pair="small files")] == [
        ("small files", "archive", "logs/h1/u1.tar")
    ] * 2
