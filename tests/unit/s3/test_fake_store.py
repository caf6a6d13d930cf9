"""The fake's own promises: faults, other writers, and that nothing is forgotten."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Checksums, Matches, ObjectHeaders, PutAnswer, Unchecked

LOST = RemoteError(RemoteKind.UNAVAILABLE, "the answer was lost")


def put(objects: FakeObjects, body: bytes, *, expect: Absent | Matches | Unchecked = Unchecked()) -> PutAnswer:  # noqa: B008
    return objects.put("k", io.BytesIO(body), len(body), expect=expect, headers=ObjectHeaders(), sums=Checksums())


def test_a_fault_before_does_nothing_and_a_fault_after_loses_only_the_answer() -> None:
    objects = FakeObjects()
    objects.fail_next("put", LOST)
    objects.fail_next("put", LOST, when="after")
    with pytest.raises(RemoteError):
        put(objects, b"first")
    assert objects.contents() == {}
    with pytest.raises(RemoteError):
        put(objects, b"second")
    assert objects.contents() == {"k": b"second"}
    put(objects, b"third")
    assert objects.requests == {"put": 3}


def test_another_writer_can_be_faster() -> None:
    objects = FakeObjects()
    objects.intervene("put", lambda: objects.plant("k", b"theirs"))
    with pytest.raises(Stale):
        put(objects, b"ours", expect=Absent())
    assert objects.contents() == {"k": b"theirs"}


def test_preconditions_that_it_lacks_are_ignored() -> None:
    objects = FakeObjects(capabilities=replace(EVERYTHING, put_if_none_match=False))
    objects.plant("k", b"theirs")
    put(objects, b"ours", expect=Absent())
    assert objects.contents() == {"k": b"ours"}


@pytest.mark.parametrize("versioned", [False, True])
def test_every_version_is_remembered_and_those_that_can_be_had_are_told_apart(versioned: bool) -> None:
    objects = FakeObjects(capabilities=replace(EVERYTHING, versioned=versioned))
    put(objects, b"first")
    put(objects, b"second")
    objects.delete("k", expect=Unchecked())
    assert [version.body for version in objects.history("k")] == [b"first", b"second"]
    assert objects.kept() == ({version.sha256 for version in objects.history()} if versioned else set())


def test_a_read_can_be_corrupted_once() -> None:
    objects = FakeObjects()
    answer = put(objects, b"content")
    objects.flip_next_read("k")
    reads = []
    for _ in range(2):
        with objects.get("k", expect=answer.etag) as body:
            reads.append(b"".join(body))
    assert reads[0] != b"content"
    assert reads[1] == b"content"


def test_while_it_is_down_everything_fails() -> None:
    objects = FakeObjects()
    objects.down = LOST
    with pytest.raises(RemoteError):
        objects.head("k")
    objects.down = None
    assert objects.head("k") is None


def test_a_wrong_checksum_is_refused() -> None:
    objects = FakeObjects()
    with pytest.raises(RemoteError) as refused:
        objects.put("k", io.BytesIO(b"x"), 1, expect=Absent(), headers=ObjectHeaders(), sums=Checksums(crc64nvme=1))
    assert refused.value.kind is RemoteKind.CORRUPT
    assert objects.history() == []
