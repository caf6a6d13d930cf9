"""The sink of the bench is a store that boto3 can use, and that tells the truth about what it was given."""

from __future__ import annotations

import hashlib
import http.client
import io
import random
import socket
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from awscrt.checksums import crc64nvme
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from bench.servers import Sink
from syncd.s3.probe import probe
from syncd.s3.signing import sign_known_payloads

from .conftest import client_of

MIB = 1 << 20
WRONG = "00000000000000000000000000000000"
AWKWARD = "a b/ü+&<>'%41#?~/x"


def status_of(call: Callable[..., Any], **parameters: Any) -> int:
    try:
        call(**parameters)
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return 200


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def test_a_small_object_comes_back_with_its_metadata(client: Any) -> None:
    put = client.put_object(Bucket="small", Key=AWKWARD, Body=b"hello", Metadata={"file-hash": "abc"})
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"'
    got = client.get_object(Bucket="small", Key=AWKWARD)
    assert (got["Body"].read(), got["Metadata"], got["ETag"]) == (b"hello", {"file-hash": "abc"}, put["ETag"])
    head = client.head_object(Bucket="small", Key=AWKWARD)
    assert (head["ContentLength"], head["Metadata"]) == (5, {"file-hash": "abc"})


def test_what_was_put_is_known_by_its_sums(sink: Sink, client: Any) -> None:
    body = noise(10 << 10)
    client.put_object(Bucket="sums", Key="p/x", Body=body)
    assert sink.held("sums", "p/") == {"x": (len(body), crc64nvme(body))}
    assert sink.ask("GET", "contents?bucket=sums")["p/x"][1] == hashlib.md5(body).hexdigest()


def test_an_object_that_was_not_kept_is_not_served(client: Any) -> None:
    client.put_object(Bucket="unkept", Key="x", Body=noise(10 << 10))
    assert status_of(client.get_object, Bucket="unkept", Key="x") == 409


@pytest.mark.parametrize("size", [20 * MIB, 16 * MIB])
def test_an_upload_in_parts_is_summed_as_one(sink: Sink, client: Any, size: int) -> None:
    body = noise(size)
    client.upload_fileobj(io.BytesIO(body), "parts", f"of-{size}", Config=TransferConfig(multipart_chunksize=8 * MIB))
    assert sink.held("parts", "of-")[str(size)] == (size, crc64nvme(body))
    head = client.head_object(Bucket="parts", Key=f"of-{size}", ChecksumMode="ENABLED")
    assert head["ETag"].strip('"').endswith(f"-{-(-size // (8 * MIB))}")
    assert head["ChecksumType"] == "FULL_OBJECT"


def test_an_open_upload_tells_its_parts(client: Any) -> None:
    upload = client.create_multipart_upload(Bucket="open", Key="a<b")["UploadId"]
    there = {"Bucket": "open", "Key": "a<b", "UploadId": upload}
    tags = [client.upload_part(**there, PartNumber=number, Body=b"x" * number)["ETag"] for number in (3, 1)]
    parts = client.list_parts(**there)["Parts"]
    assert [(part["PartNumber"], part["Size"], part["ETag"]) for part in parts] == [(1, 1, tags[1]), (3, 3, tags[0])]
    uploads = client.list_multipart_uploads(Bucket="open")["Uploads"]
    assert [(row["Key"], row["UploadId"]) for row in uploads] == [("a<b", upload)]
    client.abort_multipart_upload(**there)
    assert status_of(client.list_parts, **there) == 404
    assert "Uploads" not in client.list_multipart_uploads(Bucket="open")


def test_an_upload_that_is_aborted_is_gone(client: Any) -> None:
    upload = client.create_multipart_upload(Bucket="aborted", Key="x")["UploadId"]
    client.abort_multipart_upload(Bucket="aborted", Key="x", UploadId=upload)
    part = {"Bucket": "aborted", "Key": "x", "UploadId": upload, "PartNumber": 1, "Body": b"x"}
    assert status_of(client.upload_part, **part) == 404


