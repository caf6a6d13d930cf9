"""What every ObjectStore does, the fake and the real ones alike."""

from __future__ import annotations

import hashlib
import io
import time
from typing import Any

import pytest
from awscrt.checksums import crc64nvme

from support.subjects import Subject, able, all_but, only
from syncd.core.model import Digest, ETag, HashType, ObjectFacts
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Checksums, Matches, ObjectHeaders, ObjectStore, Part, PutAnswer, Unchecked
from syncd.s3.facts import crc64nvme_base64

OTHER = ETag("ffffffffffffffffffffffffffffffff")
MIB = 1024 * 1024

KEYS = (
    "plain",
    "a/b/c.gz",
    "a space",
    " leading and trailing ",
    "double//slash",
    "question?mark=1&more",
    "hash#tag",
    "tilde~",
    "plus+sign",
    "percent%sign",
    "percent%2Fencoded",
    "quote'\"quote",
    "less<than>&amp;",
    "bräuche/日本語/😀",
    "trailing/",
    "x" * 900,
)


def put(objects: ObjectStore, key: str, body: bytes, **more: object) -> PutAnswer:
    given = {"expect": Unchecked(), "headers": ObjectHeaders(), "sums": Checksums(), **more}
    return objects.put(key, io.BytesIO(body), len(body), **given)  # type: ignore[arg-type]


def read(objects: ObjectStore, key: str, etag: ETag, **more: int) -> bytes:
    with objects.get(key, expect=etag, **more) as body:
        return b"".join(body)


def keys(objects: ObjectStore, prefix: str = "") -> list[str]:
    return [row.key for page in objects.list(prefix) for row in page.objects]


def facts(objects: ObjectStore, key: str) -> ObjectFacts:
    seen = objects.head(key)
    assert seen is not None
    return seen


# --- bytes -----------------------------------------------------------------------------------------------


def test_what_is_put_is_read_back_listed_and_described(subject: Subject) -> None:
    answer = put(subject.objects, "logs/a.gz", b"content")
    seen = facts(subject.objects, "logs/a.gz")
    row = next(iter(subject.objects.list("logs/"))).objects[0]
    assert read(subject.objects, "logs/a.gz", answer.etag) == b"content"
    assert (seen.etag, seen.size, seen.lying) == (answer.etag, 7, False)
    assert (row.key, row.size, row.etag, row.archived) == ("logs/a.gz", 7, answer.etag, False)
    assert abs(row.last_modified_s - time.time()) < 60
    assert row.last_modified_s == seen.last_modified_s


@able("etag_is_md5")
def test_an_etag_is_the_md5_where_the_probe_says_so(subject: Subject) -> None:
    assert put(subject.objects, "k", b"content").etag == hashlib.md5(b"content").hexdigest()


def test_an_empty_object_is_an_object(subject: Subject) -> None:
    answer = put(subject.objects, "empty", b"")
    assert facts(subject.objects, "empty").size == 0
    assert read(subject.objects, "empty", answer.etag) == b""
    assert keys(subject.objects) == ["empty"]


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1, 3 * MIB + 7])
def test_a_body_is_sent_from_where_it_stands_and_no_further_than_its_size(subject: Subject, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    body = io.BytesIO(b"before" + content[:size] + b"after")
    body.seek(6)
    answer = subject.objects.put(
        "k",
        body,
        size,
        expect=Absent(),
        headers=ObjectHeaders(),
        sums=Checksums(sha256=hashlib.sha256(content[:size]).digest()),
    )
    assert read(subject.objects, "k", answer.etag) == content[:size]


@pytest.mark.parametrize("size", [100, MIB])
def test_a_file_that_ends_early_is_stale_and_is_not_stored(subject: Subject, size: int) -> None:
    with pytest.raises(Stale):
        subject.objects.put(
            "k", io.BytesIO(b"x" * (size - 1)), size, expect=Unchecked(), headers=ObjectHeaders(), sums=Checksums()
        )
    assert subject.objects.head("k") is None


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (0, 4, b"0123"), (4, 3, b"456"), (8, 100, b"89"), (9, 1, b"9")],
)
def test_a_range_gives_those_bytes_and_the_facts_of_the_whole(
    subject: Subject, start: int, length: int | None, expected: bytes
) -> None:
    answer = put(subject.objects, "k", b"0123456789")
    with subject.objects.get("k", expect=answer.etag, start=start, length=length) as body:
        assert b"".join(body) == expected
        assert (body.facts.size, body.facts.etag) == (10, answer.etag)


