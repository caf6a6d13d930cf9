"""What the search index does not hold yet, or never will: queued with the proof, gone with the answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.journal import UNLINKED, marked, prove, rows, states
from syncd.core.archive import Archive, Original
from syncd.core.paths import RelPath
from syncd.errors import FatalError, Stale
from syncd.ports import Clock, DeadLetter, Queued, Totals
from syncd.store.archives import Archives
from syncd.store.database import Database

MakeArchive = Callable[..., Archive]
MakeOriginals = Callable[..., list[Original]]
Crash = Callable[[], Path]


@pytest.fixture
def queued(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> Archives:
    """Three archives that wait for the index, and one that does not."""
    for number in range(4):
        store.seal(archive(f"u{number}", bucket=f"b{number % 2}"), originals("a", "b"))
        prove(store, f"u{number}", index=number != 2)
    return store


def due(store: Archives, now: float, limit: int = 99) -> list[str]:
    return [waiting.archive.uuid for waiting in store.due(now, limit=limit)]


def test_a_proven_archive_is_due_at_once_oldest_first_whatever_the_clock_says(queued: Archives) -> None:
    assert due(queued, 0.0) == ["u0", "u1", "u3"]
    assert due(queued, 0.0, limit=2) == ["u0", "u1"]
    first = queued.get("u0")
    assert first is not None
    assert queued.due(1e12, limit=1) == [Queued(archive=first, attempts=0, due_at=0.0, error="")]


def test_a_postponed_archive_waits_for_its_time_and_counts_its_attempts(queued: Archives) -> None:
    first = queued.get("u0")
    assert first is not None
    queued.postpone("u0", until=100.0, error="no answer")
    queued.postpone("u0", until=200.5, error="503 of 'bro\udcffken'")
    assert due(queued, 200.0) == ["u1", "u3"]
    assert due(queued, 200.5) == ["u0", "u1", "u3"]
    assert queued.due(200.5, limit=1) == [
        Queued(archive=first, attempts=2, due_at=200.5, error="503 of 'bro\\udcffken'")
    ]


def test_postponing_what_does_not_wait_is_no_error(queued: Archives) -> None:
    for uuid in ("u2", "nobody"):
        queued.postpone(uuid, until=100.0, error="x")
    assert due(queued, 1e12) == ["u0", "u1", "u3"]


def test_an_indexed_archive_waits_no_longer(queued: Archives) -> None:
    queued.indexed("u1", [])
    queued.indexed("u1", [])
    queued.indexed("u2", [])  # it never waited: indexed again from its manifest
    assert due(queued, 1e12) == ["u0", "u3"]
    assert queued.totals() == Totals(archives=4, files=8, bytes=800, queued=2)


def test_the_originals_go_whatever_the_index_does(queued: Archives) -> None:
    queued.mark("u0", marked(list(queued.originals("u0")), UNLINKED))
    assert due(queued, 0.0) == ["u0", "u1", "u3"]
    queued.indexed("u0", [DeadLetter(path=RelPath("a"), reason="r")])
    assert states(queued, "u0") == [("a", UNLINKED), ("b", UNLINKED)]


def test_documents_refused_for_good_are_dead_letters_newest_first(queued: Archives, clock: Clock) -> None:
    queued.indexed("u0", [DeadLetter(path=RelPath("a"), reason="mapping", at=50.0)])
    clock.seconds = 90.0  # type: ignore[attr-defined]
    queued.indexed("u1", [DeadLetter(path=RelPath("ü\nb"), reason="bro\udcffken", archive_key="?", bucket="?")])
    letters = [
        DeadLetter(path=RelPath("ü\nb"), reason="bro\\udcffken", archive_key="h1/u1.tar", bucket="b1", at=90.0),
        DeadLetter(path=RelPath("a"), reason="mapping", archive_key="h1/u0.tar", bucket="b0", at=50.0),
    ]
    assert queued.dead_letters(limit=99) == letters
    assert queued.dead_letters(limit=1) == letters[:1]
    assert queued.totals() == Totals(archives=4, files=8, bytes=800, queued=1, dead=2)


def test_indexing_again_replaces_the_dead_letters_of_that_archive_alone(queued: Archives) -> None:
    queued.indexed("u0", [DeadLetter(path=RelPath(path), reason="old", at=1.0) for path in "ab"])
    queued.indexed("u1", [DeadLetter(path=RelPath("a"), reason="other", at=2.0)])
    queued.indexed("u0", [DeadLetter(path=RelPath("b"), reason="new", at=3.0)])
    assert [(letter.path, letter.reason) for letter in queued.dead_letters(limit=9)] == [("b", "new"), ("a", "other")]
    queued.indexed("u0", [])
    assert [letter.reason for letter in queued.dead_letters(limit=9)] == ["other"]


def test_one_document_told_dead_twice_is_one_letter(queued: Archives) -> None:
    queued.indexed("u0", [DeadLetter(path=RelPath("a"), reason=reason, at=1.0) for reason in ("first", "last")])
    assert [letter.reason for letter in queued.dead_letters(limit=9)] == ["last"]


def test_nothing_is_indexed_before_it_is_proven(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a"))
    for uuid in ("u1", "nobody"):
        with pytest.raises(Stale):
            store.indexed(uuid, [DeadLetter(path=RelPath("a"), reason="r")])
    assert store.dead_letters(limit=9) == []


def test_batches_wait_apart(
    database: Database, queued: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    other = database.archives("other")
    other.seal(archive("o1"), originals("a"))
    prove(other, "o1", index=True)
    assert due(other, 0.0) == ["o1"]
    other.postpone("u0", until=1e9, error="x")
    queued.postpone("o1", until=1e9, error="x")
    assert due(other, 0.0) == ["o1"]
    with pytest.raises(Stale):
        other.indexed("u0", [])
    other.indexed("o1", [DeadLetter(path=RelPath("a"), reason="mine")])
    assert due(queued, 0.0) == ["u0", "u1", "u3"]
    assert queued.dead_letters(limit=9) == []
    assert [letter.reason for letter in other.dead_letters(limit=9)] == ["mine"]
    assert other.totals() == Totals(archives=1, files=1, bytes=100, dead=1)


def test_what_waits_survives_a_crash(queued: Archives, clock: Clock, crash: Crash) -> None:
    def left() -> tuple[list[Queued], list[DeadLetter], Totals]:
        with Database.open(crash(), clock=clock) as database:
            store = database.archives("small files")
            return store.due(1e12, limit=9), store.dead_letters(limit=9), store.totals()

    def now() -> tuple[list[Queued], list[DeadLetter], Totals]:
        return queued.due(1e12, limit=9), queued.dead_letters(limit=9), queued.totals()

    assert left() == now()
    queued.postpone("u1", until=100.0, error="down")
    assert left() == now()
    queued.indexed("u0", [DeadLetter(path=RelPath("a"), reason="r", at=3.0)])
    assert left() == now()


def test_a_dead_letter_that_cannot_be_written_leaves_the_archive_waiting(queued: Archives, path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        queued.indexed("u0", [DeadLetter(path=RelPath("a"), reason="r"), DeadLetter(path=RelPath("\ud800"), reason="")])
    assert due(queued, 0.0) == ["u0", "u1", "u3"]
    assert rows(path)["dead_letter"] == 0


def test_after_close_the_queue_is_a_fatal_error(path: Path, clock: Clock) -> None:
    database = Database.open(path, clock=clock)
    store = database.archives("small files")
    database.close()
    for ask in (
        lambda: store.due(0.0, limit=1),
        lambda: store.postpone("u1", until=1.0, error=""),
        lambda: store.indexed("u1", []),
        lambda: store.dead_letters(limit=1),
    ):
        with pytest.raises(FatalError, match="closed"):
            ask()