@pytest.mark.parametrize("version", ["list_objects_v2", "list_objects"])
def test_a_listing_has_every_key_once_and_in_order(client: Any, version: str) -> None:
    keys = sorted([f"d/{number}" for number in range(7)] + [AWKWARD, "z"], key=str.encode)
    for key in keys:
        client.put_object(Bucket=f"listed-{version}", Key=key, Body=b"x")
    pages = client.get_paginator(version).paginate(Bucket=f"listed-{version}", PaginationConfig={"PageSize": 2})
    assert [row["Key"] for page in pages for row in page["Contents"]] == keys


@pytest.mark.parametrize("page", [1, 2, 1000])
@pytest.mark.parametrize("version", ["list_objects_v2", "list_objects"])
def test_a_listing_folds_what_is_below_a_delimiter(client: Any, version: str, page: int) -> None:
    for key in ("a/1", "a/2", "b", "c/1", "d"):
        client.put_object(Bucket=f"folded-{version}", Key=key, Body=b"x")
    pages = list(
        client.get_paginator(version).paginate(
            Bucket=f"folded-{version}", Delimiter="/", PaginationConfig={"PageSize": page}
        )
    )
    assert [row["Key"] for page in pages for row in page.get("Contents", ())] == ["b", "d"]
    assert [row["Prefix"] for page in pages for row in page.get("CommonPrefixes", ())] == ["a/", "c/"]


def test_preconditions_hold(client: Any) -> None:
    there = {"Bucket": "held", "Key": "x"}
    etag = client.put_object(**there, Body=b"1")["ETag"]
    assert status_of(client.put_object, **there, Body=b"2", IfNoneMatch="*") == 412
    assert status_of(client.put_object, **there, Body=b"2", IfMatch=WRONG) == 412
    assert status_of(client.put_object, Bucket="held", Key="none", Body=b"2", IfMatch=etag) == 404
    assert status_of(client.get_object, **there, IfMatch=WRONG) == 412
    assert status_of(client.delete_object, **there, IfMatch=WRONG) == 412
    assert client.get_object(**there)["Body"].read() == b"1"
    assert status_of(client.put_object, **there, Body=b"2", IfMatch=etag) == 200
    assert client.get_object(**there)["Body"].read() == b"2"


def test_a_wrong_sum_is_refused_and_nothing_stored(sink: Sink, client: Any) -> None:
    body = noise(2 * MIB)
    wrong = {"Bucket": "wrong", "Body": body, "ChecksumAlgorithm": "CRC64NVME", "ChecksumCRC64NVME": "AAAAAAAAAAA="}
    assert status_of(client.put_object, Key="crc", **wrong) == 400
    small = {"Bucket": "wrong", "Body": b"x", "ContentMD5": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert status_of(client.put_object, Key="md5", **small) == 400
    assert sink.held("wrong", "") == {}


def test_the_canary_finds_a_store_that_honours_everything(client: Any, sink: Sink) -> None:
    signing = client_of(sink)
    sign_known_payloads(signing)
    found = probe(signing, "canary", "p/")
    assert found.rejects_wrong_crc64nvme
    assert found.rejects_wrong_sha256
    assert found.rejects_wrong_payload
    assert found.put_if_none_match
    assert found.put_if_match
    assert found.delete_if_match
    assert found.copy_if_match
    assert found.complete_if_match
    assert found.complete_if_none_match
    assert found.full_object_checksum
    assert found.ranged_get
    assert found.etag_is_md5
    assert sink.ask("GET", "contents?bucket=canary") == {}


def test_what_is_planted_is_what_it_says(sink: Sink, client: Any) -> None:
    size = 9 * MIB + 5  # more than the block that the bytes are cut from
    sums = sink.plant("planted", "p/", 3, size)
    assert len(sums) == 3
    got = client.get_object(Bucket="planted", Key="p/part-0000/file-000002.bin")
    body = got["Body"].read()
    assert sums["part-0000/file-000002.bin"] == (size, crc64nvme(body))
    assert got["Metadata"]["file-hash"] == hashlib.sha256(body).hexdigest()
    assert got["ETag"].strip('"') == hashlib.md5(body).hexdigest()
    part = client.get_object(Bucket="planted", Key="p/part-0000/file-000002.bin", Range="bytes=1000-8999999")
    assert part["Body"].read() == body[1000:9000000]
    assert part["ContentRange"] == f"bytes 1000-8999999/{size}"


def test_a_mirage_is_listed_whole_and_in_order(sink: Sink, client: Any) -> None:
    sink.ask("POST", "mirage?bucket=mirage&prefix=p/&count=2345")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="mirage", Prefix="p/")
    keys = [row["Key"] for page in pages for row in page["Contents"]]
    assert len(keys) == 2345
    assert keys == sorted(keys)


