"""The index built anew from S3: each document once, whatever the index and the bucket do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.archive_shelf import Shelf
from support.elastic_stub import MAPPING_ERROR, ElasticStub, ItemFault
from support.indexed import index_on
from syncd.archive.finding import Asker, Gone
from syncd.archive.reindexing import AT_ONCE, TRIES, Reindex
from syncd.core.documents import documents
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import ArchiveIndex


@pytest.fixture
def stub() -> Iterator[ElasticStub]:
    with ElasticStub() as stub:
        yield stub


@pytest.fixture
def index(stub: ElasticStub) -> Iterator[ArchiveIndex]:
    with index_on(stub) as index:
        yield index


def reindex(shelf: Shelf, index: ArchiveIndex, **given: Any) -> Reindex:
    bucket = given.pop("bucket", None)
    waits: list[float] = []
    run = Reindex(section=shelf, index=index, rest=waits.append, **given)
    run.run(bucket=bucket)
    return run


def ids(stub: ElasticStub) -> set[str]:
    return {name for index in stub.indices.values() for name in index}


@pytest.mark.parametrize("beside", [True, False])
def test_every_original_of_every_archive_is_indexed(
    shelf: Shelf, stub: ElasticStub, index: ArchiveIndex, beside: bool
) -> None:
    shelf.known = ["lab", "logs"]
    packed = [
        shelf.pack({"run/a": b"a", "run/b": b"b"}, folder="run", recorded=False, beside=beside),
        shelf.pack({"c": b"c", "v": b"v"}, void=frozenset({"v"}), recorded=False, beside=beside),
        shelf.pack({"d": b"d"}, bucket="logs", beside=beside),
    ]
    run = reindex(shelf, index)
    assert (run.archives, run.documents, run.refused, run.gaps) == (3, 4, 0, [])
    assert ids(stub) == {document.id for one in packed for document in documents(one.manifest)}


def test_run_again_it_adds_nothing(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({"a": b"a", "b": b"b"})
    reindex(shelf, index)
    before = ids(stub)
    assert reindex(shelf, index).documents == 2
    assert ids(stub) == before


def test_what_was_indexed_when_it_was_archived_is_not_indexed_twice(
    shelf: Shelf, stub: ElasticStub, index: ArchiveIndex
) -> None:
    packed = shelf.pack({"a": b"a"})
    index.add(list(documents(packed.manifest)))
    reindex(shelf, index)
    assert len(ids(stub)) == 1


def test_one_bucket_alone(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.known = ["lab", "logs"]
    shelf.pack({"a": b"a"})
    shelf.pack({"b": b"b"}, bucket="logs")
    assert reindex(shelf, index, bucket="logs").documents == 1
    assert "list" not in shelf.lab.requests


def test_thousands_go_in_batches(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    for _ in range(3):
        shelf.pack({f"{number:04}": b"x" for number in range(900)}, recorded=False)
    assert reindex(shelf, index).documents == 2700
    bulks = [seen.documents for seen in stub.seen if seen.documents]
    assert sum(bulks) == 2700
    assert max(bulks) == AT_ONCE


def test_a_busy_index_is_asked_again_for_what_it_left(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({f"{number:02}": b"x" for number in range(20)}, recorded=False)
    stub.fail_items(ItemFault(share=1.0, times=30))
    run = reindex(shelf, index)
    assert (run.documents, run.refused) == (20, 0)
    assert len(ids(stub)) == 20


def test_an_index_without_time_ends_it(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({"a": b"a"}, recorded=False)
    stub.fail_items(ItemFault())
    waits: list[float] = []
    run = Reindex(section=shelf, index=index, rest=waits.append)
    with pytest.raises(RemoteError, match="no time for 1 document"):
        run.run()
    assert len(waits) == TRIES - 1
    assert waits == sorted(waits)


def test_what_the_index_refuses_is_counted_and_named(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({"bad": b"x", "good": b"x"}, recorded=False)
    stub.fail_items(ItemFault(status=400, error=MAPPING_ERROR, chosen=lambda source: source["key"] == "bad"))
    run = reindex(shelf, index)
    assert (run.documents, run.refused) == (1, 1)
    (gap,) = run.gaps
    assert gap.reason.startswith("the index refuses lab/bad: 400: ")


def test_an_index_that_is_down_ends_it(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({"a": b"a"}, recorded=False)
    stub.refuse()
    with pytest.raises(RemoteError):
        reindex(shelf, index)
    stub.listen()


def test_an_archive_that_cannot_be_read_is_a_gap_and_the_others_go_on(
    shelf: Shelf, stub: ElasticStub, index: ArchiveIndex
) -> None:
    broken = shelf.pack({"a": b"a"}, recorded=False, beside=False)
    shelf.pack({"b": b"b"}, recorded=False)
    shelf.lab.plant(broken.key, broken.body[:-1024] + b"\xff" * 512 + broken.body[-512:])
    shelf.lab.plant(broken.key, broken.body.replace(b"schema_version", b"schema_vursion"))
    run = reindex(shelf, index)
    assert run.documents == 1
    assert [gap.reason.startswith(f"s3://lab/{broken.key}") for gap in run.gaps] == [True]


def test_a_stranger_is_counted_apart(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    packed = shelf.pack({"a": b"a"}, recorded=False)
    shelf.lab.plant(packed.key[:-5] + "e.tar", b"x" * 20480)
    run = reindex(shelf, index)
    assert (run.archives, run.strangers, run.gaps) == (1, 1, [])


def test_a_bucket_that_is_away_is_a_gap(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.known = ["lab", "logs"]
    shelf.pack({"a": b"a"}, recorded=False)
    shelf.objects("logs").down = RemoteError(RemoteKind.DENIED, "access is denied")
    run = reindex(shelf, index)
    assert run.documents == 1
    assert [(gap.reason, gap.retryable) for gap in run.gaps] == [("bucket logs: access is denied", False)]


def test_who_hung_up_ends_it(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({"a": b"a"}, recorded=False)
    with pytest.raises(Gone):
        reindex(shelf, index, asker=Asker(gone=lambda: True))


def test_progress_tells_how_far_it_is(shelf: Shelf, stub: ElasticStub, index: ArchiveIndex) -> None:
    shelf.pack({"a": b"a", "b": b"b"}, recorded=False)
    told: list[tuple[str, dict[str, int]]] = []
    reindex(shelf, index, asker=Asker(tell=lambda doing, counts: told.append((doing, dict(counts)))))
    assert told[-1] == ("indexing", {"archives": 1, "files": 2})
