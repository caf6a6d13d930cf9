"""What the probe says of real stores, and that it leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from support.moto import MotoServer
from support.processes import free_port
from support.rclone import RcloneServer
from support.subjects import CEPH, LOCALSTACK, MOTO, RCLONE
from syncd.config.types import S3
from syncd.errors import RemoteError, RemoteKind
from syncd.s3.connect import connect
from syncd.s3.probe import probe


def leftovers(server: Any, bucket: str) -> list[Any]:
    seen = server.client().list_object_versions(Bucket=bucket)
    return [*seen.get("Versions", ()), *seen.get("DeleteMarkers", ())]


def test_moto_honours_all_but_the_pin_of_a_copy(moto: MotoServer, signed_in: Any, new_bucket: Any) -> None:
    bucket = new_bucket(moto)
    assert probe(signed_in(moto), bucket, "p/", now=lambda: 5.0) == MOTO
    assert leftovers(moto, bucket) == []


def test_a_versioned_bucket_is_seen_and_no_version_of_the_canary_stays(
    moto: MotoServer, signed_in: Any, new_bucket: Any
) -> None:
    bucket = new_bucket(moto)
    moto.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert probe(signed_in(moto), bucket, "p/", now=lambda: 5.0) == replace(MOTO, versioned=True)
    assert leftovers(moto, bucket) == []


def test_a_store_that_ignores_preconditions_is_not_believed(
    rclone: RcloneServer, signed_in: Any, new_bucket: Any
) -> None:
    bucket = new_bucket(rclone)
    assert probe(signed_in(rclone), bucket, "", now=lambda: 5.0) == RCLONE
    assert "Contents" not in rclone.client().list_objects_v2(Bucket=bucket)


@pytest.mark.ceph
def test_ceph_wants_its_etags_bare_and_ignores_the_pin_of_a_copy(ceph: Any, signed_in: Any, new_bucket: Any) -> None:
    bucket = new_bucket(ceph)
    assert probe(signed_in(ceph), bucket, "p/", now=lambda: 5.0) == CEPH
    assert leftovers(ceph, bucket) == []


@pytest.mark.ceph
def test_ceph_honours_no_precondition_in_a_versioned_bucket(ceph: Any, signed_in: Any, new_bucket: Any) -> None:
    bucket = new_bucket(ceph)
    ceph.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    seen = probe(signed_in(ceph), bucket, "p/", now=lambda: 5.0)
    assert seen == replace(CEPH, put_if_none_match=False, put_if_match=False, quoted_if_match=True, versioned=True)
    assert leftovers(ceph, bucket) == []


def test_localstack_honours_all_but_a_conditional_delete(localstack: Any, signed_in: Any, new_bucket: Any) -> None:
    bucket = new_bucket(localstack)
    assert probe(signed_in(localstack), bucket, "p/", now=lambda: 5.0) == LOCALSTACK
    localstack.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert probe(signed_in(localstack), bucket, "p/", now=lambda: 5.0) == replace(LOCALSTACK, versioned=True)
    assert leftovers(localstack, bucket) == []


def refusing(client: Any, status: int, code: str, *operations: str) -> None:
    """Let these operations be answered so, before they leave."""
    from botocore.awsrequest import AWSResponse

    class Raw:
        def stream(self, **_: object) -> Any:
            yield f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()

    for operation in operations:
        client.meta.events.register(
            f"before-send.s3.{operation}", lambda request, **_: AWSResponse(request.url, status, {}, Raw())
        )


@pytest.mark.parametrize(("status", "code"), [(501, "NotImplemented"), (400, "InvalidRequest"), (403, "AccessDenied")])
def test_what_a_store_refuses_to_do_is_a_capability_that_it_lacks(
    moto: MotoServer, signed_in: Any, new_bucket: Any, status: int, code: str
) -> None:
    bucket, client = new_bucket(moto), signed_in(moto)
    refusing(client, status, code, "CopyObject", "GetBucketVersioning", "HeadBucket")
    denied = frozenset({"s3:GetBucketVersioning"} if status == 403 else ())
    assert probe(client, bucket, "", now=lambda: 5.0) == replace(MOTO, copy=False, denied=denied)


def test_a_store_that_refuses_the_checksum_is_probed_without(moto: MotoServer, signed_in: Any, new_bucket: Any) -> None:
    from botocore.awsrequest import AWSResponse

    bucket, client = new_bucket(moto), signed_in(moto)

    class Raw:
        def stream(self, **_: object) -> Any:
            yield b"<Error><Code>NotImplemented</Code></Error>"

    def refuse(request: Any, **_: object) -> Any:
        asked = any(name.lower() == "x-amz-checksum-crc64nvme" for name in request.headers)
        return AWSResponse(request.url, 501, {}, Raw()) if asked else None

    client.meta.events.register("before-send.s3.PutObject", refuse)
    assert probe(client, bucket, "", now=lambda: 5.0) == replace(MOTO, stores_checksum=False)


def test_a_failing_store_is_not_taken_for_an_incapable_one(moto: MotoServer, signed_in: Any, new_bucket: Any) -> None:
    bucket, client = new_bucket(moto), signed_in(moto)
    refusing(client, 503, "SlowDown", "CopyObject")
    with pytest.raises(RemoteError) as failed:
        probe(client, bucket, "")
    assert failed.value.kind is RemoteKind.THROTTLED
    assert leftovers(moto, bucket) == []


def test_without_the_right_to_delete_the_probe_still_answers(moto: MotoServer, signed_in: Any, new_bucket: Any) -> None:
    bucket, client = new_bucket(moto), signed_in(moto)
    refusing(client, 403, "AccessDenied", "DeleteObject")
    denied = frozenset({"s3:DeleteObject"})
    assert probe(client, bucket, "", now=lambda: 5.0) == replace(MOTO, delete_if_match=False, denied=denied)


def test_a_bucket_that_is_missing_is_an_error(server: Any, signed_in: Callable[..., Any]) -> None:
    with pytest.raises(RemoteError, match="bucket nowhere-at-all does not exist") as missing:
        probe(signed_in(server), "nowhere-at-all", "")
    assert missing.value.kind is RemoteKind.MISSING


def test_wrong_credentials_are_an_error(rclone: RcloneServer, signed_in: Any, new_bucket: Any) -> None:
    with pytest.raises(RemoteError) as denied:
        probe(signed_in(rclone, secret_key="wrong"), new_bucket(rclone), "")
    assert denied.value.kind is RemoteKind.DENIED


def test_no_connection_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(S3(endpoint_url=f"http://127.0.0.1:{free_port()}", retries=0))
    with pytest.raises(RemoteError) as refused:
        probe(client, "bucket", "")
    assert (refused.value.kind, refused.value.code) == (RemoteKind.UNAVAILABLE, "Refused")
