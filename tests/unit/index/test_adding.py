"""Documents go in once each, in bounded requests, and what is said of each is read item by item. Both flavors."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.elastic_stub import BROKEN, BUSY, MAPPING_ERROR, ElasticStub, ItemFault, RequestFault
from support.indexed import index_on, named, some
from support.processes import eventually
from syncd.errors import RemoteError, RemoteKind
from syncd.index import bulk
from syncd.ports import ArchiveIndex, Document, Receipt, Taken

K = RemoteKind


def taken(receipts: list[Receipt]) -> set[Taken]:
    return {receipt.taken for receipt in receipts}


def failure(index: ArchiveIndex, documents: list[Document]) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        index.add(documents)
    return caught.value


def test_each_document_is_there_by_its_id(index: ArchiveIndex, stub: ElasticStub) -> None:
    documents = some(3)
    receipts = index.add(documents)
    assert receipts == [Receipt(id=document.id, taken=Taken.DONE) for document in documents]
    assert stub.documents() == {document.id: document.source for document in documents}


def test_the_same_documents_twice_are_there_once(index: ArchiveIndex, stub: ElasticStub) -> None:
    index.add(some(5))
    assert taken(index.add(some(5))) == {Taken.DONE}
    assert len(stub.documents()) == 5


def test_nothing_to_add_asks_nothing(index: ArchiveIndex, stub: ElasticStub) -> None:
    assert index.add([]) == []
    assert stub.seen == []


def test_no_request_has_more_than_a_thousand_documents(index: ArchiveIndex, stub: ElasticStub) -> None:
    assert len(index.add(some(2500))) == 2500
    assert [seen.documents for seen in stub.bulks()] == [1000, 1000, 500]


def test_no_request_is_over_five_megabytes(index: ArchiveIndex, stub: ElasticStub) -> None:
    documents = [Document(id=f"{number}", source={"host": "x" * 40_000}) for number in range(300)]
    assert taken(index.add(documents)) == {Taken.DONE}
    sizes = [seen.size for seen in stub.bulks()]
    assert len(sizes) == 3
    assert max(sizes) <= bulk.MAX_BYTES
    assert len(stub.documents()) == 300


def test_a_proxy_that_takes_less_gets_less(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.largest = 20_000
    assert taken(index.add(some(200))) == {Taken.DONE}
    assert len(stub.documents()) == 200


def test_a_single_document_that_is_too_large_is_dead(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.largest = 2_000
    large = Document(id="large", source={"host": "x" * 3_000})
    receipts = index.add([large, *some(1)])
    assert [receipt.taken for receipt in receipts] == [Taken.DEAD, Taken.DONE]
    assert "too large" in receipts[0].reason


@pytest.mark.parametrize(("status", "error"), [(429, BUSY), (503, BROKEN), (500, BROKEN)])
def test_items_that_the_server_could_not_take_now_are_tried_again(
    index: ArchiveIndex, stub: ElasticStub, status: int, error: dict[str, str]
) -> None:
    documents = some(10)
    chosen = {documents[2].source["key"], documents[7].source["key"]}
    stub.fail_items(ItemFault(status=status, error=error, chosen=lambda source: source["key"] in chosen))
    receipts = index.add(documents)
    assert [at for at, receipt in enumerate(receipts) if receipt.taken is Taken.RETRY] == [2, 7]
    assert receipts[2].reason == f"{status}: {error['type']}: {error['reason']}"
    assert len(stub.documents()) == 8


def test_a_mapping_error_is_dead_with_its_reason(index: ArchiveIndex, stub: ElasticStub) -> None:
    caused = {**MAPPING_ERROR, "caused_by": {"type": "illegal_argument_exception", "reason": 'For input string: "x"'}}
    stub.fail_items(ItemFault(status=400, error=caused, times=1))
    first, second = index.add(some(2))
    assert (first.taken, second.taken) == (Taken.DEAD, Taken.DONE)
    assert first.reason == (
        "400: document_parsing_exception: [1:9] failed to parse field [size] of type [long] "
        '(caused by For input string: "x")'
    )


@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (400, "index_closed_exception", "closed"),
        (400, "validation_exception", "this cluster currently has [1000]/[1000] maximum normal shards open"),
        (400, "illegal_argument_exception", "no write index is defined for alias [syncd-archives]"),
        (403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)]"),
        (403, "security_exception", "action [indices:data/write/bulk] is unauthorized"),
        (404, "index_not_found_exception", "no such index and [action.auto_create_index] is [false]"),
        (409, "version_conflict_engine_exception", "conflict"),
    ],
)
def test_what_a_person_mends_in_the_index_kills_no_document(
    index: ArchiveIndex, stub: ElasticStub, status: int, kind: str, reason: str
) -> None:
    stub.fail_items(ItemFault(status=status, error={"type": kind, "reason": reason}))
    receipts = index.add(some(2))
    assert taken(receipts) == {Taken.RETRY}
    assert kind in receipts[0].reason


def test_items_without_an_answer_are_tried_again(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.fail(RequestFault(half=True, times=1))
    receipts = index.add(some(10))
    assert [receipt.taken for receipt in receipts] == [Taken.DONE] * 5 + [Taken.RETRY] * 5
    assert receipts[9].reason == "the answer does not name it"


def test_neither_the_order_nor_the_summary_of_an_answer_is_believed(index: ArchiveIndex, stub: ElasticStub) -> None:
    documents = some(4)
    stub.fail(RequestFault(shuffle=True))  # says errors where there are none, and none where there are
    stub.fail_items(ItemFault(chosen=lambda source: source["key"] == documents[0].source["key"]))
    assert [receipt.taken for receipt in index.add(documents)] == [Taken.RETRY, *[Taken.DONE] * 3]


def test_a_lost_answer_is_a_failure_and_the_next_try_adds_nothing_twice(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.fail(RequestFault(lose_answer=True, times=1))
    assert failure(index, some(4)).kind is K.UNAVAILABLE
    assert len(stub.documents()) == 4
    assert taken(index.add(some(4))) == {Taken.DONE}
    assert len(stub.documents()) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((429, K.THROTTLED), (503, K.UNAVAILABLE), (500, K.UNAVAILABLE), (502, K.UNAVAILABLE), (401, K.DENIED)),
        *((403, K.DENIED), (400, K.REJECTED), (404, K.MISSING), (302, K.REJECTED)),
    ],
)
def test_what_befalls_a_whole_request_is_one_failure_and_it_is_sent_once(
    index: ArchiveIndex, stub: ElasticStub, status: int, kind: RemoteKind
) -> None:
    body = {"error": {"type": "some_exception", "reason": "because"}, "status": status}
    stub.fail(RequestFault(answer=(status, body)))
    error = failure(index, some(2))
    assert error.kind is kind
    assert stub.url in error.message
    assert f"({status}: some_exception: because)" in error.message
    assert len(stub.seen) == 1


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b'{"items": 7}', b'"fine"', b'{"a": \xff}', b"[" * 200_000],
    ids=["empty", "cut", "list", "null", "no-items", "text", "no-unicode", "nested"],
)
def test_an_answer_that_makes_no_sense_is_a_failure(index: ArchiveIndex, stub: ElasticStub, raw: bytes) -> None:
    stub.fail(RequestFault(raw=raw))
    error = failure(index, some(2))
    assert error.kind is K.UNAVAILABLE
    assert "makes no sense" in error.message


@pytest.mark.parametrize(
    "item",
    [
        *(None, {}, {"index": None}, {"index": {"status": 201}}, {"index": {"_id": 7, "status": 201}}),
        {"index": {"_id": "somebody else's", "status": 201}},
        {"create": {"_id": "MINE", "status": 201}},
        {"index": {"_id": "MINE", "status": "201"}},
        {"index": {"_id": "MINE", "status": 201, "error": "no"}},
    ],
)
def test_an_item_that_makes_no_sense_is_no_receipt(index: ArchiveIndex, stub: ElasticStub, item: object) -> None:
    stub.fail(RequestFault(answer=(200, {"errors": False, "took": 1, "items": [item]})))
    assert taken(index.add([Document(id="MINE", source={})])) == {Taken.RETRY}


def test_a_name_that_is_no_unicode_spoils_nobody_elses_request(index: ArchiveIndex, stub: ElasticStub) -> None:
    broken = Document(id="b", source={"key": "\udcff"})
    receipts = index.add([broken, *some(2)])
    assert [receipt.taken for receipt in receipts] == [Taken.DEAD, Taken.DONE, Taken.DONE]
    assert "Unicode" in receipts[0].reason


def test_odd_names_arrive_as_they_are(index: ArchiveIndex, stub: ElasticStub) -> None:
    documents = named("d/a\nb", 'd/"', "d/\u2028", "d/é", "d/🦀", "d/\x01", "d/{}", "d/\\n")
    index.add(documents)
    assert stub.documents() == {document.id: document.source for document in documents}


# --- away -------------------------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens_is_unavailable_and_it_goes_on_once_somebody_does(
    index: ArchiveIndex, stub: ElasticStub
) -> None:
    stub.refuse()
    error = failure(index, some(1))
    assert error.kind is K.UNAVAILABLE
    assert "the connection was refused" in error.message
    stub.listen()
    assert taken(index.add(some(1))) == {Taken.DONE}


def test_a_server_that_does_not_answer_is_unavailable_after_the_time_out(stub: ElasticStub, flavor: str) -> None:
    stub.fail(RequestFault(hang=True))
    with index_on(stub, flavor, timeout_s=0.2) as index:
        error = failure(index, some(1))
    assert error.kind is K.UNAVAILABLE
    assert "no answer in time" in error.message
    assert len(stub.seen) == 1


def test_a_server_that_trickles_is_unavailable_after_twice_the_time_out(stub: ElasticStub, flavor: str) -> None:
    stub.fail(RequestFault(trickle=True, times=1))
    with index_on(stub, flavor, timeout_s=0.2) as index:
        began = time.monotonic()
        error = failure(index, some(1))
        assert time.monotonic() - began < 5.0
        assert "no answer in time" in error.message
        assert taken(index.add(some(1))) == {Taken.DONE}


def test_closing_it_ends_what_is_under_way(stub: ElasticStub, flavor: str) -> None:
    stub.fail(RequestFault(hang=True))
    with index_on(stub, flavor, timeout_s=60.0) as index, ThreadPoolExecutor(1) as threads:
        failed = threads.submit(failure, index, some(1))
        eventually(lambda: stub.seen, within=10.0, what="a request")
        index.close()
        assert failed.result(timeout=10.0).kind is K.UNAVAILABLE


def test_a_host_that_is_not_known_is_unavailable(stub: ElasticStub, flavor: str) -> None:
    with index_on(stub, flavor, url="http://no-such-host.invalid:9200") as index:
        error = failure(index, some(1))
    assert error.kind is K.UNAVAILABLE
    assert "host name" in error.message


@pytest.mark.parametrize("flavor", ["elasticsearch", "opensearch"])
def test_nothing_is_said_but_what_is_raised(
    index: ArchiveIndex, stub: ElasticStub, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    stub.warning = "this request is deprecated"
    index.add(some(1))
    stub.fail(RequestFault(answer=(503, "busy"), times=1))
    failure(index, some(1))
    stub.refuse()
    failure(index, some(1))
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
