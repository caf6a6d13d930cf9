"""What is put under a key of its own: proven, found again after a lost answer, and never over somebody else's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.model import Mode, ProofKind
from syncd.core.paths import RelPath
from syncd.engine.deliver import Parcel, Taken, collect, deliver, replace_own
from syncd.engine.describe import headers_of_stream
from syncd.engine.memory import InMemory
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Capabilities

BODY = b"the bytes of an archive"
PATH = RelPath("folder/it.tar")
KEY = "p/folder/it.tar"
SUMS = frozenset({"sha256", "md5", "crc64nvme"})


@pytest.fixture
def lone(tmp_path: Path) -> LoneHost:
    return lone_host(tmp_path)


def blind(tmp_path: Path) -> LoneHost:
    """On an endpoint that computes nothing that we could compare."""
    return lone_host(tmp_path, capabilities=Capabilities(put_if_none_match=True, put_if_match=True, probed_at=1.0))


def parcel_of(lone: LoneHost, body: bytes = BODY) -> tuple[Parcel, InMemory]:
    context = lone.host.context
    file = InMemory(body, 1_700_000_000_000_000_000, context.digester)
    hashes = file.hash(types=SUMS, stopped=lambda: False)
    headers = headers_of_stream(context, PATH, 0, "our-operation")
    parcel = Parcel(path=PATH, size=len(body), hashes=hashes, headers=headers, operation="our-operation", whole=True)
    return parcel, file


def test_it_is_put_and_proven_by_what_the_store_answers(lone: LoneHost) -> None:
    delivered = deliver(lone.host.context, *parcel_of(lone))
    assert delivered.proof is ProofKind.ETAG
    assert lone.bucket.contents() == {KEY: BODY}
    assert lone.bucket.requests["get"] == 0


def test_where_nothing_can_be_compared_it_is_read_back(tmp_path: Path) -> None:
    lone = blind(tmp_path)
    assert deliver(lone.host.context, *parcel_of(lone)).proof is ProofKind.READBACK
    assert lone.bucket.requests["get"] == 1


def test_an_own_write_whose_answer_got_lost_is_taken(lone: LoneHost) -> None:
    lone.bucket.fail_next("put", Stale("412 of the second try"), when="after")
    assert deliver(lone.host.context, *parcel_of(lone)).proof in {ProofKind.ETAG, ProofKind.READBACK}
    assert lone.bucket.requests["put"] == 1


def test_the_same_bytes_are_taken_even_where_the_store_lost_their_metadata(lone: LoneHost) -> None:
    lone.bucket.plant(KEY, BODY)
    assert deliver(lone.host.context, *parcel_of(lone)).proof is ProofKind.ETAG


@pytest.mark.parametrize("planted", [b"shorter", b"the bytes of an ARCHIVE"])
@pytest.mark.parametrize("honest", [True, False])
def test_another_object_is_left_alone(tmp_path: Path, planted: bytes, *, honest: bool) -> None:
    lone = lone_host(tmp_path) if honest else blind(tmp_path)
    lone.bucket.plant(KEY, planted)
    with pytest.raises(Taken):
        deliver(lone.host.context, *parcel_of(lone))
    assert lone.bucket.contents() == {KEY: planted}


def test_a_store_that_keeps_other_bytes_is_corrupt(tmp_path: Path) -> None:
    lone = blind(tmp_path)
    lone.bucket.flip_next_read(KEY)
    with pytest.raises(RemoteError) as caught:
        deliver(lone.host.context, *parcel_of(lone))
    assert caught.value.kind is RemoteKind.CORRUPT


def test_a_spoilt_try_of_ours_is_replaced_under_its_own_etag(lone: LoneHost) -> None:
    context, (parcel, file) = lone.host.context, parcel_of(lone)
    lone.bucket.plant(KEY, b"the bytes of an archivX", metadata={"syncd-op": "our-operation"})
    facts = lone.bucket.head(KEY)
    assert facts is not None
    assert collect(context, parcel, facts) is None
    assert replace_own(context, parcel, file, facts).proof is ProofKind.ETAG
    assert lone.bucket.contents() == {KEY: BODY}


def test_what_replaced_it_meanwhile_is_not_overwritten(lone: LoneHost) -> None:
    context, (parcel, file) = lone.host.context, parcel_of(lone)
    lone.bucket.plant(KEY, b"spoilt")
    facts = lone.bucket.head(KEY)
    assert facts is not None
    lone.bucket.plant(KEY, b"somebody else's")
    with pytest.raises(Stale):
        replace_own(context, parcel, file, facts)
    assert lone.bucket.contents() == {KEY: b"somebody else's"}


def test_without_preconditions_a_taken_key_is_seen_by_a_look(tmp_path: Path) -> None:
    lone = lone_host(tmp_path, capabilities=Capabilities(etag_is_md5=True, probed_at=1.0))
    lone.bucket.plant(KEY, b"not ours")
    with pytest.raises(Taken):
        deliver(lone.host.context, *parcel_of(lone))
    assert lone.bucket.contents() == {KEY: b"not ours"}


def test_what_goes_whole_goes_in_one_request_whatever_its_size(lone: LoneHost) -> None:
    deliver(lone.host.context, *parcel_of(lone, bytes(65 << 20)))
    assert lone.bucket.requests["put"] == 1
    assert lone.bucket.requests["create_multipart"] == 0


class Parted(FakeObjects):
    """Makes the ETags of uploads in parts in its own way."""

    def complete_multipart(self, *args: object, **words: object) -> object:
        answer = super().complete_multipart(*args, **words)  # type: ignore[arg-type]
        (key,) = self._live
        self._live[key] = replace(self._live[key], etag="opaque-2")  # type: ignore[arg-type]
        return replace(answer, etag="opaque-2")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bucket", "enforced", "proof"),
    [
        (FakeObjects, True, ProofKind.ETAG),
        (Parted, True, ProofKind.CHECKSUM),
        (Parted, False, ProofKind.READBACK),
    ],
)
def test_an_upload_in_parts_is_proven_by_the_md5_of_its_parts_its_enforced_checksum_or_read_back(
    tmp_path: Path, bucket: type[FakeObjects], enforced: bool, proof: ProofKind
) -> None:
    able = replace(EVERYTHING, full_object_checksum=enforced)
    lone = lone_host(tmp_path, bucket=bucket, capabilities=able, cleanup=True, mode=Mode.UPLOAD)
    context = replace(lone.host.context, objects=lone.bucket)
    parcel, file = parcel_of(lone, bytes(65 << 20))
    assert deliver(context, replace(parcel, whole=False), file).proof is proof
    assert lone.bucket.requests["complete_multipart"] == 1
    assert context.records.open_uploads() == []
