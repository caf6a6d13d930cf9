"""Reading a version that is not the newest, from every store that keeps versions."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.subjects import on_both_planes
from syncd.core.model import ETag
from syncd.errors import RemoteError, Stale
from syncd.ports import Checksums, ObjectHeaders, ObjectStore, PutAnswer, Unchecked
from syncd.s3.buckets import BucketsObjects

OTHER = ETag("ffffffffffffffffffffffffffffffff")
VERSIONED = replace(EVERYTHING, versioned=True)


@pytest.fixture(params=on_both_planes(["fake", "moto", "ceph", "localstack"]))
def versions(request: pytest.FixtureRequest, made_for: Any, new_bucket: Any) -> Any:
    """An empty bucket that keeps every version."""
    name, _, plane = request.param.partition("/")
    if name == "fake":
        return FakeObjects(capabilities=VERSIONED)
    server = request.getfixturevalue(name)
    bucket = new_bucket(server)
    server.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return made_for(server, bucket, plane=plane, capabilities=VERSIONED)


def put(objects: ObjectStore, key: str, body: bytes) -> PutAnswer:
    return objects.put(key, io.BytesIO(body), len(body), expect=Unchecked(), headers=ObjectHeaders(), sums=Checksums())


def read(objects: ObjectStore, key: str, version_id: str | None, expect: ETag | None = None, **more: int) -> bytes:
    with objects.get(key, expect=expect, version_id=version_id, **more) as body:
        return b"".join(body)


def test_a_given_version_is_read_whatever_is_newest(versions: ObjectStore) -> None:
    old, new = put(versions, "k", b"the old one"), put(versions, "k", b"new")
    assert old.version_id != new.version_id
    assert read(versions, "k", old.version_id) == b"the old one"
    assert read(versions, "k", old.version_id, start=4, length=3) == b"old"
    assert read(versions, "k", new.version_id) == b"new"
    with versions.get("k", expect=None, version_id=old.version_id) as body:
        assert (body.facts.etag, body.facts.size, body.facts.version_id) == (old.etag, 11, old.version_id)


def test_a_version_outlives_the_deletion_of_its_object(versions: ObjectStore) -> None:
    old = put(versions, "k", b"content")
    versions.delete("k", expect=Unchecked())
    assert versions.head("k") is None
    assert read(versions, "k", old.version_id) == b"content"


def test_a_version_can_be_pinned_to_its_etag_as_well(versions: ObjectStore) -> None:
    old = put(versions, "k", b"content")
    put(versions, "k", b"newer")
    assert read(versions, "k", old.version_id, old.etag) == b"content"
    with pytest.raises(Stale):
        read(versions, "k", old.version_id, OTHER)


def test_a_version_that_is_not_there_gives_nothing(versions: ObjectStore) -> None:
    put(versions, "k", b"content")
    with pytest.raises((Stale, RemoteError)):
        read(versions, "k", "00000000-0000-4000-8000-000000000000")


def test_a_read_names_an_etag_or_a_version(versions: ObjectStore) -> None:
    put(versions, "k", b"content")
    with pytest.raises(ValueError):
        read(versions, "k", None)


def test_many_buckets_hand_the_version_on(versions: ObjectStore) -> None:
    old = put(versions, "k", b"the old one")
    put(versions, "k", b"new")
    many = BucketsObjects(lambda: ["one"], lambda name: versions, problem=lambda *_: None)  # type: ignore[arg-type, return-value]
    assert read(many, "one/k", old.version_id) == b"the old one"


def test_a_bucket_without_versions_never_gives_another_one_for_it(
    moto: Any, made_for: Any, new_bucket: Any, plane: str
) -> None:
    objects = made_for(moto, new_bucket(moto), plane=plane, capabilities=EVERYTHING)
    put(objects, "k", b"content")
    with pytest.raises((Stale, RemoteError)):
        read(objects, "k", "00000000-0000-4000-8000-000000000000")