def test_a_range_behind_the_end_is_refused(subject: Subject) -> None:
    answer = put(subject.objects, "k", b"0123456789")
    with pytest.raises(RemoteError) as refused:
        read(subject.objects, "k", answer.etag, start=10)
    assert refused.value.kind is RemoteKind.REJECTED


def test_a_range_of_no_bytes_is_no_range(subject: Subject) -> None:
    answer = put(subject.objects, "k", b"0123456789")
    with pytest.raises(ValueError):
        read(subject.objects, "k", answer.etag, start=1, length=0)


def test_an_object_that_is_not_there_has_no_facts(subject: Subject) -> None:
    assert subject.objects.head("nothing") is None


def test_reading_what_changed_or_is_gone_is_stale(subject: Subject) -> None:
    old = put(subject.objects, "k", b"old")
    put(subject.objects, "k", b"new")
    with pytest.raises(Stale):
        read(subject.objects, "k", old.etag)
    with pytest.raises(Stale):
        read(subject.objects, "gone", old.etag)


# --- preconditions of writes -----------------------------------------------------------------------------


@able("put_if_none_match")
def test_absent_lets_the_first_write_through_and_not_the_second(subject: Subject) -> None:
    first = put(subject.objects, "k", b"first", expect=Absent())
    with pytest.raises(Stale):
        put(subject.objects, "k", b"second", expect=Absent())
    assert read(subject.objects, "k", first.etag) == b"first"


@able("put_if_match")
def test_matches_lets_a_write_over_that_etag_through_and_over_no_other(subject: Subject) -> None:
    first = put(subject.objects, "k", b"first")
    second = put(subject.objects, "k", b"second", expect=Matches(first.etag))
    with pytest.raises(Stale):
        put(subject.objects, "k", b"third", expect=Matches(first.etag))
    assert read(subject.objects, "k", second.etag) == b"second"


@able("put_if_match")
def test_matches_on_an_object_that_is_gone_is_stale(subject: Subject) -> None:
    with pytest.raises(Stale):
        put(subject.objects, "gone", b"x", expect=Matches(OTHER))
    assert keys(subject.objects) == []


@able("put_if_none_match")
def test_a_large_body_is_refused_by_its_precondition_as_well(subject: Subject) -> None:
    put(subject.objects, "k", b"first")
    with pytest.raises(Stale):
        put(subject.objects, "k", b"x" * MIB, expect=Absent())


def test_unchecked_writes_over_anything(subject: Subject) -> None:
    put(subject.objects, "k", b"first")
    second = put(subject.objects, "k", b"second")
    assert read(subject.objects, "k", second.etag) == b"second"


@able("delete_if_match")
def test_a_delete_with_the_right_etag_deletes_and_with_a_wrong_one_does_not(subject: Subject) -> None:
    answer = put(subject.objects, "k", b"content")
    with pytest.raises(Stale):
        subject.objects.delete("k", expect=Matches(OTHER))
    assert keys(subject.objects) == ["k"]
    subject.objects.delete("k", expect=Matches(answer.etag))
    assert keys(subject.objects) == []


def test_deleting_what_is_gone_is_no_error(subject: Subject) -> None:
    subject.objects.delete("gone", expect=Unchecked())
    if subject.name != "localstack":
        subject.objects.delete("gone", expect=Matches(OTHER))


@only("localstack")
def test_localstack_answers_501_to_a_conditional_delete(subject: Subject) -> None:
    answer = put(subject.objects, "k", b"content")
    with pytest.raises(RemoteError) as refused:
        subject.objects.delete("k", expect=Matches(answer.etag))
    assert (refused.value.kind, refused.value.code) == (RemoteKind.REJECTED, "NotImplemented")
    assert keys(subject.objects) == ["k"]


