"""Where an original went: records first, then the index, then the bucket; and nobody's word is believed unread."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from support.archive_shelf import BEGAN_MS, Packed, Shelf, manifest_of
from support.elastic_stub import ElasticStub
from support.indexed import index_on
from syncd.archive.finding import Asker, Gone, Hit, Search, Source
from syncd.archive.listing import Listing, names_archive
from syncd.archive.manifests import TAIL, listed_archives, read_manifest
from syncd.archive.patterns import parse_pattern
from syncd.core.documents import documents
from syncd.core.manifest import Pointer, dump, manifest_key, pointer_block
from syncd.core.paths import RelPath
from syncd.errors import ItemError, RemoteError, RemoteKind
from syncd.store.database import Database

AWAY = RemoteError(RemoteKind.UNAVAILABLE, "it is away")


def search(*shelves: Shelf, typed: str, **given: Any) -> Search:
    pattern = parse_pattern(typed, roots=[shelf.root for shelf in shelves])
    return Search(sections=shelves, pattern=pattern, **given)


def names(hits: list[Hit]) -> list[str]:
    return [hit.name for hit in hits]


def found(shelf: Shelf, typed: str, **given: Any) -> tuple[list[str], Source | None]:
    asked = search(shelf, typed=typed, **given)
    return names(list(asked.hits())), asked.source


# --- who answers --------------------------------------------------------------------------------------------------


def test_the_records_answer_without_a_request(shelf: Shelf) -> None:
    shelf.pack({"run-1/a.log": b"a", "run-1/b.log": b"b"}, folder="run-1")
    assert found(shelf, "lab/run-1/*") == (["lab/run-1/a.log", "lab/run-1/b.log"], Source.RECORDS)
    assert not shelf.lab.requests


@pytest.mark.parametrize("typed", ["lab/run-1/a.log", "s3://lab/run-1/a.log", "/srv/batch/lab/run-1/a.log", "a.log"])
@pytest.mark.parametrize("recorded", [True, False])
def test_every_way_to_name_it_finds_it(shelf: Shelf, typed: str, recorded: bool) -> None:
    shelf.pack({"run-1/a.log": b"a", "run-1/ba.log": b"b"}, folder="run-1", recorded=recorded)
    source = Source.RECORDS if recorded else Source.MANIFESTS
    assert found(shelf, typed) == (["lab/run-1/a.log"], source)


def test_a_lost_database_asks_the_index(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    with ElasticStub() as stub, index_on(stub) as index:
        index.prepare()
        index.add(list(documents(packed.manifest)))
        shelf.index = index
        hits = search(shelf, typed="lab/*.log")
        (hit,) = hits.hits()
    assert (hits.source, hit.name, hit.found.archive_key) == (Source.INDEX, "lab/a.log", packed.key)
    assert hit.found.member.mtime_ns == packed.member("a.log").mtime_ns
    assert not shelf.lab.requests


def test_an_index_that_is_down_is_a_gap_and_the_bucket_answers(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"}, recorded=False)
    with ElasticStub() as stub, index_on(stub, timeout_s=1.0) as index:
        stub.refuse()
        shelf.index = index
        asked = search(shelf, typed="lab/a.log")
        assert names(list(asked.hits())) == ["lab/a.log"]
        stub.listen()
    assert asked.source is Source.MANIFESTS
    assert [gap.retryable for gap in asked.gaps] == [True]


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "../../etc/passwd"},
        {"key": ".syncd/marker"},
        {"bucket": "a/b"},
        {"archive_key": "/x.tar"},
        {"offset": -1},
        {"size": "7"},
        {"sha256": "no"},
        {"mtime": "yesterday"},
        {"mtime": "2026-13-40T00:00:00Z"},
        {"archived_at": None},
    ],
)
def test_a_document_that_is_none_of_ours_is_passed_over(shelf: Shelf, changed: dict[str, object]) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    (document,) = documents(packed.manifest)
    shelf.index = SaidIndex([{**document.source, **changed}])
    assert list(search(shelf, typed="*", source=Source.INDEX).hits()) == []


def test_nobody_knows_it(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"})
    assert found(shelf, "lab/b.log") == ([], None)


def test_one_source_alone_may_be_asked(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"})
    assert found(shelf, "lab/a.log", source=Source.MANIFESTS) == (["lab/a.log"], Source.MANIFESTS)
    assert found(shelf, "lab/a.log", source=Source.INDEX) == ([], Source.INDEX)


class SaidIndex:
    """An index that says what it is told to say."""

    def __init__(self, sources: list[dict[str, object]]) -> None:
        self._sources = sources

    def prepare(self) -> None: ...

    def add(self, documents: object) -> Any: ...

    def find(self, pattern: str, *, limit: int) -> Any:
        return self._sources

    def close(self) -> None: ...


# --- versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [True, False])
def test_of_a_key_archived_twice_the_newest_is_found_and_all_of_them_on_demand(shelf: Shelf, recorded: bool) -> None:
    old = shelf.pack({"a.log": b"old", "b.log": b"b"}, recorded=recorded)
    new = shelf.pack({"a.log": b"new"}, recorded=recorded)
    newest = list(search(shelf, typed="lab/*").hits())
    assert [(hit.name, hit.found.archive_key) for hit in newest] == [("lab/a.log", new.key), ("lab/b.log", old.key)]
    every = list(search(shelf, typed="lab/a.log", versions=True).hits())
    assert [hit.found.archive_key for hit in every] == [new.key, old.key]


def test_two_batches_that_know_one_key_agree_on_the_newest(shelf: Shelf, database: Database) -> None:
    other = Shelf(store=database.archives("other"), name="other", made=10, stores=shelf.stores)
    shelf.pack({"a.log": b"old", "c.log": b"c"})
    new = other.pack({"a.log": b"new", "b.log": b"b"})
    hits = list(search(shelf, other, typed="lab/*").hits())
    assert names(hits) == ["lab/a.log", "lab/b.log", "lab/c.log"]
    assert hits[0].found.archive_key == new.key


def test_two_batches_with_one_bucket_list_it_once(shelf: Shelf, database: Database) -> None:
    other = Shelf(store=database.archives("other"), name="other", stores=shelf.stores)
    shelf.pack({"a.log": b"a"}, recorded=False)
    assert names(list(search(shelf, other, typed="*", versions=True).hits())) == ["lab/a.log"]
    assert shelf.lab.requests["list"] == 1


def test_what_shrank_while_it_was_packed_is_no_version(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a", "b.log": b"b"}, void=frozenset({"a.log"}), recorded=False)
    assert found(shelf, "*")[0] == ["lab/b.log"]


# --- the bucket alone ---------------------------------------------------------------------------------------------


def test_a_manifest_object_is_one_read(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"}, recorded=False)
    assert found(shelf, "*")[0] == ["lab/a.log"]
    assert shelf.lab.requests == {"list": 1, "get": 1}


def test_without_one_the_archive_tells_by_its_end(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"}, recorded=False, beside=False)
    assert found(shelf, "*")[0] == ["lab/a.log"]
    assert shelf.lab.requests == {"list": 1, "get": 1}


def test_a_manifest_longer_than_the_tail_takes_one_read_more(shelf: Shelf) -> None:
    packed = shelf.pack({f"{number:03}.log": b"x" for number in range(100)}, recorded=False, beside=False)
    assert len(dump(packed.manifest)) > TAIL
    assert len(found(shelf, "*")[0]) == 100
    assert shelf.lab.requests == {"list": 1, "get": 2}


@pytest.mark.parametrize("beside", [True, False])
def test_a_manifest_bucket_is_looked_into(shelf: Shelf, beside: bool) -> None:
    shelf.manifest_bucket = "papers"
    shelf.pack({"run-1/a.log": b"a"}, folder="run-1", recorded=False, beside=beside)
    assert found(shelf, "lab/run-1/*")[0] == ["lab/run-1/a.log"]
    assert shelf.objects("papers").requests["get"] == (1 if beside else 0)
    assert shelf.lab.requests["get"] == (0 if beside else 1)


def test_a_manifest_bucket_that_is_gone_is_not_needed(shelf: Shelf) -> None:
    shelf.manifest_bucket = "papers"
    shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.objects("papers").down = AWAY
    assert found(shelf, "*")[0] == ["lab/a.log"]


def test_a_spoilt_manifest_object_is_made_good_by_the_archive(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.put_manifest(packed.manifest, b"{")
    asked = search(shelf, typed="*")
    assert names(list(asked.hits())) == ["lab/a.log"]
    assert not asked.gaps


def test_only_the_folder_that_is_named_is_listed_and_read(shelf: Shelf) -> None:
    shelf.pack({"run-1/a.log": b"a"}, folder="run-1", recorded=False)
    shelf.pack({"run-1/deep/a.log": b"a"}, folder="run-1/deep", recorded=False)
    shelf.pack({"run-2/a.log": b"a"}, folder="run-2", recorded=False)
    assert found(shelf, "lab/run-1/a.log")[0] == ["lab/run-1/a.log"]
    assert shelf.lab.requests["get"] == 1
    assert found(shelf, "lab/run-1/*.log")[0] == ["lab/run-1/a.log", "lab/run-1/deep/a.log"]
    assert shelf.lab.requests["get"] == 1 + 2


def test_the_newest_of_one_name_ends_the_search(shelf: Shelf) -> None:
    for number in range(20):
        shelf.pack({"a.log": b"%d" % number}, recorded=False)
    (hit,) = search(shelf, typed="lab/a.log").hits()
    assert hit.found.member.sha256 == hashlib.sha256(b"19").hexdigest()
    assert shelf.lab.requests["get"] == 1


def test_a_bucket_that_no_batch_knows_any_more_is_looked_into_by_its_name(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.known = []
    assert found(shelf, "lab/a.log")[0] == ["lab/a.log"]
    assert found(shelf, "*/a.log")[0] == []


def test_one_bucket_that_is_away_is_a_gap_and_the_others_answer(shelf: Shelf) -> None:
    shelf.known = ["lab", "logs"]
    shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.objects("logs").down = AWAY
    asked = search(shelf, typed="*/a.log")
    assert names(list(asked.hits())) == ["lab/a.log"]
    assert [(gap.reason, gap.retryable) for gap in asked.gaps] == [("bucket logs: it is away", True)]


def test_an_endpoint_that_falls_silent_is_not_asked_a_thousand_times(shelf: Shelf) -> None:
    for number in range(20):
        shelf.pack({"a.log": b"%d" % number}, recorded=False, beside=False)
    shelf.lab.fail_next("get", AWAY, times=100)
    with pytest.raises(RemoteError, match="away"):
        list(search(shelf, typed="*").hits())
    assert shelf.lab.requests["get"] < 10


def test_who_hung_up_ends_the_search(shelf: Shelf) -> None:
    shelf.pack({"a.log": b"a"}, recorded=False)
    with pytest.raises(Gone):
        list(search(shelf, typed="*", asker=Asker(gone=lambda: True)).hits())
    assert shelf.lab.requests["get"] == 0


def test_strangers_among_the_archives_are_passed_over(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.lab.plant("backup.tar", b"x" * 20480)
    shelf.lab.plant(packed.key.replace("-7", "-4", 1), b"x" * 20480)
    shelf.lab.plant(packed.key[:-5] + "e.tar", b"x" * 20480)
    shelf.lab.plant(packed.key[:-5] + "f.tar", b"")
    asked = search(shelf, typed="*")
    assert names(list(asked.hits())) == ["lab/a.log"]
    assert not asked.gaps


def test_a_manifest_without_its_archive_finds_nothing(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.lab.take_away(packed.key)
    assert found(shelf, "*") == ([], None)


# --- hostile manifests --------------------------------------------------------------------------------------------


def read(shelf: Shelf, packed: Packed) -> list[str]:
    (listed,) = listed_archives(shelf, "lab", "")
    manifest = read_manifest(shelf, listed)
    return [] if manifest is None else [member.path for member in manifest.members]


def forged(shelf: Shelf, **changed: object) -> Packed:
    """An archive whose own manifest says of its one member what it was told to say."""
    packed = shelf.pack({"a.log": b"a"}, recorded=False, beside=False)
    document = json.loads(dump(packed.manifest))
    document["members"][0].update({key: value for key, value in changed.items() if key in document["members"][0]})
    document["archive"].update({key: value for key, value in changed.items() if key in {"bucket", "uuid"}})
    text = json.dumps(document).encode()
    body = packed.body[:-10240] + text.ljust(-(-len(text) // 512) * 512, b"\0")
    pointer = Pointer(offset=len(packed.body) - 10240, size=len(text), sha256=hashlib.sha256(text).hexdigest())
    shelf.lab.plant(packed.key, body + bytes(1024) + pointer_block(pointer))
    return packed


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "../../../etc/cron.d/x"},
        {"key": "/etc/passwd"},
        {"key": "a/../b"},
        {"key": ".syncd/root.json"},
        {"offset": 1 << 40},
        {"size": 1 << 62},
        {"size": -1},
        {"mode": 0o104755},
        {"bucket": "../up"},
    ],
)
def test_a_manifest_that_would_lead_elsewhere_is_refused_and_named(shelf: Shelf, changed: dict[str, object]) -> None:
    forged(shelf, **changed)
    asked = search(shelf, typed="*")
    assert list(asked.hits()) == []
    (gap,) = asked.gaps
    assert gap.reason.startswith("s3://lab/")
    assert not gap.retryable


@pytest.mark.parametrize(
    ("pointer", "why"),
    [
        (Pointer(offset=1 << 40, size=10, sha256="ab" * 32), "past its end"),
        (Pointer(offset=0, size=1 << 60, sha256="ab" * 32), "past its end"),
        (Pointer(offset=0, size=10, sha256="ab" * 32), "not the one that its pointer names"),
    ],
)
def test_a_pointer_that_leads_astray_is_refused(shelf: Shelf, pointer: Pointer, why: str) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False, beside=False)
    shelf.lab.plant(packed.key, packed.body[:-512] + pointer_block(pointer))
    with pytest.raises(ItemError, match=why):
        read(shelf, packed)


def test_a_manifest_beyond_all_measure_is_not_read(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False, beside=False)
    (listed,) = listed_archives(shelf, "lab", "")
    huge = replace(listed, size=1 << 40)
    body = packed.body[:-512] + pointer_block(Pointer(offset=0, size=1 << 39, sha256="ab" * 32))
    etag = shelf.lab.plant(packed.key, body)
    shelf.stores["lab"] = Endless(shelf.lab, body[-TAIL:])  # type: ignore[assignment]
    with pytest.raises(ItemError, match="is not read"):
        read_manifest(shelf, replace(huge, etag=etag))


class Endless:
    """A bucket whose one object has any size that a test says; its end is what it was given."""

    def __init__(self, bucket: Any, tail: bytes) -> None:
        self._bucket = bucket
        self._tail = tail

    def get(self, key: str, *, expect: Any, start: int = 0, length: int | None = None) -> Any:
        assert length == TAIL
        return self._bucket.get(key, expect=expect, start=max(0, len(self._bucket.contents()[key]) - TAIL))


def test_a_bit_that_fell_over_on_the_way_is_read_again(shelf: Shelf) -> None:
    packed = shelf.pack({f"{number:03}.log": b"x" for number in range(100)}, recorded=False, beside=False)
    shelf.lab.flip_next_read(packed.key, times=2)
    assert len(read(shelf, packed)) == 100


def test_an_archive_replaced_while_it_is_read_says_so(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False, beside=False)
    shelf.lab.intervene("get", lambda: shelf.lab.plant(packed.key, b"another"))
    with pytest.raises(ItemError, match="replaced or removed"):
        read(shelf, packed)


def test_a_manifest_of_another_archive_is_not_believed(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    lie = manifest_of("lab", "run", packed.manifest.uuid, [replace(packed.member("a.log"), path=RelPath("run/b.log"))])
    shelf.lab.plant(manifest_key(packed.key), dump(lie))
    assert found(shelf, "*")[0] == ["lab/a.log"]


def test_a_bucket_that_was_copied_under_another_name_is_as_good(shelf: Shelf) -> None:
    packed = shelf.pack({"a.log": b"a"}, recorded=False)
    shelf.known = ["copy"]
    for key, body in shelf.stores["lab"].contents().items():
        shelf.objects("copy").plant(key, body)
    (hit,) = search(shelf, typed="*").hits()
    assert (hit.name, hit.found.archive_key) == ("copy/a.log", packed.key)


# --- lists --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded", [True, False])
def test_archives_are_listed_newest_first(shelf: Shelf, recorded: bool) -> None:
    shelf.known = ["lab", "lab-2"]
    first = shelf.pack({"run-1/a": b"a"}, folder="run-1", recorded=recorded)
    second = shelf.pack({"run-10/a": b"a"}, folder="run-10", recorded=recorded)
    third = shelf.pack({"a": b"a"}, bucket="lab-2", recorded=recorded)
    listing = Listing(sections=[shelf])
    assert [box.key for box in listing.archives("", limit=10)] == [third.key, second.key, first.key]
    assert [box.key for box in listing.archives("lab", limit=10)] == [second.key, first.key]
    assert [box.key for box in listing.archives("lab/run-1", limit=10)] == [first.key]
    assert [box.key for box in listing.archives("", limit=1)] == [third.key]
    assert listing.source is (Source.RECORDS if recorded else Source.MANIFESTS)


def test_a_list_by_the_bucket_knows_when_an_archive_was_made_but_not_its_files(shelf: Shelf) -> None:
    packed = shelf.pack({"a": b"a"}, recorded=False)
    (box,) = Listing(sections=[shelf]).archives("", limit=10)
    assert (box.size, box.files, box.created_at) == (len(packed.body), None, BEGAN_MS / 1000 + 1)


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("beside", [True, False])
def test_the_files_of_an_archive_are_listed(shelf: Shelf, recorded: bool, beside: bool) -> None:
    files = {"run-1/b": b"b", "run-1/a": b"a", "run-1/v": b"v"}
    packed = shelf.pack(files, folder="run-1", recorded=recorded, beside=beside, void=frozenset({"run-1/v"}))
    listing = Listing(sections=[shelf])
    members = listing.members(f"lab/{packed.key}", limit=10)
    assert members is not None
    assert [one.member for one in members] == [packed.member("run-1/a"), packed.member("run-1/b")]
    assert listing.source is (Source.RECORDS if recorded else Source.MANIFESTS)


def test_an_archive_that_is_not_there_has_no_files(shelf: Shelf) -> None:
    packed = shelf.pack({"a": b"a"})
    assert Listing(sections=[shelf]).members(f"lab/{packed.key[:-5]}e.tar", limit=10) is None
    assert Listing(sections=[shelf]).members(f"logs/{packed.key}", limit=10) is None


def test_an_archive_has_a_name_of_its_own() -> None:
    assert names_archive("lab/018f3b5c-7a10-7abc-8def-0123456789ab.tar")
    assert not names_archive("lab/backup.tar")
    assert not names_archive("lab/018f3b5c-7a10-7abc-8def-0123456789ab.manifest.json")