def test_requests_are_counted(sink: Sink, client: Any) -> None:
    before = sink.counts()
    client.put_object(Bucket="counted", Key="x", Body=b"12345")
    client.head_object(Bucket="counted", Key="x")
    client.list_objects_v2(Bucket="counted")
    moved = {kind: number - before[kind] for kind, number in sink.counts().items() if number != before[kind]}
    assert (moved["PUT"], moved["HEAD"], moved["LIST"], moved["bytes_in"]) == (1, 1, 1, 5)


def test_it_speaks_tls(start: Callable[..., Sink]) -> None:
    sink = start(tls=True)
    client = client_of(sink)
    body = noise(3 * MIB)
    client.put_object(Bucket="b", Key="p/x", Body=body)  # in chunks, with a trailer
    assert sink.held("b", "p/") == {"x": (len(body), crc64nvme(body))}
    sums = sink.plant("planted", "p/", 1, 9 * MIB)
    got = client.get_object(Bucket="planted", Key="p/part-0000/file-000000.bin")["Body"].read()
    assert sums["part-0000/file-000000.bin"] == (len(got), crc64nvme(got))


def test_an_answer_waits_so_long(start: Callable[..., Sink]) -> None:
    client = client_of(start(delay_ms=80))
    client.list_objects_v2(Bucket="b")
    began = time.monotonic()
    client.list_objects_v2(Bucket="b")
    assert time.monotonic() - began >= 0.08


def test_processes_share_what_they_hold_and_one_of_many_writers_wins(start: Callable[..., Sink]) -> None:
    sink = start(processes=2)
    clients = [client_of(sink) for _ in range(8)]  # a connection each, at whichever process took it
    for number in range(20):
        key, said = f"k{number}", []
        threads = [
            threading.Thread(
                target=lambda client=client, key=key, said=said: said.append(
                    status_of(client.put_object, Bucket="b", Key=key, Body=noise(9000), IfNoneMatch="*")
                )
            )
            for client in clients
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert sorted(said) == [200] + [412] * 7
    listed = [[row["Key"] for row in client.list_objects_v2(Bucket="b")["Contents"]] for client in clients]
    assert all(keys == listed[0] for keys in listed)
    assert len(listed[0]) == 20


def test_a_connection_serves_one_request_after_another(sink: Sink) -> None:
    connection = http.client.HTTPConnection(urlsplit(sink.url).netloc, timeout=10)
    for number in range(50):
        connection.request("PUT", f"/kept/{number}", body=noise(10 << 10))
        assert connection.getresponse().read() == b""
    sock = connection.sock
    connection.request("GET", "/kept?list-type=2")
    assert connection.getresponse().read().count(b"<Key>") == 50
    assert connection.sock is sock
    connection.close()


def test_what_follows_a_large_body_at_once_is_the_next_request(sink: Sink) -> None:
    host = urlsplit(sink.url)
    body = noise(300 << 10)
    with socket.create_connection((host.hostname, host.port), timeout=10) as sock:
        put = b"PUT /close/%d HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b"
        sock.sendall(b"".join(put % (number, len(body), body) for number in range(3)))
        got = b""
        while got.count(b"HTTP/1.1 200") < 3:
            got += sock.recv(4096)
    assert sink.held("close", "") == {str(number): (len(body), crc64nvme(body)) for number in range(3)}


def test_what_is_no_http_ends_its_own_connection_alone(sink: Sink, client: Any) -> None:
    connection = http.client.HTTPConnection(urlsplit(sink.url).netloc, timeout=10)
    connection.connect()
    connection.sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
    assert connection.sock.recv(100) == b""
    connection.close()
    client.put_object(Bucket="after", Key="x", Body=b"x")
