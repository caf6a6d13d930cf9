"""What the gateway sends and how it takes answers that no real server of the suite gives."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import accumulate
from typing import Any

import pytest

from support.canned import Canned, error
from syncd.config.types import S3
from syncd.core.model import ETag
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Capabilities, Checksums, Matches, ObjectHeaders, Part, Unchecked
from syncd.s3 import copying
from syncd.s3.connect import connect
from syncd.s3.counts import Requests
from syncd.s3.gateway import Boto3Objects

TAG = ETag("0123456789abcdef0123456789abcdef")
QUOTED = f'"{TAG}"'
GIB = 1024**3


def store(
    endpoint: str = "http://s3.test", capabilities: Capabilities | None = None, checksum: str = "crc64nvme", **more: Any
) -> tuple[Boto3Objects, Canned]:
    client = connect(S3(endpoint_url=endpoint, **{"retries": 0, **more}))
    objects = Boto3Objects(
        client, "bucket", checksum=checksum, capabilities=capabilities or Capabilities(stores_checksum=True)
    )
    return objects, Canned(client)


def put(objects: Boto3Objects, size: int = 3, **more: Any) -> Any:
    given = {"expect": Unchecked(), "headers": ObjectHeaders(), "sums": Checksums(), **more}
    return objects.put("k", io.BytesIO(b"x" * size), size, **given)


# --- what is sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 100_000])
def test_a_known_sha256_signs_the_body_and_nothing_hashes_it_again(size: int) -> None:
    objects, canned = store("http://s3.test")
    canned.on("PutObject", 200, ETag=QUOTED)
    put(objects, size, sums=Checksums(sha256=hashlib.sha256(b"x" * size).digest(), crc64nvme=1))
    assert canned.header("X-Amz-Content-SHA256") == hashlib.sha256(b"x" * size).hexdigest()
    assert canned.header("x-amz-checksum-crc64nvme") == "AAAAAAAAAAE="
    assert canned.header("Content-Length") == str(size)
    assert canned.header("Content-Encoding") is None


def test_a_large_body_of_unknown_hash_is_unsigned_under_tls_and_signed_without() -> None:
    for endpoint, expected in [
        ("https://s3.test", "UNSIGNED-PAYLOAD"),
        ("http://s3.test", hashlib.sha256(b"x" * 100_000).hexdigest()),
    ]:
        objects, canned = store(endpoint)
        canned.on("PutObject", 200, ETag=QUOTED)
        put(objects, 100_000)
        assert canned.header("X-Amz-Content-SHA256") == expected


def test_what_is_empty_sends_no_header() -> None:
    objects, canned = store()
    canned.on("PutObject", 200, ETag=QUOTED)
    put(objects)
    sent = {name.lower() for name in canned.sent[-1][1].headers}
    assert not {"x-amz-storage-class", "x-amz-acl", "if-match", "if-none-match", "content-md5"} & sent
    assert not {name for name in sent if name.startswith(("x-amz-meta-", "x-amz-checksum-", "x-amz-trailer"))}


def test_headers_and_known_sums_are_sent() -> None:
    objects, canned = store(checksum="sha256")
    canned.on("PutObject", 200, ETag=QUOTED)
    headers = ObjectHeaders(metadata={"mtime": "1"}, storage_class="STANDARD_IA", acl="private", content_type="a/b")
    put(objects, headers=headers, sums=Checksums(md5=bytes(16), sha256=bytes(32), crc64nvme=1))
    names = ("x-amz-storage-class", "x-amz-acl", "content-type", "x-amz-meta-mtime", "x-amz-checksum-sha256")
    assert [canned.header(name) for name in names] == ["STANDARD_IA", "private", "a/b", "1", "A" * 43 + "="]
    assert canned.header("Content-MD5") == "AAAAAAAAAAAAAAAAAAAAAA=="
    assert canned.header("x-amz-checksum-crc64nvme") is None


@pytest.mark.parametrize(("quoted", "sent"), [(True, QUOTED), (False, TAG)])
def test_if_match_is_written_as_the_store_wants_it(quoted: bool, sent: str) -> None:
    objects, canned = store(capabilities=Capabilities(quoted_if_match=quoted))
    canned.on("PutObject", 200, ETag=QUOTED)
    put(objects, expect=Matches(TAG))
    assert canned.header("If-Match") == sent
    put(objects, expect=Absent())
    assert (canned.header("If-Match"), canned.header("If-None-Match")) == (None, "*")


def test_an_upload_in_parts_asks_for_a_checksum_of_the_whole_and_keeps_its_precondition() -> None:
    objects, canned = store()
    result = f"<R><ETag>{QUOTED}</ETag></R>".encode()
    canned.on("CreateMultipartUpload", 200, b"<R><UploadId>u</UploadId></R>")
    canned.on("CompleteMultipartUpload", 200, result)
    assert objects.create_multipart("k", headers=ObjectHeaders()) == "u"
    assert canned.header("x-amz-checksum-type") == "FULL_OBJECT"
    parts = [Part(2, TAG, "CRC64NVME:BBBB"), Part(1, TAG)]
    objects.complete_multipart("k", "u", parts, expect=Absent(), size=9, sums=Checksums(crc64nvme=1))
    body = canned.sent[-1][1].body.decode()
    assert (canned.header("If-None-Match"), canned.header("x-amz-checksum-crc64nvme")) == ("*", "AAAAAAAAAAE=")
    assert canned.header("x-amz-mp-object-size") == "9"
    assert body.index("<PartNumber>1<") < body.index("<PartNumber>2<")
    assert "<ChecksumCRC64NVME>BBBB<" in body


@pytest.mark.parametrize(("checksum", "told"), [("sha256", "SHA256"), ("none", None)])
def test_an_upload_in_parts_tells_the_store_which_checksum_its_parts_will_carry(
    checksum: str, told: str | None
) -> None:
    objects, canned = store(checksum=checksum)
    canned.on("CreateMultipartUpload", 200, b"<R><UploadId>u</UploadId></R>")
    objects.create_multipart("k", headers=ObjectHeaders())
    assert canned.header("x-amz-checksum-algorithm") == told


def test_the_parts_of_an_upload_are_listed_page_by_page() -> None:
    objects, canned = store()
    row = "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag><Size>%d</Size></Part>"
    more = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>%d</NextPartNumberMarker>"
    first = f"<R>{row % (1, QUOTED, 5)}{more % 1}</R>".encode()
    canned.on("ListParts", 200, first)
    canned.on("ListParts", 200, f"<R>{row % (2, QUOTED, 3)}</R>".encode())
    listed = objects.list_parts("k", "u")
    assert [(one.part, one.size) for one in listed] == [(Part(1, TAG), 5), (Part(2, TAG), 3)]
    objects, canned = store()
    canned.on("ListParts", 200, first)
    with pytest.raises(RemoteError, match="itself"):
        objects.list_parts("k", "u")


# --- how answers are taken -------------------------------------------------------------------------------


def test_metadata_that_is_too_large_for_the_store_is_sent_again_without_what_decides_nothing() -> None:
    objects, canned = store()
    canned.on("PutObject", 400, error("MetadataTooLarge"))
    canned.on("PutObject", 200, ETag=QUOTED)
    put(objects, headers=ObjectHeaders(metadata={"original-filename": "n", "file-size": "3"}))
    assert canned.header("x-amz-meta-original-filename") is None
    assert canned.header("x-amz-meta-file-size") == "3"


def test_an_answer_without_an_etag_is_no_success() -> None:
    objects, canned = store()
    canned.on("PutObject", 200, b"<html>hello</html>")
    with pytest.raises(RemoteError, match="without an ETag"):
        put(objects)


def test_an_error_in_the_body_of_a_200_is_an_error() -> None:
    objects, canned = store()
    canned.on("CopyObject", 200, error("InternalError"))
    canned.on("CompleteMultipartUpload", 200, error("InternalError"))
    with pytest.raises(RemoteError) as copying_failed:
        objects.copy("k", "l", source_etag=TAG, expect=Unchecked(), headers=None)
    with pytest.raises(RemoteError) as completing_failed:
        objects.complete_multipart("k", "u", [Part(1, TAG)], expect=Unchecked(), size=1, sums=Checksums())
    assert copying_failed.value.kind is completing_failed.value.kind is RemoteKind.UNAVAILABLE


def test_a_store_that_ignores_if_match_on_a_read_is_found_out() -> None:
    objects, canned = store()
    canned.on("GetObject", 200, b"x", ETag='"other"', Content_Length="1")
    with pytest.raises(Stale), objects.get("k", expect=TAG):
        pass


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"Content_Length": "10"}),
        (206, {"Content_Length": "3", "Content_Range": "bytes 0-2/10"}),
        (206, {"Content_Length": "2", "Content_Range": "bytes 4-5/10"}),
        (206, {"Content_Length": "3", "Content_Range": "nonsense"}),
    ],
)
def test_another_range_than_the_one_asked_for_is_corrupt(status: int, headers: dict[str, str]) -> None:
    objects, canned = store()
    canned.on("GetObject", status, b"xxx", ETag=QUOTED, **headers)
    with pytest.raises(RemoteError) as wrong, objects.get("k", expect=TAG, start=4, length=3):
        pass
    assert wrong.value.kind is RemoteKind.CORRUPT


def test_a_complete_without_an_etag_is_looked_after() -> None:
    objects, canned = store()
    part = Part(1, ETag(hashlib.md5(b"x").hexdigest()))
    whole = f"{hashlib.md5(hashlib.md5(b'x').digest()).hexdigest()}-1"
    canned.on("CompleteMultipartUpload", 200, b"<R><ETag></ETag></R>")
    canned.on("HeadObject", 200, ETag=f'"{whole}"', Content_Length="1")
    canned.on("HeadObject", 200, ETag='"another"', Content_Length="1")
    answer = objects.complete_multipart("k", "u", [part], expect=Unchecked(), size=1, sums=Checksums())
    assert answer.etag == whole
    with pytest.raises(Stale):
        objects.complete_multipart("k", "u", [part], expect=Unchecked(), size=1, sums=Checksums())


def test_an_upload_that_is_gone_is_aborted() -> None:
    objects, canned = store()
    canned.on("AbortMultipartUpload", 404, error("NoSuchUpload"))
    objects.abort_multipart("k", "u")
    assert canned.operations() == ["AbortMultipartUpload"]


def test_a_bucket_is_looked_for_once_when_an_object_is_not_there() -> None:
    objects, canned = store()
    canned.on("HeadObject", 404)
    canned.on("HeadBucket", 200)
    assert [objects.head("a"), objects.head("b")] == [None, None]
    assert canned.operations() == ["HeadObject", "HeadBucket", "HeadObject"]


def test_an_archived_object_is_seen_and_a_restored_one_is_not() -> None:
    objects, canned = store()
    common = {"ETag": QUOTED, "Content_Length": "1", "x_amz_storage_class": "GLACIER"}
    canned.on("HeadObject", 200, **common)
    canned.on("HeadObject", 200, **common, x_amz_restore='ongoing-request="false", expiry-date="Fri"')
    first, second = objects.head("k"), objects.head("k")
    assert first is not None
    assert second is not None
    assert (first.archived, second.archived) == (True, False)


# --- copies over 5 GiB -----------------------------------------------------------------------------------


def large(canned: Canned, size: int = 6 * GIB, etag: str = QUOTED) -> None:
    canned.on("CopyObject", 400, error("InvalidRequest", "The specified copy source is larger than the maximum"))
    canned.on("HeadObject", 200, ETag=etag, Content_Length=str(size), x_amz_meta_mtime="5", Content_Type="a/b")
    canned.on("GetObjectTagging", 200, b"<T><TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet></T>")
    canned.on("CreateMultipartUpload", 200, b"<R><UploadId>u</UploadId></R>")
    canned.on("UploadPartCopy", 200, f"<R><ETag>{QUOTED}</ETag></R>".encode())
    canned.on("CompleteMultipartUpload", 200, f"<R><ETag>{QUOTED}</ETag></R>".encode())
    canned.on("AbortMultipartUpload", 204)


def test_a_copy_over_5_gib_goes_in_parts_with_metadata_tags_and_preconditions() -> None:
    objects, canned = store()
    large(canned)
    objects.copy("k", "l", source_etag=TAG, expect=Absent(), headers=None)
    requests = dict(canned.sent)
    create = requests["CreateMultipartUpload"].headers
    assert canned.operations().count("UploadPartCopy") == 12
    assert (create["x-amz-meta-mtime"], create["Content-Type"], create["x-amz-tagging"]) == (b"5", b"a/b", b"a+b=c%26d")
    assert requests["UploadPartCopy"].headers["x-amz-copy-source-if-match"] == QUOTED.encode()
    assert requests["UploadPartCopy"].headers["x-amz-copy-source-range"] == b"bytes=5905580032-6442450943"
    assert requests["CompleteMultipartUpload"].headers["If-None-Match"] == b"*"


def test_a_large_source_that_changes_meanwhile_is_stale_and_the_upload_is_dropped() -> None:
    objects, canned = store()
    large(canned)
    canned.instead("UploadPartCopy", 412, error("PreconditionFailed"))
    with pytest.raises(Stale):
        objects.copy("k", "l", source_etag=TAG, expect=Absent(), headers=None)
    assert canned.operations()[-1] == "AbortMultipartUpload"


class Notes:
    """A journal of uploads, and what the store had heard when something was noted."""

    def __init__(self, canned: Canned) -> None:
        self._canned = canned
        self.noted: list[tuple[str, str]] = []

    def journal_upload(self, key: str, upload_id: str) -> None:
        self.noted.append((f"{key} {upload_id}", self._heard()))

    def forget_upload(self, upload_id: str) -> None:
        self.noted.append((upload_id, self._heard()))

    def _heard(self) -> str:
        return (["", *self._canned.operations()])[-1]


@pytest.mark.parametrize(("status", "last"), [(200, "CompleteMultipartUpload"), (412, "AbortMultipartUpload")])
def test_a_copy_in_parts_is_journaled_before_its_first_and_forgotten_when_it_is_over(status: int, last: str) -> None:
    client = connect(S3(endpoint_url="http://s3.test", retries=0))
    canned = Canned(client)
    notes = Notes(canned)
    objects = Boto3Objects(client, "bucket", checksum="none", capabilities=Capabilities(), journal=notes)
    large(canned)
    if status != 200:
        canned.instead("UploadPartCopy", status, error("PreconditionFailed"))
    with suppress(Stale):
        objects.with_capabilities(Capabilities()).copy("k", "l", source_etag=TAG, expect=Unchecked(), headers=None)
    assert notes.noted == [("l u", "CreateMultipartUpload"), ("u", last)]


def test_one_that_could_not_be_dropped_stays_in_the_journal() -> None:
    client = connect(S3(endpoint_url="http://s3.test", retries=0))
    canned = Canned(client)
    notes = Notes(canned)
    objects = Boto3Objects(client, "bucket", checksum="none", capabilities=Capabilities(), journal=notes)
    large(canned)
    canned.instead("UploadPartCopy", 412, error("PreconditionFailed"))
    canned.instead("AbortMultipartUpload", 503, error("SlowDown"))
    with pytest.raises(Stale):
        objects.copy("k", "l", source_etag=TAG, expect=Unchecked(), headers=None)
    assert notes.noted == [("l u", "CreateMultipartUpload")]


def test_the_journal_of_many_buckets_names_the_bucket() -> None:
    canned = Canned(connect(S3(endpoint_url="http://s3.test", retries=0)))
    notes = Notes(canned)
    copying.BucketJournal(notes, "logs").journal_upload("a/b", "u")
    copying.BucketJournal(notes, "logs").forget_upload("u")
    assert [what for what, _ in notes.noted] == ["logs/a/b u", "u"]


def test_a_refused_copy_of_a_small_object_stays_refused() -> None:
    objects, canned = store()
    large(canned, size=5 * GIB)
    with pytest.raises(RemoteError) as refused:
        objects.copy("k", "l", source_etag=TAG, expect=Unchecked(), headers=None)
    assert (refused.value.kind, refused.value.code) == (RemoteKind.REJECTED, "InvalidRequest")


@pytest.mark.parametrize("size", [5 * GIB + 1, 6 * GIB, 48_800 * GIB])
def test_parts_of_a_copy_cover_the_source_without_a_gap(size: int) -> None:
    ranges = copying.ranges(size)
    ends = list(accumulate(length for _, length in ranges))
    assert [start for start, _ in ranges] == [0, *ends[:-1]]
    assert ends[-1] == size
    assert len(ranges) <= copying.MAX_PARTS
    assert max(length for _, length in ranges) <= 5 * GIB


# --- counts, clock, retries ------------------------------------------------------------------------------


def test_every_attempt_is_counted_and_so_are_those_that_were_told_to_slow_down() -> None:
    objects, canned = store(retries=1)
    canned.on("ListObjectsV2", 503, error("SlowDown"))
    canned.on("ListObjectsV2", 200, b"<R><IsTruncated>false</IsTruncated></R>")
    canned.on("PutObject", 200, ETag=QUOTED)
    list(objects.list(""))
    put(objects, 7)
    assert objects.counts.snapshot() == Requests(list=2, put=1, bytes_up=7, throttled=1, retried=1)


def test_the_servers_clock_goes_on_from_its_last_answer() -> None:
    objects, canned = store()
    canned.on("PutObject", 200, ETag=QUOTED, Date="Sat, 21 Nov 2026 00:00:00 GMT")
    put(objects)
    assert 0 <= objects.server_now() - 1_795_219_200 < 60


@contextmanager
def raw_server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request's first bytes, gives those bytes and hangs up; what it read is kept."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer:
                    seen.append(peer.recv(65536))
                    peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


def test_a_body_that_is_cut_is_an_error_that_can_be_tried_again() -> None:
    head = f"HTTP/1.1 200 OK\r\nETag: {QUOTED}\r\nContent-Length: 10\r\n\r\n".encode()
    with raw_server(head + b"only") as (endpoint, _):
        client = connect(S3(endpoint_url=endpoint, retries=0))
        objects = Boto3Objects(client, "bucket", checksum="none", capabilities=Capabilities())
        with objects.get("k", expect=TAG) as body, pytest.raises(RemoteError) as cut:
            list(body)
    assert (cut.value.kind, cut.value.retryable) == (RemoteKind.UNAVAILABLE, True)


def test_a_file_that_ends_early_is_not_sent_a_second_time() -> None:
    with raw_server(b"HTTP/1.1 100 Continue\r\n\r\n") as (endpoint, seen):
        client = connect(S3(endpoint_url=endpoint, retries=5))
        objects = Boto3Objects(client, "bucket", checksum="none", capabilities=Capabilities())
        sums = Checksums(sha256=bytes(32))
        with pytest.raises(Stale):
            objects.put("k", io.BytesIO(b"x" * 99_999), 100_000, expect=Unchecked(), headers=ObjectHeaders(), sums=sums)
    assert len(seen) == 1
    assert objects.counts.snapshot().put == 1


@pytest.mark.parametrize("page", [b"<html>hello</html>", b"hello <br>", b""])
def test_another_server_is_never_taken_for_an_empty_bucket(page: bytes) -> None:
    objects, canned = store()
    canned.on("ListObjectsV2", 200, page)
    with pytest.raises(RemoteError) as strange:
        list(objects.list(""))
    assert strange.value.retryable