# --- keys and listings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_kept_as_it_is(subject: Subject, key: str) -> None:
    answer = put(subject.objects, key, b"content")
    assert keys(subject.objects) == [key]
    assert facts(subject.objects, key).size == 7
    assert read(subject.objects, key, answer.etag) == b"content"
    subject.objects.copy(key, f"{key}-copy", source_etag=answer.etag, expect=Unchecked(), headers=None)
    subject.objects.delete(key, expect=Unchecked())
    assert keys(subject.objects) == [f"{key}-copy"]


@all_but("moto")
def test_a_newline_in_a_key_is_kept(subject: Subject) -> None:
    answer = put(subject.objects, "new\nline", b"content")
    assert keys(subject.objects) == ["new\nline"]
    assert read(subject.objects, "new\nline", answer.etag) == b"content"


@only("moto")
def test_moto_answers_404_for_a_key_with_a_newline(subject: Subject) -> None:
    with pytest.raises(RemoteError) as refused:
        put(subject.objects, "new\nline", b"content")
    assert (refused.value.kind, refused.value.code) == (RemoteKind.MISSING, "404")
    assert keys(subject.objects) == []


def test_a_listing_of_more_than_a_page_is_in_the_order_of_bytes(subject: Subject) -> None:
    names = sorted((f"p/{n:04d}{'-' * (n % 3)}" for n in range(1007)), key=str.encode)
    names += ["p/z", "p/z-", "p/z/a", "p/z0"]
    if subject.name != "localstack":
        names += ["p/é", "p/日", "p/😀"]
    for name in names:
        put(subject.objects, name, b"")
    put(subject.objects, "other", b"")
    pages = list(subject.objects.list("p/"))
    assert [row.key for page in pages for row in page.objects] == sorted(names, key=str.encode)
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(pages) >= 2


def test_localstack_lists_no_key_beyond_ascii_behind_its_first_page(localstack: Any, new_bucket: Any) -> None:
    """It compares keys as a URL spells them with where the page ended: such a listing looks whole, and is not."""
    client, bucket = localstack.client(), new_bucket(localstack)
    for name in ("a", "b", "z", "é"):
        client.put_object(Bucket=bucket, Key=name, Body=b"")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [row["Key"] for page in pages for row in page["Contents"]] == ["a", "b", "z"]
    assert client.head_object(Bucket=bucket, Key="é")["ContentLength"] == 0


def test_an_empty_listing_is_one_last_page(subject: Subject) -> None:
    pages = list(subject.objects.list("nothing/"))
    assert [(list(page.objects), page.last) for page in pages] == [([], True)]


# --- what stands beside the bytes ------------------------------------------------------------------------


def test_metadata_comes_back_parsed_whatever_characters_it_has(subject: Subject) -> None:
    digest = Digest(HashType.SHA256, hashlib.sha256(b"content").hexdigest())
    headers = ObjectHeaders(
        metadata={
            "original-filename": "Bräuche \n 日本 100%.gz",
            "file-size": "7",
            "file-hash": digest.hex,
            "hash-type": "sha256",
            "source-host-id": "hôst id",
            "syncd-op": " op-1 ",
            "mtime": "1700000000.123456789",
        },
        content_type="application/gzip",
    )
    answer = put(subject.objects, "k", b"content", headers=headers)
    seen = facts(subject.objects, "k")
    assert (seen.digest, seen.mtime_ns, seen.lying) == (digest, 1_700_000_000_123_456_789, False)
    assert (seen.host_id, seen.operation_id) == ("hôst id", " op-1 ")
    with subject.objects.get("k", expect=answer.etag, length=1) as body:
        assert (body.facts.digest, body.facts.mtime_ns) == (digest, 1_700_000_000_123_456_789)


def test_a_size_that_is_not_the_objects_makes_its_metadata_a_liar(subject: Subject) -> None:
    headers = ObjectHeaders(metadata={"file-size": "8", "file-hash": "0" * 64, "hash-type": "sha256"})
    put(subject.objects, "k", b"content", headers=headers)
    seen = facts(subject.objects, "k")
    assert (seen.lying, seen.digest) == (True, None)


