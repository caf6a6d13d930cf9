"""The journal of a batch: whole or not at all, and no original let go before its archive is proven."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from support.journal import KEPT, SEALED, TOLD, UNLINKED, UNLINKING, in_state, marked, paths, prove, rows, states
from syncd.core.archive import Archive, ArchiveState, MemberState, Original
from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.core.paths import RelPath
from syncd.errors import FatalError, Stale
from syncd.ports import ArchiveStore, Clock, Totals
from syncd.store.archives import SLICE, Archives
from syncd.store.database import Database
from syncd.store.members import delete_members
from syncd.store.pairs import RecordSetIdentity

MakeArchive = Callable[..., Archive]
MakeOriginals = Callable[..., list[Original]]


def many(originals: MakeOriginals, count: int = 2 * SLICE + 10) -> list[Original]:
    return originals(*(f"h1/{number:06}" for number in range(count)))


def test_it_is_an_archive_store(store: Archives) -> None:
    port: ArchiveStore = store
    assert port.totals() == Totals()


# --- seal ---------------------------------------------------------------------------------------------------


def test_what_was_sealed_comes_back_whole_after_a_restart(
    path: Path, clock: Clock, archive: MakeArchive, originals: MakeOriginals
) -> None:
    members = originals("h1/a", "h1/line\nbreak", "h1/ünï", "h1/" + "x" * 255, void=("h1/ünï",))
    wide = LocalStat(2**40, -(2**70), 2**70, 2**64 - 1)
    members[0] = replace(members[0], stat=wide, member=replace(members[0].member, mtime_ns=2**70, size=0))
    sealed = archive(spooled=False, files=3, bytes=200, manifest_offset=2**40)
    with Database.open(path, clock=clock) as database:
        database.archives("small files").seal(sealed, members)
    with Database.open(path, clock=clock) as database:
        store = database.archives("small files")
        assert store.get("u1") == sealed
        assert list(store.originals("u1")) == members
        assert store.unfinished("logs") == [sealed]


def test_an_archive_is_sealed_and_counts_its_members_whatever_it_says_of_itself(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(state=ArchiveState.DONE, files=77, bytes=1), originals("a", "b", "c", void=("b",)))
    assert store.get("u1") == archive(state=ArchiveState.SEALED, files=2, bytes=200)


def test_members_are_told_in_the_order_of_the_archive(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("b", "a/c", "a"))
    assert paths(list(store.originals("u1"))) == ["b", "a/c", "a"]


def test_an_archive_without_members_is_one_all_the_same(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), [])
    assert store.unfinished("logs") == [archive()]
    assert list(store.originals("u1")) == []


def test_a_uuid_is_journaled_once(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    store.seal(archive(), originals("a"))
    with pytest.raises(ValueError, match="journaled already"):
        store.seal(archive(bucket="other"), originals("b"))
    assert states(store) == [("a", SEALED)]
    assert store.unfinished("other") == []


def test_a_path_is_in_an_archive_once(
    store: Archives, archive: MakeArchive, originals: MakeOriginals, path: Path
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        store.seal(archive(), originals("a", "a"))
    assert rows(path)["archive"] == 0


def test_nobody_knows_an_archive_that_was_never_sealed(store: Archives) -> None:
    assert store.get("nobody") is None
    assert list(store.originals("nobody")) == []
    assert store.unfinished("nowhere") == []
    assert store.busy("nowhere") == {}


# --- unfinished and busy -------------------------------------------------------------------------------------


def test_unfinished_archives_are_those_of_the_bucket_oldest_first_even_if_the_clock_went_back(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    for number, bucket in enumerate(["logs", "other", "logs", "logs", "logs"]):
        store.seal(archive(f"u{number}", bucket=bucket, created_at=100.0 - number), originals(f"h1/{number}"))
    prove(store, "u2")
    prove(store, "u3")
    store.mark("u3", [(RelPath("h1/3"), UNLINKED)])
    store.drop("u4")
    assert [(found.uuid, found.state.value) for found in store.unfinished("logs")] == [
        ("u0", "sealed"),
        ("u2", "unlinking"),
    ]
    assert [found.uuid for found in store.unfinished("other")] == ["u1"]


def test_more_unfinished_archives_than_a_page_are_all_told(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    for number in range(1003):
        store.seal(archive(f"u{number:04}"), originals(f"h1/{number}"))
    assert [found.uuid for found in store.unfinished("logs")] == [f"u{number:04}" for number in range(1003)]
    assert [found.uuid for found in store.archives("", limit=5)] == []
    for number in range(1003):
        prove(store, f"u{number:04}")
    assert [found.uuid for found in store.archives("", limit=9999)] == [f"u{number:04}" for number in range(1003)][::-1]


def test_busy_originals_are_those_whose_fate_is_open(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    sealed = originals("a", "b", void=("b",))
    proven = originals("c", "d", "e", "f", void=("f",), inode=100)
    store.seal(archive("u1"), sealed)
    store.seal(archive("u2"), proven)
    store.seal(archive("u3", bucket="other"), originals("z"))
    prove(store, "u2")
    store.mark("u2", [(RelPath("c"), UNLINKED), (RelPath("d"), KEPT)])
    assert store.busy("logs") == {original.member.path: original.stat for original in (*sealed, proven[2])}
    store.mark("u2", [(RelPath("e"), KEPT)])
    store.drop("u1")
    assert store.busy("logs") == {}
    assert list(store.busy("other")) == ["z"]


def test_a_file_that_was_kept_is_busy_again_in_its_next_archive_with_its_new_stat(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive("u1"), originals("a", inode=1))
    prove(store, "u1")
    store.mark("u1", [(RelPath("a"), KEPT)])
    (again,) = originals("a", inode=2)
    store.seal(archive("u2"), [again])
    assert store.busy("logs") == {"a": again.stat}


def test_thousands_of_busy_originals_are_all_told(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    first, second = originals(*(f"a/{n}" for n in range(1000))), originals(*(f"b/{n}" for n in range(1001)))
    store.seal(archive("u1"), first)
    store.seal(archive("u2"), second)
    assert store.busy("logs") == {original.member.path: original.stat for original in first + second}


# --- prove -------------------------------------------------------------------------------------------------


def test_a_proven_archive_lets_its_members_go_but_for_void_ones(
    database: Database, store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    members = originals("a", "b", "c", void=("b",))
    store.seal(archive(), members)
    store.prove(
        "u1",
        etag=ETag("e1"),
        version_id=None,
        proof=ProofKind.READBACK,
        manifest_at="s3://logs/h1/u1.manifest.json",
        index=True,
        history=TOLD,
    )
    proven = archive(
        state=ArchiveState.UNLINKING,
        etag=ETag("e1"),
        version_id=None,
        proof=ProofKind.READBACK,
        manifest_at="s3://logs/h1/u1.manifest.json",
        files=2,
        bytes=200,
    )
    assert store.get("u1") == proven
    assert store.unfinished("logs") == [proven]
    assert states(store) == [("a", UNLINKING), ("b", KEPT), ("c", UNLINKING)]
    assert [queued.archive for queued in store.due(0.0, limit=9)] == [proven]
    (told,) = database.history.query(pair="small files")
    assert told == replace(TOLD, id=told.id, pair="small files")


def test_an_archive_of_void_members_alone_is_done_when_it_is_proven(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a", void=("a",)))
    prove(store)
    found = store.get("u1")
    assert found is not None
    assert found.state is ArchiveState.DONE
    assert states(store) == [("a", KEPT)]
    assert store.totals() == Totals(archives=1)


def test_an_archive_is_queued_only_if_asked(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    store.seal(archive(), originals("a"))
    prove(store)
    assert store.due(1e12, limit=9) == []


@pytest.mark.parametrize("proof", [ProofKind.NONE, ProofKind.UNPROVEN])
def test_what_proves_nothing_lets_nothing_go(
    store: Archives, archive: MakeArchive, originals: MakeOriginals, proof: ProofKind
) -> None:
    store.seal(archive(), originals("a"))
    with pytest.raises(ValueError, match="proves nothing"):
        prove(store, proof=proof)
    assert states(store) == [("a", SEALED)]


def test_only_a_sealed_archive_is_proven(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    store.seal(archive(), originals("a"))
    prove(store)
    before = store.get("u1")
    for uuid in ("u1", "nobody"):
        with pytest.raises(Stale):
            prove(store, uuid, etag=ETag("another"), index=True)
    store.mark("u1", [(RelPath("a"), UNLINKED)])
    with pytest.raises(Stale):
        prove(store)
    assert store.get("u1") == replace(before or archive(), state=ArchiveState.DONE)
    assert store.totals() == Totals(archives=1, files=1, bytes=100)


def test_a_proof_that_cannot_be_written_leaves_no_half_of_itself(
    database: Database, store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a"))
    with pytest.raises(OverflowError):
        prove(store, index=True, history=replace(TOLD, size=2**64))
    assert states(store) == [("a", SEALED)]
    assert store.totals() == Totals()
    assert list(database.history.query()) == []


# --- mark --------------------------------------------------------------------------------------------------


def test_an_archive_is_done_when_no_member_is_open_any_more(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a", "b", "c", "d", void=("d",)))
    prove(store)
    store.mark("u1", [(RelPath("b"), UNLINKED), (RelPath("a"), UNLINKING)])
    assert states(store) == [("a", UNLINKING), ("b", UNLINKED), ("c", UNLINKING), ("d", KEPT)]
    store.mark("u1", iter([(RelPath("c"), KEPT)]))
    store.mark("u1", [])
    assert [found.state for found in store.unfinished("logs")] == [ArchiveState.UNLINKING]
    store.mark("u1", [(RelPath("a"), UNLINKED)])
    assert store.unfinished("logs") == []
    found = store.get("u1")
    assert found is not None
    assert found.state is ArchiveState.DONE
    assert states(store) == [("a", UNLINKED), ("b", UNLINKED), ("c", KEPT), ("d", KEPT)]
    store.mark("u1", [(RelPath("a"), UNLINKED)])  # told twice
    assert store.get("u1") == found


def test_members_are_told_by_their_states(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    members = originals("a", "b", "c", "d", void=("d",))
    store.seal(archive(), members)

    def told(*asked: MemberState) -> list[Original]:
        return list(store.originals("u1", states=frozenset(asked)))

    assert told(SEALED) == members
    assert told(UNLINKING, UNLINKED, KEPT) == []
    prove(store)
    store.mark("u1", [(RelPath("b"), UNLINKED)])
    assert told(SEALED) == []
    assert told(UNLINKING) == in_state([members[0], members[2]], UNLINKING)
    assert told(UNLINKED) == in_state([members[1]], UNLINKED)
    assert told(KEPT, UNLINKED) == [*in_state([members[1]], UNLINKED), *in_state([members[3]], KEPT)]
    assert told() == []


def test_thousands_of_marks_are_made_at_once(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    members = many(originals)
    store.seal(archive(), members)
    prove(store)
    odd, even = paths(members[1::2]), paths(members[::2])
    store.mark("u1", [(path, UNLINKED) for path in odd])
    assert paths(list(store.originals("u1", states=frozenset({UNLINKING})))) == even
    assert paths(list(store.originals("u1", states=frozenset({UNLINKED})))) == odd
    store.mark("u1", [(path, KEPT if number % 3 else UNLINKED) for number, path in enumerate(even)])
    assert store.unfinished("logs") == []
    assert paths(list(store.originals("u1", states=frozenset({KEPT})))) == [
        path for number, path in enumerate(even) if number % 3
    ]


def test_nothing_is_marked_before_the_archive_is_proven(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a"))
    for uuid in ("u1", "nobody"):
        with pytest.raises(Stale):
            store.mark(uuid, [(RelPath("a"), UNLINKED)])
    assert states(store) == [("a", SEALED)]


@pytest.mark.parametrize("wrong", [("stranger", UNLINKED), ("b", SEALED)])
def test_a_mark_that_cannot_be_marks_nothing(
    store: Archives, archive: MakeArchive, originals: MakeOriginals, wrong: tuple[str, MemberState]
) -> None:
    store.seal(archive("u0"), originals("stranger"))
    store.seal(archive(), originals("a", "b"))
    prove(store)
    with pytest.raises(ValueError, match=r"u1|no members"):
        store.mark("u1", [(RelPath("a"), UNLINKED), (RelPath(wrong[0]), wrong[1])])
    assert states(store) == [("a", UNLINKING), ("b", UNLINKING)]


def test_members_are_told_while_others_are_marked(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    members = originals(*(f"h1/{number:04}" for number in range(2500)))
    store.seal(archive(), members)
    prove(store)
    told = []
    for number, original in enumerate(store.originals("u1", states=frozenset({UNLINKING}))):
        told.append(original)
        if number % 100 == 99:
            store.mark("u1", marked(told[-100:], UNLINKED))
    assert told == in_state(members, UNLINKING)
    assert store.unfinished("logs") == []


# --- drop --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, SLICE, SLICE + 1])
def test_a_dropped_archive_is_gone_with_all_its_rows(
    store: Archives, path: Path, archive: MakeArchive, originals: MakeOriginals, count: int
) -> None:
    store.seal(archive("u0"), originals("h1/000000"))
    store.seal(archive(), many(originals, count))
    store.drop("u1")
    store.drop("u1")
    assert store.get("u1") is None
    assert rows(path) == {"archive": 1, "member": 1, "index_queue": 0, "dead_letter": 0}
    store.seal(archive(), originals("a"))
    assert states(store) == [("a", SEALED)]


def test_a_proven_archive_is_never_dropped(store: Archives, archive: MakeArchive, originals: MakeOriginals) -> None:
    store.seal(archive(), originals("a"))
    prove(store)
    with pytest.raises(Stale):
        store.drop("u1")
    store.mark("u1", [(RelPath("a"), UNLINKED)])
    with pytest.raises(Stale):
        store.drop("u1")
    assert states(store) == [("a", UNLINKED)]


def test_rows_of_an_archive_that_somebody_sees_are_never_deleted(
    store: Archives, path: Path, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive("u1"), originals("a"))
    store.seal(archive("u2"), originals("a"))
    prove(store, "u2")
    connection = sqlite3.connect(path)
    assert [delete_members(connection, archive_id, 10) for archive_id in (1, 2)] == [0, 0]
    connection.close()


# --- the rest of the journal -------------------------------------------------------------------------------


def test_totals_are_of_proven_archives_for_ever(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive("u1"), originals("a", "b", "c", void=("c",)))
    store.seal(archive("u2", bucket="other"), originals("a"))
    store.seal(archive("u3"), originals("d"))
    assert store.totals() == Totals()
    prove(store, "u1", index=True)
    store.mark("u1", [(RelPath("a"), UNLINKED), (RelPath("b"), KEPT)])
    prove(store, "u2", index=True)
    store.drop("u3")
    assert store.totals() == Totals(archives=2, files=3, bytes=300, queued=2)


def test_a_manifest_that_came_later_is_recorded(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a"))
    for uuid in ("u1", "nobody"):
        with pytest.raises(Stale):
            store.record_manifest(uuid, "s3://logs/m.json")
    prove(store)
    proven = store.get("u1")
    assert proven is not None
    store.record_manifest("u1", "s3://logs/m.json")
    assert store.get("u1") == replace(proven, manifest_at="s3://logs/m.json")


def test_an_archive_that_was_read_back_is_proven_by_that_from_then_on(
    store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    store.seal(archive(), originals("a"))
    for uuid in ("u1", "nobody"):
        with pytest.raises(Stale):
            store.prove_again(uuid, ProofKind.READBACK)
    prove(store, proof=ProofKind.CHECKSUM)
    proven = store.get("u1")
    assert proven is not None
    assert proven.proof is ProofKind.CHECKSUM
    store.prove_again("u1", ProofKind.READBACK)
    assert store.get("u1") == replace(proven, proof=ProofKind.READBACK)


def test_batches_do_not_see_each_other(
    database: Database, store: Archives, archive: MakeArchive, originals: MakeOriginals
) -> None:
    other = database.archives("other")
    store.seal(archive(), originals("a"))
    prove(store, index=True)
    assert other.get("u1") is None
    assert list(other.originals("u1")) == []
    assert other.unfinished("logs") == []
    assert other.busy("logs") == {}
    assert list(other.find("*", limit=9)) == []
    assert list(other.archives("", limit=9)) == []
    assert other.due(1e12, limit=9) == []
    assert other.totals() == Totals()
    other.drop("u1")
    for change in (
        lambda: other.mark("u1", [(RelPath("a"), UNLINKED)]),
        lambda: other.record_manifest("u1", "s3://x/y"),
        lambda: other.prove_again("u1", ProofKind.READBACK),
        lambda: other.indexed("u1", []),
    ):
        with pytest.raises(Stale):
            change()
    assert states(store) == [("a", UNLINKING)]


def test_a_batch_keeps_its_journal_whatever_its_buckets_records_are_about(
    database: Database, store: Archives, identity: RecordSetIdentity, archive: MakeArchive, originals: MakeOriginals
) -> None:
    database.pair("small files/logs", identity)
    store.seal(archive(), originals("a"))
    database.pair("small files/logs", replace(identity, root_uuid="another", endpoint="another"))
    assert database.archives("small files").unfinished("logs") == store.unfinished("logs") != []


def test_after_close_the_journal_is_a_fatal_error(path: Path, clock: Clock, archive: MakeArchive) -> None:
    database = Database.open(path, clock=clock)
    store = database.archives("small files")
    database.close()
    for ask in (
        lambda: store.seal(archive(), []),
        lambda: store.unfinished("logs"),
        lambda: store.drop("u1"),
        store.totals,
    ):
        with pytest.raises(FatalError, match="closed"):
            ask()
