"""Records: what goes in comes out, in the order of the merge."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.core.model import Digest, ETag, HashType, LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.paths import Unrepresentable, order, parse_relpath
from syncd.errors import Stale
from syncd.ports import Clock, Commit
from syncd.store.database import Database
from syncd.store.pairs import PairStore, RecordSetIdentity
from syncd.store.records import record_of, row_of

MakeRecord = Callable[..., Record]


def is_path(text: str) -> bool:
    try:
        parse_relpath(text)
    except Unrepresentable:
        return False
    return True


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(is_path).map(parse_relpath)
stats = st.builds(
    LocalStat,
    size=st.integers(0, 2**63 - 1),
    mtime_ns=st.integers(-(2**70), 2**70),
    ctime_ns=st.integers(-(2**63), 2**64),
    inode=st.integers(0, 2**64 - 1),
)
digests = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda raw: Digest(HashType.SHA256, raw.hex())),
    st.binary(min_size=16, max_size=16).map(lambda raw: Digest(HashType.MD5, raw.hex())),
)
records = st.builds(
    Record,
    path=paths,
    local=st.sampled_from(LocalState),
    remote=st.sampled_from(RemoteState),
    size=st.integers(0, 2**63 - 1),
    digest=st.none() | digests,
    stat=st.none() | stats,
    looked_ns=st.integers(0, 2**63 - 1),
    etag=st.none() | texts.map(ETag),
    version_id=st.none() | texts,
    checksum=st.none() | texts,
    proof=st.sampled_from(ProofKind),
    origin=st.sampled_from(Origin),
    seen=st.none() | texts.map(ETag),
    seen_as=texts,
    restored=st.booleans(),
    kept=st.booleans(),
    seq=st.integers(1, 2**63 - 1),
)


@given(record=records)
def test_a_row_is_the_whole_record(record: Record) -> None:
    assert record_of(row_of(1, record, record.seq)[1:]) == record


def test_any_record_comes_back_from_the_database(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock, identity: RecordSetIdentity
) -> None:
    with Database.open(tmp_path_factory.mktemp("state") / "state.db", clock=clock) as database:
        pair = database.pair("logs", identity)

        @settings(max_examples=60, deadline=None)
        @given(batch=st.lists(records, max_size=20, unique_by=lambda record: record.path))
        def holds(batch: list[Record]) -> None:
            pair.drop_all()
            futures = [pair.commit(Commit(put=record)) for record in batch]
            stored = [future.result(timeout=30) for future in futures]
            assert [replace(kept, seq=0) for kept in stored if kept] == [replace(record, seq=0) for record in batch]
            in_order = sorted((kept for kept in stored if kept), key=lambda kept: order(kept.path))
            assert list(pair.walk()) == in_order
            assert [pair.get(record.path) for record in batch] == stored

        holds()


def fill(pair: PairStore, made: list[Record]) -> None:
    futures = [pair.commit(Commit(put=record)) for record in made]
    for future in futures:
        future.result(timeout=30)


def test_names_are_in_the_order_of_their_bytes(pair: PairStore, record: MakeRecord) -> None:
    names = [
        "a",
        "a.b",
        "a/b",
        "a/b/c",
        "a0",
        "a-",
        "B",
        "é",
        "e\u0301",
        "\uffff",
        "𐀀",
        "\U0010ffff",
        "%",
        "a\nb",
        "'",
        "~",
    ]
    fill(pair, [record(name) for name in reversed(names)])
    found = [str(kept.path) for kept in pair.walk()]
    assert found == sorted(names, key=str.encode)
    assert found.index("\uffff") < found.index("𐀀")  # bytes, not UTF-16


def test_a_walk_below_a_folder_gives_what_is_in_it_alone(pair: PairStore, record: MakeRecord) -> None:
    fill(pair, [record(name) for name in ("a", "a-b", "a.b", "a/1", "a/z/2", "a/\U0010ffff", "a0", "a00", "b")])
    assert [kept.path for kept in pair.walk(parse_relpath("a"))] == ["a/1", "a/z/2", "a/\U0010ffff"]
    assert list(pair.walk(parse_relpath("nowhere"))) == []


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000, 2345])
def test_a_walk_is_whole_at_every_edge_of_a_page(pair: PairStore, record: MakeRecord, count: int) -> None:
    fill(pair, [record(f"{number:04}") for number in range(count)])
    assert [kept.path for kept in pair.walk()] == [f"{number:04}" for number in range(count)]


def test_no_transaction_stays_open_between_pages(
    database: Database, path: Path, pair: PairStore, record: MakeRecord
) -> None:
    fill(pair, [record(f"{number:04}") for number in range(1500)])
    walk = pair.walk()
    next(walk)
    fill(pair, [record("0000"), record("1200", size=99), record("9999")])
    seen = {kept.path: kept for kept in walk}
    assert seen[parse_relpath("1200")].size == 99  # the second page is of now
    assert parse_relpath("9999") in seen


def test_a_record_is_found_by_what_its_file_was(pair: PairStore, record: MakeRecord) -> None:
    stat = LocalStat(10, 5, 6, 2**64 - 3)
    fill(
        pair, [record("other"), record("old-name", stat=stat), record("link", stat=stat), record("no-file", stat=None)]
    )
    found = pair.by_inode(2**64 - 3, 10, 5)
    assert found is not None
    assert (found.path, found.stat) == ("link", stat)
    assert pair.by_inode(2**64 - 3, 10, 6) is None
    assert pair.by_inode(2**64 - 3, 11, 5) is None
    assert pair.by_inode(7, 10, 5) is None


def test_put_replaces_and_drop_removes(pair: PairStore, record: MakeRecord) -> None:
    path = parse_relpath("a")
    fill(pair, [record("a"), record("a", size=11)])
    kept = pair.get(path)
    assert kept is not None
    assert kept.size == 11
    assert pair.commit(Commit(drop=path)).result(timeout=30) is None
    assert pair.get(path) is None
    assert pair.commit(Commit(drop=path)).result(timeout=30) is None


def test_a_rename_is_one_outcome(pair: PairStore, record: MakeRecord) -> None:
    fill(pair, [record("old")])
    stored = pair.commit(Commit(drop=parse_relpath("old"), put=record("new"))).result(timeout=30)
    assert list(pair.walk()) == [stored]


def test_numbers_grow_with_every_change_over_all_pairs_and_restarts(
    path: Path, clock: Clock, identity: RecordSetIdentity, record: MakeRecord
) -> None:
    seqs: list[int] = []
    for _ in range(2):
        with Database.open(path, clock=clock) as database:
            for name in ("one", "two"):
                pair = database.pair(name, identity)
                stored = pair.commit(Commit(put=record())).result(timeout=30)
                assert stored is not None
                seqs.append(stored.seq)
                assert pair.seq() == stored.seq
                pair.commit(Commit(drop=record().path)).result(timeout=30)
                seqs.append(pair.seq())
    assert seqs == sorted(set(seqs))


def test_two_threads_read_while_one_writes(pair: PairStore, record: MakeRecord) -> None:
    """Every outcome changes two rows together: the first is never older than the second was a moment before."""
    fill(pair, [record(f"{number:03}", size=0) for number in range(200)])
    ended, wrong, walks = threading.Event(), list[str](), [0, 0]

    def read(slot: int) -> None:
        while not ended.is_set() or not walks[slot]:
            sizes = [kept.size for kept in pair.walk()]
            walks[slot] += 1
            # one page is one snapshot: the writer sets the rows in order, so sizes never grow along the page
            if len(sizes) != 200 or sizes != sorted(sizes, reverse=True) or sizes[0] - sizes[-1] > 1:
                wrong.append(str(sizes))

    readers = [threading.Thread(target=read, args=(slot,)) for slot in (0, 1)]
    for reader in readers:
        reader.start()
    for size in range(1, 21):
        fill(pair, [record(f"{number:03}", size=size) for number in range(200)])
    ended.set()
    for reader in readers:
        reader.join(30)
    assert wrong == []
    assert all(walks)


def test_an_outcome_of_a_row_that_changed_is_stale_and_writes_nothing(pair: PairStore, record: MakeRecord) -> None:
    first = pair.commit(Commit(put=record("a"), expect_seq=0)).result(timeout=30)
    assert first is not None
    others = [
        pair.commit(Commit(put=record("b"), expect_seq=0)),
        pair.commit(Commit(put=record("a", size=77), expect_seq=first.seq + 5)),
        pair.commit(Commit(drop=record("a").path, expect_seq=0)),
        pair.commit(Commit(path=record("a").path, put=record("c"), expect_seq=0)),
        pair.commit(Commit(put=record("d"), expect_seq=0)),
    ]
    with_error = [future.exception(timeout=30) for future in others]
    assert [type(error) for error in with_error] == [type(None), Stale, Stale, Stale, type(None)]
    assert [kept.path for kept in pair.walk()] == ["a", "b", "d"]
    assert pair.get(record("a").path) == first


def test_of_two_outcomes_decided_on_one_row_the_first_wins_also_in_one_group(
    pair: PairStore, record: MakeRecord
) -> None:
    futures = [pair.commit(Commit(put=record("a", size=size), expect_seq=0)) for size in range(5)]
    errors = [future.exception(timeout=30) for future in futures]
    assert [type(error) for error in errors] == [type(None)] + [Stale] * 4
    assert pair.get(record("a").path) == futures[0].result(timeout=30)
