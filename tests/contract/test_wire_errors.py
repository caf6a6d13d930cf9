"""What goes wrong between us and a store, in words, against real servers."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from support.processes import free_port
from support.rclone import RcloneServer
from syncd.core.model import ETag
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Checksums, ObjectHeaders, ObjectStore, Unchecked

TAG = ETag("0" * 32)


NOWHERE = "nowhere-at-all"


def read(store: ObjectStore) -> None:
    with store.get("k", expect=TAG) as body:
        list(body)


CALLS: dict[str, Callable[[ObjectStore], object]] = {
    "list": lambda store: list(store.list("")),
    "head": lambda store: store.head("k"),
    "get": read,
    "put": lambda store: store.put(
        "k", io.BytesIO(b"x"), 1, expect=Unchecked(), headers=ObjectHeaders(), sums=Checksums()
    ),
    "create": lambda store: store.create_multipart("k", headers=ObjectHeaders()),
    "copy": lambda store: store.copy("k", "l", source_etag=TAG, expect=Unchecked(), headers=None),
    "delete": lambda store: store.delete("k", expect=Unchecked()),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_missing_bucket_is_named_with_its_endpoint(server: Any, made_for: Any, plane: str, call: Any) -> None:
    with pytest.raises(RemoteError) as missing:
        call(made_for(server, NOWHERE, plane=plane))
    assert missing.value.kind is RemoteKind.MISSING
    assert f"the bucket nowhere-at-all does not exist on {server.endpoint}" in missing.value.message
    assert "create it" in missing.value.hint


def test_a_wrong_secret_key_says_where_to_look(
    rclone: RcloneServer, made_for: Any, new_bucket: Any, plane: str
) -> None:
    with pytest.raises(RemoteError) as denied:
        list(made_for(rclone, new_bucket(rclone), plane=plane, secret_key="wrong").list(""))
    assert (denied.value.kind, denied.value.code) == (RemoteKind.DENIED, "SignatureDoesNotMatch")
    assert "AWS_PROFILE" in denied.value.hint


@pytest.mark.ceph
def test_an_unknown_access_key_says_where_to_look(ceph: Any, made_for: Any, new_bucket: Any, plane: str) -> None:
    with pytest.raises(RemoteError) as denied:
        list(made_for(ceph, new_bucket(ceph), plane=plane, access_key="NOBODY").list(""))
    assert (denied.value.kind, denied.value.code) == (RemoteKind.DENIED, "InvalidAccessKeyId")
    assert "AWS_PROFILE" in denied.value.hint


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_refused_connection_says_so(made_for: Any, plane: str, call: Any) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RemoteError, match="the connection was refused") as refused:
        call(made_for(endpoint, NOWHERE, plane=plane))
    assert (refused.value.kind, refused.value.retryable) == (RemoteKind.UNAVAILABLE, True)
    assert endpoint in refused.value.message


def test_a_host_that_does_not_exist_is_a_matter_of_dns(made_for: Any, plane: str) -> None:
    store = made_for("http://s3.no-such-host.invalid", NOWHERE, plane=plane)
    with pytest.raises(RemoteError, match="the host name is not known") as unknown:
        list(store.list(""))
    assert (unknown.value.kind, unknown.value.code) == (RemoteKind.UNAVAILABLE, "DNS")
    assert "DNS" in unknown.value.hint


@pytest.mark.parametrize("size", [10, 200_000])
@pytest.mark.parametrize("known", [True, False])
def test_a_store_that_checks_signatures_takes_bodies_whose_hash_is_known_and_others(
    rclone: RcloneServer, made_for: Any, new_bucket: Any, plane: str, size: int, known: bool
) -> None:
    import hashlib

    store = made_for(rclone, new_bucket(rclone), plane=plane)
    sums = Checksums(sha256=hashlib.sha256(b"x" * size).digest() if known else None)
    answer = store.put("k", io.BytesIO(b"x" * size), size, expect=Unchecked(), headers=ObjectHeaders(), sums=sums)
    with store.get("k", expect=answer.etag) as body:
        assert b"".join(body) == b"x" * size
    assert (store.counts.snapshot().bytes_up, store.counts.snapshot().bytes_down) == (size, size)


@pytest.mark.ceph
def test_a_body_that_is_not_the_one_that_was_hashed_is_refused(
    ceph: Any, made_for: Any, new_bucket: Any, plane: str
) -> None:
    store = made_for(ceph, new_bucket(ceph), plane=plane)
    with pytest.raises(RemoteError) as refused:
        store.put(
            "k",
            io.BytesIO(b"x" * 200_000),
            200_000,
            expect=Unchecked(),
            headers=ObjectHeaders(),
            sums=Checksums(sha256=bytes(32)),
        )
    assert refused.value.kind is RemoteKind.CORRUPT
    assert store.head("k") is None