@able("stores_checksum")
def test_a_checksum_that_is_sent_is_answered_and_shown(subject: Subject) -> None:
    value = crc64nvme(b"content")
    answer = put(subject.objects, "k", b"content", sums=Checksums(crc64nvme=value))
    assert answer.checksum == facts(subject.objects, "k").checksum == f"CRC64NVME:{crc64nvme_base64(value)}"


@pytest.mark.parametrize("size", [7, MIB])
def test_every_checksum_that_is_known_can_go_along(subject: Subject, size: int) -> None:
    content = b"x" * size
    sums = Checksums(
        md5=hashlib.md5(content).digest(), sha256=hashlib.sha256(content).digest(), crc64nvme=crc64nvme(content)
    )
    answer = put(subject.objects, "k", content, sums=sums)
    assert read(subject.objects, "k", answer.etag) == content


@all_but("moto")
def test_bytes_that_are_not_those_of_the_md5_are_refused(subject: Subject) -> None:
    with pytest.raises(RemoteError) as refused:
        put(subject.objects, "k", b"content", sums=Checksums(md5=hashlib.md5(b"other").digest()))
    assert refused.value.kind is RemoteKind.CORRUPT
    assert subject.objects.head("k") is None


@only("moto")
def test_moto_takes_any_content_md5(subject: Subject) -> None:
    answer = put(subject.objects, "k", b"content", sums=Checksums(md5=hashlib.md5(b"other").digest()))
    assert read(subject.objects, "k", answer.etag) == b"content"


# --- uploads in parts ------------------------------------------------------------------------------------

PARTS = (b"a" * 5 * MIB, b"b" * 5 * MIB, b"tail")


def upload_parts(objects: ObjectStore, key: str, upload_id: str) -> list[Part]:
    return [
        objects.put_part(key, upload_id, number, io.BytesIO(body), len(body), sums=Checksums(crc64nvme=crc64nvme(body)))
        for number, body in enumerate(PARTS, start=1)
    ]


def test_parts_become_one_object_with_its_metadata_and_checksum(subject: Subject) -> None:
    whole = b"".join(PARTS)
    headers = ObjectHeaders(metadata={"mtime": "1700000000.000000001", "file-size": str(len(whole))})
    upload_id = subject.objects.create_multipart("big", headers=headers)
    parts = upload_parts(subject.objects, "big", upload_id)
    answer = subject.objects.complete_multipart(
        "big",
        upload_id,
        list(reversed(parts)),
        expect=Absent() if subject.capabilities.put_if_none_match else Unchecked(),
        size=len(whole),
        sums=Checksums(crc64nvme=crc64nvme(whole)),
    )
    seen = facts(subject.objects, "big")
    assert read(subject.objects, "big", answer.etag) == whole
    assert (seen.size, seen.mtime_ns, seen.etag) == (len(whole), 1_700_000_000_000_000_001, answer.etag)
    assert answer.etag.endswith("-3")


