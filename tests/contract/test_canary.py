"""What the canary finds out besides preconditions: what comes back, what is refused when wrong, what may be done."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from support.moto import MotoServer
from support.proxy import Fault, Proxy
from support.subjects import MOTO
from syncd.config.types import S3
from syncd.errors import RemoteError, RemoteKind
from syncd.s3.connect import connect
from syncd.s3.probe import probe


@pytest.fixture
def bucket(moto: MotoServer, new_bucket: Callable[[Any], str]) -> str:
    return new_bucket(moto)


@pytest.fixture
def client(moto: MotoServer, signed_in: Callable[..., Any]) -> Any:
    return signed_in(moto)


@pytest.fixture
def between(moto: MotoServer, signed_in: Callable[..., Any]) -> Iterator[tuple[Proxy, Any]]:
    """A proxy before moto, and a client of ours that goes through it."""
    signed_in(moto)  # its credentials
    with Proxy(moto.port) as proxy:
        yield proxy, connect(S3(endpoint_url=proxy.endpoint, retries=0))


def answering(
    client: Any, operation: str, when: Callable[[Any], bool], status: int, code: str = "", **more: str
) -> None:
    """Let the requests of an operation that are meant be answered so, before they leave."""
    from botocore.awsrequest import AWSResponse

    class Raw(io.BytesIO):
        def stream(self, **_: object) -> Iterator[bytes]:
            yield f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode() if code else b""

    def answer(request: Any, **_: object) -> Any:
        return AWSResponse(request.url, status, dict(more), Raw()) if when(request) else None

    client.meta.events.register(f"before-send.s3.{operation}", answer)


def header(request: Any, name: str) -> str:
    value = request.headers.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def leftovers(server: Any, bucket: str) -> list[Any]:
    seen = server.client().list_object_versions(Bucket=bucket)
    uploads = server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", ())
    return [*seen.get("Versions", ()), *seen.get("DeleteMarkers", ()), *uploads]


# --- what a store refuses -------------------------------------------------------------------------------------


def test_a_store_that_refuses_what_is_wrong_is_known_by_each_kind(client: Any, bucket: str) -> None:
    """moto believes anything: what a good store does is put before it."""
    right: dict[str, str] = {}

    def differs(name: str) -> Callable[[Any], bool]:
        def wrong(request: Any) -> bool:
            value = header(request, name)
            return bool(value) and value != right.setdefault(name, value)  # the right one goes first

        return wrong

    answering(client, "PutObject", differs("x-amz-checksum-crc64nvme"), 400, "BadDigest")
    answering(client, "PutObject", differs("x-amz-checksum-sha256"), 400, "BadDigest")
    answering(client, "CompleteMultipartUpload", differs("x-amz-checksum-crc64nvme"), 400, "BadDigest")
    seen = probe(client, bucket, "", now=lambda: 5.0)
    assert seen == replace(
        MOTO, rejects_wrong_crc64nvme=True, rejects_wrong_sha256=True, full_object_checksum=seen.full_object_checksum
    )


def test_a_body_that_is_not_the_signed_one_is_sent_under_the_hash_of_another(client: Any, bucket: str) -> None:
    """The wrong hash really is in the signed header: the body that leaves is another one."""
    import hashlib

    from syncd.s3.probe_content import BODY

    sent: list[tuple[str, bytes]] = []

    def note(request: Any, **_: object) -> None:
        if "-payload" in request.url or "-wrong-payload" in request.url:
            body = request.body.read()
            request.body.seek(0)
            sent.append((header(request, "X-Amz-Content-SHA256"), body))

    client.meta.events.register("before-send.s3.PutObject", note)
    probe(client, bucket, "", now=lambda: 5.0)
    assert {body for _, body in sent} == {BODY}
    assert [claimed == hashlib.sha256(BODY).hexdigest() for claimed, _ in sent] == [True, False]


@pytest.mark.parametrize("code", ["XAmzContentSHA256Mismatch", "SignatureDoesNotMatch", "BadDigest", "AnyWordOfItsOwn"])
def test_any_word_of_refusal_of_another_body_counts(client: Any, bucket: str, code: str) -> None:
    answering(client, "PutObject", lambda request: "-wrong-payload" in request.url, 400, code)
    assert probe(client, bucket, "", now=lambda: 5.0) == replace(MOTO, rejects_wrong_payload=True)


@pytest.mark.parametrize("status", [500, 502])
def test_a_store_that_breaks_down_over_what_is_wrong_refuses_nothing_that_can_be_relied_on(
    client: Any, bucket: str, status: int
) -> None:
    answering(client, "PutObject", lambda request: "-wrong-" in request.url, status, "InternalError")
    assert probe(client, bucket, "", now=lambda: 5.0) == MOTO


@pytest.mark.parametrize(("status", "code"), [(400, "ExpiredToken"), (503, "SlowDown"), (403, "RequestTimeTooSkewed")])
def test_a_refusal_for_another_reason_is_no_capability(client: Any, bucket: str, status: int, code: str) -> None:
    answering(client, "PutObject", lambda request: "-wrong-" in request.url, status, code)
    with pytest.raises(RemoteError):
        probe(client, bucket, "", now=lambda: 5.0)


def test_a_store_that_refuses_and_stores_all_the_same_refuses_nothing(
    moto: MotoServer, client: Any, bucket: str
) -> None:
    def sneak(request: Any) -> bool:
        if "-wrong-payload" not in request.url:
            return False
        key = request.url.partition(f"/{bucket}/")[2].partition("?")[0]
        moto.client().put_object(Bucket=bucket, Key=key, Body=b"sneaked in")
        return True

    answering(client, "PutObject", sneak, 400, "BadDigest")
    assert not probe(client, bucket, "", now=lambda: 5.0).rejects_wrong_payload


@pytest.mark.parametrize("header_name", ["x-amz-checksum-sha256", "x-amz-content-sha256"])
def test_a_store_that_refuses_the_right_one_too_enforces_nothing(client: Any, bucket: str, header_name: str) -> None:
    meant = "-sha256" if "checksum" in header_name else "-payload"
    answering(
        client,
        "PutObject",
        lambda request: f"{meant}?" in f"{request.url}?" or "-wrong-" in request.url,
        501,
        "NotImplemented",
    )
    seen = probe(client, bucket, "", now=lambda: 5.0)
    assert not (seen.rejects_wrong_sha256 if meant == "-sha256" else seen.rejects_wrong_payload)


# --- what comes back ------------------------------------------------------------------------------------------


def test_other_bytes_than_were_put_make_an_endpoint_fit_for_nothing(between: tuple[Proxy, Any], bucket: str) -> None:
    proxy, client = between
    proxy.add(Fault(method="GET", target=r"/canary/", flip_down_at=3))
    with pytest.raises(RemoteError, match="what is read is not what was put") as spoilt:
        probe(client, bucket, "p/")
    assert spoilt.value.kind is RemoteKind.CORRUPT
    assert "canary failed" in spoilt.value.message


def test_a_spoilt_range_is_seen_too(between: tuple[Proxy, Any], bucket: str) -> None:
    proxy, client = between
    proxy.add(Fault(method="GET", target=r"/canary/", times=1))
    proxy.add(Fault(method="GET", target=r"/canary/", flip_down_at=1, times=1))
    with pytest.raises(RemoteError, match="a range that is read"):
        probe(client, bucket, "p/")


def test_a_range_that_is_ignored_is_a_capability_that_it_lacks(client: Any, bucket: str) -> None:
    def whole(request: Any, **_: object) -> None:
        request.headers.pop("Range", None)

    client.meta.events.register("before-send.s3.GetObject", whole)
    assert probe(client, bucket, "", now=lambda: 5.0) == replace(MOTO, ranged_get=False)


# --- preconditions broken one way -----------------------------------------------------------------------------


def test_a_precondition_that_refuses_the_right_etag_too_is_none(client: Any, bucket: str) -> None:
    answering(client, "PutObject", lambda request: bool(header(request, "If-Match")), 412, "PreconditionFailed")
    seen = probe(client, bucket, "", now=lambda: 5.0)
    assert (seen.put_if_match, seen.put_if_none_match) == (False, True)


def test_an_if_none_match_that_refuses_what_is_not_there_is_none(client: Any, bucket: str) -> None:
    answering(client, "PutObject", lambda request: bool(header(request, "If-None-Match")), 412, "PreconditionFailed")
    assert not probe(client, bucket, "", now=lambda: 5.0).put_if_none_match


def test_a_complete_that_honours_its_precondition_both_ways_is_seen(client: Any, bucket: str) -> None:
    wrong = "0" * 32
    answering(
        client,
        "CompleteMultipartUpload",
        lambda request: wrong in header(request, "If-Match"),
        412,
        "PreconditionFailed",
    )
    assert probe(client, bucket, "", now=lambda: 5.0) == replace(MOTO, complete_if_match=True)


def test_a_store_without_uploads_in_parts_is_one(client: Any, bucket: str) -> None:
    answering(client, "CreateMultipartUpload", lambda _: True, 501, "NotImplemented")
    seen = probe(client, bucket, "", now=lambda: 5.0)
    assert seen == replace(MOTO, multipart=False, complete_if_none_match=False)


# --- permissions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operations", "action"),
    [
        (("ListObjectsV2",), "s3:ListBucket"),
        (("GetObject", "HeadObject"), "s3:GetObject"),
        (("DeleteObject",), "s3:DeleteObject"),
        (("GetBucketVersioning",), "s3:GetBucketVersioning"),
        (("AbortMultipartUpload",), "s3:AbortMultipartUpload"),
    ],
)
def test_what_is_denied_is_named_by_its_action(
    client: Any, bucket: str, operations: tuple[str, ...], action: str
) -> None:
    for operation in operations:
        answering(client, operation, lambda _: True, 403, "AccessDenied")
    assert probe(client, bucket, "", now=lambda: 5.0).denied == {action}


def test_without_the_right_to_write_there_is_no_canary(client: Any, bucket: str) -> None:
    answering(client, "PutObject", lambda _: True, 403, "AccessDenied")
    with pytest.raises(RemoteError) as denied:
        probe(client, bucket, "")
    assert (denied.value.kind, denied.value.code) == (RemoteKind.DENIED, "AccessDenied")


# --- on every server ------------------------------------------------------------------------------------------


def test_nothing_of_the_canary_stays_and_nothing_else_is_touched(
    server: Any, signed_in: Any, new_bucket: Callable[[Any], str]
) -> None:
    bucket, client = new_bucket(server), signed_in(server)
    server.client().put_object(Bucket=bucket, Key="p/.syncd/canary", Body=b"somebody else's")
    before = probe(client, bucket, "p/", now=lambda: 5.0)
    assert [row["Key"] for row in server.client().list_objects_v2(Bucket=bucket)["Contents"]] == ["p/.syncd/canary"]
    assert [row["Key"] for row in leftovers(server, bucket)] == ["p/.syncd/canary"]
    assert probe(client, bucket, "p/", now=lambda: 5.0) == before, "it finds the same each time"


def test_a_canary_is_some_fifty_small_requests(moto: MotoServer, client: Any, bucket: str) -> None:
    mark = moto.mark()
    probe(client, bucket, "p/")
    assert 30 < sum(moto.requests(mark).values()) <= 65


def test_what_a_killed_probe_left_goes_with_the_canary_of_a_later_day(
    client: Any, bucket: str, moto: MotoServer
) -> None:
    client.put_object(Bucket=bucket, Key="p/.syncd/canary/dead", Body=b"of a probe that was killed")
    client.put_object(Bucket=bucket, Key="p/canary", Body=b"somebody's")
    probe(client, bucket, "p/")
    assert {row["Key"] for row in leftovers(moto, bucket)} == {"p/.syncd/canary/dead", "p/canary"}
    probe(client, bucket, "p/", now=lambda: time.time() + 2 * 86_400)
    assert {row["Key"] for row in leftovers(moto, bucket)} == {"p/canary"}
