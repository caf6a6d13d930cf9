"""What waits for the index gets there once, whatever that does meanwhile; what it refuses is kept with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.elastic_stub import MAPPING_ERROR, ElasticStub, ItemFault, RequestFault
from support.indexed import index_on
from support.small_queue import ENDPOINT, HOST, SmallQueue
from syncd import events
from syncd.archive import feeding, indexing
from syncd.archive.indexing import Health, Indexer, IndexState
from syncd.archive.links import link
from syncd.core.archive import Archive
from syncd.core.documents import documents
from syncd.core.manifest import Manifest
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import ArchiveIndex

NOTHING_WAITS = IndexState(health=Health.OK)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SmallQueue]:
    with SmallQueue(tmp_path) as queue:
        yield queue


@pytest.fixture
def stub() -> Iterator[ElasticStub]:
    with ElasticStub() as stub:
        yield stub


@pytest.fixture
def index(stub: ElasticStub) -> Iterator[ArchiveIndex]:
    with index_on(stub) as index:
        yield index


@pytest.fixture
def indexer(queue: SmallQueue, index: ArchiveIndex) -> Indexer:
    return queue.indexer(index, fallback=queue.fall_back)


def waiting(queue: SmallQueue) -> int:
    return queue.store.totals().queued


def lines(queue: SmallQueue) -> list[str]:
    return [name for name in queue.events.names() if name in {events.INDEX_LOST, events.INDEX_FOUND}]


def test_what_waits_is_told_as_its_manifest_tells_it(queue: SmallQueue, stub: ElasticStub, indexer: Indexer) -> None:
    archive = queue.store.get(queue.archive(4, void=1))
    assert archive is not None
    assert queue.drain(indexer) == IndexState(health=Health.OK, taken=3)
    manifest = Manifest(
        software=HOST.software,
        created_at=archive.created_at,
        host=HOST.name,
        uuid=archive.uuid,
        bucket="photos",
        key=archive.key,
        url=link(ENDPOINT, "photos", archive.key),
        members=tuple(original.member for original in queue.store.originals(archive.uuid)),
    )
    assert stub.documents() == {document.id: document.source for document in documents(manifest)}
    assert list(stub.templates) == ["syncd-archives"]
    assert queue.events.names() == []


def test_nothing_that_waits_asks_nothing(queue: SmallQueue, stub: ElasticStub, indexer: Indexer) -> None:
    assert queue.drain(indexer) == NOTHING_WAITS
    assert stub.seen == []


def test_an_archive_of_void_members_alone_is_done_without_a_request(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    queue.archive(2, void=2)
    assert queue.drain(indexer) == NOTHING_WAITS
    assert stub.seen == []


def test_a_drain_takes_a_bounded_number_and_asks_for_more(queue: SmallQueue, indexer: Indexer) -> None:
    for _ in range(indexing.ARCHIVES + 5):
        queue.archive(1)
    state = queue.drain(indexer)
    assert (state.taken, state.queued, state.again_s) == (indexing.ARCHIVES, 5, 0.0)
    assert queue.drain(indexer).again_s is None


def test_a_large_archive_goes_in_by_the_thousand(queue: SmallQueue, stub: ElasticStub, indexer: Indexer) -> None:
    queue.archive(2500)
    beats: list[int] = []
    assert queue.drain(indexer, moved=lambda: beats.append(1)).taken == 2500
    assert [seen.documents for seen in stub.bulks()] == [1000, 1000, 500]
    assert len(beats) == 3


# --- items ------------------------------------------------------------------------------------------------------


def test_a_tenth_of_all_items_failing_leaves_each_document_there_once(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    stub.fail_items(ItemFault(share=0.1))
    for _ in range(5):
        queue.archive(400)
    queue.until_empty(indexer)
    assert len(stub.documents()) == 2000
    assert set(stub.writes.values()) == {1}  # only what failed was sent again
    assert lines(queue) == []


def test_an_item_that_fails_too_often_makes_its_archive_wait_and_no_other(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    first = queue.archive(3)
    queue.archive(3)
    stub.fail_items(ItemFault(status=500, chosen=lambda source: source["key"] == "d1/f000001"))
    state = queue.drain(indexer)
    assert (state.health, state.taken, state.queued) == (Health.OK, 5, 1)
    assert state.error == "500: es_rejected_execution_exception: rejected execution of primary operation"
    (left,) = queue.store.due(queue.clock.now() + indexing.FIRST_S, limit=9)
    assert (left.archive.uuid, left.attempts, left.error) == (first, 1, state.error)
    stub.mend()
    queue.clock.tick(indexing.FIRST_S)
    assert queue.drain(indexer).queued == 0
    assert [seen.documents for seen in stub.bulks()][-1] == 1  # what was taken is not sent again


def test_a_mapping_error_is_a_dead_letter_with_its_reason_and_said_once_for_its_archive(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    uuid = queue.archive(5)
    refused = {"d1/f000001", "d1/f000003"}
    stub.fail_items(ItemFault(status=400, error=MAPPING_ERROR, chosen=lambda source: source["key"] in refused))
    assert queue.drain(indexer) == IndexState(health=Health.OK, dead=2, taken=3)
    letters = queue.store.dead_letters(limit=9)
    assert {letter.path for letter in letters} == refused
    assert {letter.reason for letter in letters} == {f"400: {MAPPING_ERROR['type']}: {MAPPING_ERROR['reason']}"}
    (said,) = queue.events.of(events.DOCUMENT_REFUSED)
    assert (said["key"], said["files"]) == (f"d1/{uuid}.tar", 2)
    assert queue.written == [uuid]  # what the index refused is told by the manifest


def test_dead_letters_are_counted_once_though_their_heap_was_sent_twice(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    queue.archive(4)
    stub.fail_items(ItemFault(status=400, error=MAPPING_ERROR, chosen=lambda source: source["offset"] == 0))
    stub.fail_items(ItemFault(chosen=lambda source: source["offset"] == 1024, times=feeding.ROUNDS))
    queue.until_empty(indexer)
    assert queue.store.totals().dead == 1
    assert [said["files"] for said in queue.events.of(events.DOCUMENT_REFUSED)] == [1]


def test_an_answer_for_half_of_the_items_is_asked_for_the_rest(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    queue.archive(10)
    stub.fail(RequestFault(path="/_bulk", half=True, times=2))
    assert queue.drain(indexer) == IndexState(health=Health.OK, taken=10)
    assert set(stub.writes.values()) == {1}


def test_a_lost_answer_adds_nothing_twice_and_is_no_outage(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    queue.archive(10)
    stub.fail(RequestFault(path="/_bulk", lose_answer=True, times=1))
    assert queue.drain(indexer) == IndexState(health=Health.OK, taken=10)
    assert len(stub.documents()) == 10
    assert lines(queue) == []


# --- away -------------------------------------------------------------------------------------------------------


def test_an_outage_is_said_once_and_so_is_its_end_and_all_of_the_queue_goes_in(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    stub.refuse()
    for _ in range(3):
        queue.archive()
    for _ in range(6):
        state = queue.drain(indexer)
        assert (state.health, state.queued) == (Health.DOWN, 3)
        assert state.again_s is not None
        queue.clock.tick(state.again_s)
        queue.archive(manifest_at="s3://m")
        queue.store.indexed(queue.store.due(1e12, limit=9)[-1].archive.uuid, [])
    assert lines(queue) == [events.INDEX_LOST]
    (said,) = queue.events.of(events.INDEX_LOST)
    assert said["pair"] == "small"
    assert "the connection was refused" in str(said["error"])
    assert said["hint"]
    stub.listen()
    queue.clock.tick(indexing.LONGEST_S)
    assert queue.drain(indexer).queued == 0
    assert lines(queue) == [events.INDEX_LOST, events.INDEX_FOUND]
    assert len(stub.documents()) == 9


def test_while_it_is_away_it_is_asked_ever_more_seldom(queue: SmallQueue, stub: ElasticStub, indexer: Indexer) -> None:
    stub.fail(RequestFault(answer=(401, {"error": {"type": "security_exception", "reason": "no"}})))
    queue.archive()
    began = queue.clock.now()
    for _ in range(3600):
        queue.drain(indexer)
        queue.clock.tick(1.0)
    assert queue.clock.now() - began >= 3600
    assert 10 <= len(stub.seen) <= 20
    assert queue.store.due(1e12, limit=1)[0].attempts <= 25


def test_what_comes_while_it_is_away_waits_without_a_request(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    stub.fail(RequestFault(answer=(503, "no")))
    queue.archive()
    queue.drain(indexer)
    asked = len(stub.seen)
    late = queue.archive()
    assert queue.drain(indexer).health is Health.DOWN
    assert len(stub.seen) == asked
    assert queue.written[-1] == late


def test_once_it_is_back_nobody_waits_for_his_time(queue: SmallQueue, stub: ElasticStub, indexer: Indexer) -> None:
    stub.refuse()
    for _ in range(indexing.ARCHIVES + 10):
        queue.archive(1)
    for _ in range(8):
        queue.clock.tick(queue.drain(indexer).again_s or 0.0)
    stub.listen()
    queue.clock.tick(indexing.LONGEST_S)
    began = queue.clock.now()
    queue.until_empty(indexer)
    assert queue.clock.now() - began < 1.0


def test_a_new_indexer_waits_for_nobodys_time(queue: SmallQueue, stub: ElasticStub, index: ArchiveIndex) -> None:
    uuid = queue.archive()
    queue.store.postpone(uuid, until=queue.clock.now() + 1e9, error="the clock was wrong")
    assert queue.drain(queue.indexer(index)).queued == 0


def test_an_index_that_takes_no_item_at_all_is_lost_with_what_it_says(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    blocked = {"type": "cluster_block_exception", "reason": "index [x] blocked by: [FORBIDDEN/8/index write (api)]"}
    stub.fail_items(ItemFault(status=403, error=blocked))
    for _ in range(10):
        queue.archive()
    state = queue.drain(indexer)
    assert state.health is Health.DOWN
    assert "FORBIDDEN/8/index write" in state.error
    assert len(stub.bulks()) == indexing.IN_A_ROW * feeding.ROUNDS
    assert lines(queue) == [events.INDEX_LOST]
    stub.mend()
    queue.until_empty(indexer)
    assert lines(queue) == [events.INDEX_LOST, events.INDEX_FOUND]


def test_archives_that_always_fail_do_not_keep_the_others_out(
    queue: SmallQueue, stub: ElasticStub, index: ArchiveIndex
) -> None:
    turns = iter([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1] * 10_000)
    indexer = queue.indexer(index, chance=lambda: next(turns))
    bad = {queue.archive(1) for _ in range(4)}
    good = [queue.archive(1) for _ in range(4)]
    stub.fail_items(ItemFault(status=500, chosen=lambda source: source["uuid"] in bad))
    for _ in range(20):
        queue.clock.tick(queue.drain(indexer).again_s or 0.0)
    assert {source["uuid"] for source in stub.documents().values()} == set(good)
    assert {queued.archive.uuid for queued in queue.store.due(1e12, limit=9)} == bad


def test_after_an_outage_the_template_is_asked_for_again(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    queue.archive()
    queue.drain(indexer)
    stub.refuse()
    queue.archive()
    queue.drain(indexer)
    stub.templates.clear()  # another server, or an empty one
    stub.listen()
    queue.until_empty(indexer)
    assert list(stub.templates) == ["syncd-archives"]


def test_a_user_who_may_not_write_is_said_with_what_to_do(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    stub.authorization = "ApiKey nobody's"
    queue.archive()
    state = queue.drain(indexer)
    assert state.health is Health.DOWN
    assert "the credentials were refused" in state.error
    assert "api_key" in state.error
    assert len(stub.seen) == 1  # it will not be otherwise in a second


# --- slow, and stopped --------------------------------------------------------------------------------------------


def test_a_hung_index_costs_its_time_out_and_no_more(queue: SmallQueue, stub: ElasticStub) -> None:
    stub.fail(RequestFault(hang=True))
    with index_on(stub, timeout_s=0.1) as index:
        for _ in range(30):
            queue.archive()
        state = queue.drain(queue.indexer(index))
    assert state.health is Health.DOWN
    assert "no answer in time" in state.error
    assert len(stub.seen) == feeding.ROUNDS


class Slow:
    """An index whose every request takes so long."""

    def __init__(self, index: ArchiveIndex, queue: SmallQueue, seconds: float) -> None:
        self._index = index
        self._queue = queue
        self._seconds = seconds
        self.prepare, self.find, self.close = index.prepare, index.find, index.close

    def add(self, documents: object) -> object:
        self._queue.clock.tick(self._seconds)
        return self._index.add(documents)  # type: ignore[arg-type]


def test_a_slow_index_takes_a_large_archive_in_several_drains_and_each_document_once(
    queue: SmallQueue, stub: ElasticStub, index: ArchiveIndex
) -> None:
    indexer = queue.indexer(Slow(index, queue, seconds=9.0))  # type: ignore[arg-type]
    queue.archive(7000)
    taken = []
    while True:
        began = queue.clock.monotonic()
        state = queue.drain(indexer)
        assert queue.clock.monotonic() - began < indexing.BUDGET_S + 9.0
        taken.append(state.taken)
        if state.again_s is None:
            break
        assert (state.health, state.error, state.again_s) == (Health.OK, "", 0.0)
    assert taken == [3000, 3000, 1000]
    assert set(stub.writes.values()) == {1}


def test_a_stop_between_requests_ends_it_and_the_next_life_goes_on(
    queue: SmallQueue, stub: ElasticStub, index: ArchiveIndex
) -> None:
    queue.archive(3000)
    queue.archive(10)
    sent: list[int] = []

    def moved() -> None:
        sent.append(1)
        if len(sent) == 2:
            queue.stop.drain()

    queue.drain(queue.indexer(index), moved=moved)
    assert len(stub.documents()) == 2000
    (first, second) = queue.store.due(queue.clock.now(), limit=9)
    assert (first.attempts, second.attempts) == (0, 0)
    queue.stop = type(queue.stop)(queue.clock)
    queue.until_empty(queue.indexer(index))
    assert len(stub.documents()) == 3010


def test_a_stop_while_it_waits_before_the_next_round_postpones_nobody(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    stub.fail_items(ItemFault())
    queue.archive()
    assert queue.drain(indexer, moved=queue.stop.drain).queued == 1
    assert queue.store.due(queue.clock.now(), limit=1)[0].attempts == 0
    assert queue.written == []
    assert lines(queue) == []


# --- the fallback -------------------------------------------------------------------------------------------------


def test_the_manifest_is_written_once_where_the_index_is_away_and_never_where_it_is_there(
    queue: SmallQueue, stub: ElasticStub, indexer: Indexer
) -> None:
    there = queue.archive()
    queue.drain(indexer)
    assert queue.written == []
    stub.refuse()
    without, beside = queue.archive(), queue.archive(manifest_at="s3://photos/beside")
    for _ in range(4):
        queue.clock.tick(queue.drain(indexer).again_s or 0.0)
    assert queue.written == [without]
    assert there not in queue.written
    kept = queue.store.get(beside)
    assert kept is not None
    assert kept.manifest_at == "s3://photos/beside"


def test_a_manifest_that_cannot_be_written_is_tried_again_with_the_archive(
    queue: SmallQueue, stub: ElasticStub, index: ArchiveIndex
) -> None:
    failing = [True]

    def fallback(archive: Archive) -> None:
        if failing:
            raise RemoteError(RemoteKind.UNAVAILABLE, "s3 is away too")
        queue.fall_back(archive)

    indexer = queue.indexer(index, fallback=fallback)
    uuid = queue.archive()
    stub.refuse()
    state = queue.drain(indexer)
    (left,) = queue.store.due(1e12, limit=9)
    assert left.error.endswith("; nor could its manifest be written: s3 is away too")
    assert state.health is Health.DOWN
    failing.clear()
    queue.clock.tick(state.again_s or 0.0)
    queue.drain(indexer)
    assert queue.written == [uuid]


def test_refused_documents_wait_for_a_manifest_that_tells_of_them(
    queue: SmallQueue, stub: ElasticStub, index: ArchiveIndex
) -> None:
    failing = [True]

    def fallback(archive: Archive) -> None:
        if failing:
            raise RemoteError(RemoteKind.THROTTLED, "slow down")
        queue.fall_back(archive)

    indexer = queue.indexer(index, fallback=fallback)
    queue.archive(2)
    stub.fail_items(ItemFault(status=400, error=MAPPING_ERROR, times=1))
    state = queue.drain(indexer)
    assert (state.queued, state.dead) == (1, 0)
    assert queue.store.due(1e12, limit=1)[0].error == "1 of its documents were refused, and its manifest: slow down"
    failing.clear()
    queue.clock.tick(indexing.FIRST_S)
    assert queue.drain(indexer) == IndexState(health=Health.OK, dead=1)
    assert len(stub.bulks()) == 1


# --- no index -----------------------------------------------------------------------------------------------------


def test_without_an_index_it_is_off_and_what_waits_gets_its_manifest(queue: SmallQueue) -> None:
    uuid = queue.archive()
    indexer = queue.indexer(None, fallback=queue.fall_back)
    assert queue.drain(indexer) == IndexState(health=Health.OFF, queued=1)
    queue.drain(indexer)
    assert queue.written == [uuid]
    assert waiting(queue) == 1
    assert lines(queue) == []


def test_an_index_that_cannot_be_opened_is_lost_and_what_waits_gets_its_manifest(queue: SmallQueue) -> None:
    uuid = queue.archive()
    indexer = queue.indexer(None, fallback=queue.fall_back, unusable="the package is missing")
    for _ in range(2):
        state = queue.drain(indexer)
        assert (state.health, state.queued, state.error) == (Health.DOWN, 1, "the package is missing")
        assert state.again_s == indexing.FIRST_S
    assert lines(queue) == [events.INDEX_LOST]
    assert queue.written == [uuid]


def test_what_is_said_fits_a_line_of_json(queue: SmallQueue, stub: ElasticStub, indexer: Indexer) -> None:
    stub.fail(RequestFault(answer=(500, "<html>\n" + "x" * 10_000 + "\udcff</html>")))
    queue.archive()
    queue.drain(indexer)
    (said,) = queue.events.of(events.INDEX_LOST)
    assert len(json.dumps(said)) < 1000
    assert "\n" not in str(said["error"])