@all_but("ceph")
def test_an_upload_in_parts_does_not_replace_what_came_meanwhile(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    parts = upload_parts(subject.objects, "big", upload_id)
    faster = put(subject.objects, "big", b"faster")
    with pytest.raises(Stale):
        subject.objects.complete_multipart(
            "big", upload_id, parts, expect=Absent(), size=sum(map(len, PARTS)), sums=Checksums()
        )
    assert read(subject.objects, "big", faster.etag) == b"faster"


@only("ceph")
def test_radosgw_ignores_the_precondition_of_an_upload_in_parts(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    parts = upload_parts(subject.objects, "big", upload_id)
    put(subject.objects, "big", b"faster")
    whole = b"".join(PARTS)
    answer = subject.objects.complete_multipart(
        "big", upload_id, parts, expect=Absent(), size=len(whole), sums=Checksums()
    )
    assert read(subject.objects, "big", answer.etag) == whole


def test_the_parts_of_an_upload_are_listed_as_they_were_answered(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    assert list(subject.objects.list_parts("big", upload_id)) == []
    parts = upload_parts(subject.objects, "big", upload_id)
    listed = subject.objects.list_parts("big", upload_id)
    assert [(one.part.number, one.part.etag, one.size) for one in listed] == [
        (part.number, part.etag, len(body)) for part, body in zip(parts, PARTS, strict=True)
    ]
    assert all(one.part.checksum in {None, part.checksum} for one, part in zip(listed, parts, strict=True))


def test_the_parts_of_an_upload_that_is_gone_are_missing(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    subject.objects.abort_multipart("big", upload_id)
    with pytest.raises(RemoteError) as gone:
        subject.objects.list_parts("big", upload_id)
    assert gone.value.kind is RemoteKind.MISSING
    assert gone.value.code == ("NoSuchKey" if subject.name == "ceph" else "NoSuchUpload")


def test_an_aborted_upload_leaves_nothing_and_a_second_abort_is_no_error(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    subject.objects.put_part("big", upload_id, 1, io.BytesIO(b"x"), 1, sums=Checksums(crc64nvme=crc64nvme(b"x")))
    subject.objects.abort_multipart("big", upload_id)
    subject.objects.abort_multipart("big", upload_id)
    assert keys(subject.objects) == []


@all_but("moto")
def test_a_part_for_an_upload_that_is_gone_finds_it_missing(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    subject.objects.abort_multipart("big", upload_id)
    with pytest.raises(RemoteError) as gone:
        subject.objects.put_part("big", upload_id, 1, io.BytesIO(b"x"), 1, sums=Checksums())
    assert (gone.value.kind, gone.value.code) == (RemoteKind.MISSING, "NoSuchUpload")


@only("moto")
def test_moto_fails_with_500_for_a_part_of_an_upload_that_is_gone(subject: Subject) -> None:
    upload_id = subject.objects.create_multipart("big", headers=ObjectHeaders())
    subject.objects.abort_multipart("big", upload_id)
    with pytest.raises(RemoteError) as failed:
        subject.objects.put_part("big", upload_id, 1, io.BytesIO(b"x"), 1, sums=Checksums())
    assert (failed.value.kind, failed.value.code) == (RemoteKind.UNAVAILABLE, "500")


# --- copies ----------------------------------------------------------------------------------------------


def test_a_copy_has_the_bytes_and_the_metadata_of_its_source(subject: Subject) -> None:
    source = put(subject.objects, "k", b"content", headers=ObjectHeaders(metadata={"mtime": "5.000000000"}))
    answer = subject.objects.copy("k", "copies/k", source_etag=source.etag, expect=Unchecked(), headers=None)
    assert read(subject.objects, "copies/k", answer.etag) == b"content"
    assert facts(subject.objects, "copies/k").mtime_ns == 5_000_000_000


def test_a_copy_with_headers_has_those_and_not_the_sources(subject: Subject) -> None:
    source = put(subject.objects, "k", b"content", headers=ObjectHeaders(metadata={"mtime": "5.000000000"}))
    headers = ObjectHeaders(metadata={"syncd-op": "new"})
    subject.objects.copy("k", "copy", source_etag=source.etag, expect=Unchecked(), headers=headers)
    seen = facts(subject.objects, "copy")
    assert (seen.mtime_ns, seen.operation_id) == (None, "new")


@able("copy_if_match")
def test_a_copy_of_what_changed_is_stale(subject: Subject) -> None:
    put(subject.objects, "k", b"content")
    with pytest.raises(Stale):
        subject.objects.copy("k", "copy", source_etag=OTHER, expect=Unchecked(), headers=None)
    assert keys(subject.objects) == ["k"]


def test_a_copy_of_what_is_gone_is_stale(subject: Subject) -> None:
    with pytest.raises(Stale):
        subject.objects.copy("gone", "copy", source_etag=OTHER, expect=Unchecked(), headers=None)


def test_the_servers_clock_is_told(subject: Subject) -> None:
    put(subject.objects, "k", b"")
    assert abs(subject.objects.server_now() - time.time()) < 60
