"""What proves that S3 holds our bytes, cell by cell: what was sent, what is shown, and what the canary saw refused."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from awscrt.checksums import crc64nvme

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.archive import Archive, Member
from syncd.core.model import ETag, LocalState, Mode, ObjectFacts, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath
from syncd.engine.checksum import crc64nvme_text
from syncd.engine.evidence import enforces, still_proves, vouched
from syncd.engine.prove import Shown, prove, prove_member, proven, shown
from syncd.errors import Stale
from syncd.ports import Capabilities, Hashes, PutAnswer

BODY = b"a line\n"
HASHES = Hashes(sha256=hashlib.sha256(BODY).digest(), crc64nvme=crc64nvme(BODY))
CRC = crc64nvme_text(crc64nvme(BODY))
SHA = "SHA256:" + base64.b64encode(hashlib.sha256(BODY).digest()).decode()
SIGNED = hashlib.sha256(BODY).hexdigest()
NOTHING = Capabilities(probed_at=1.0)
CHECKSUM, PAYLOAD, NONE = ProofKind.CHECKSUM, ProofKind.PAYLOAD, ProofKind.NONE


@pytest.mark.parametrize(
    ("saw", "checksum", "payload", "in_parts", "proof"),
    [
        ({}, CRC, SIGNED, False, NONE),  # a store that refuses nothing is believed nothing
        ({"rejects_wrong_crc64nvme"}, CRC, "", False, CHECKSUM),
        ({"rejects_wrong_crc64nvme"}, CRC, "", True, NONE),  # what it does at a Complete was seen apart
        ({"full_object_checksum"}, CRC, "", True, CHECKSUM),
        ({"full_object_checksum"}, CRC, "", False, NONE),
        ({"rejects_wrong_sha256"}, CRC, "", False, NONE),  # another kind than the one that was refused
        ({"rejects_wrong_sha256"}, SHA, "", False, CHECKSUM),
        ({"rejects_wrong_sha256"}, SHA, "", True, NONE),
        ({"rejects_wrong_sha256", "full_object_checksum"}, f"{SHA}-2", "", True, NONE),  # of part checksums: of no file
        ({"rejects_wrong_crc64nvme"}, crc64nvme_text(1), "", False, NONE),
        ({"rejects_wrong_crc64nvme"}, None, "", False, NONE),  # it does not show it
        ({"rejects_wrong_crc64nvme"}, "CRC32:AAAAAA==", "", False, NONE),
        ({"rejects_wrong_payload"}, None, SIGNED, False, PAYLOAD),
        ({"rejects_wrong_payload"}, None, "", False, NONE),  # it went unsigned
        ({"rejects_wrong_payload"}, None, "0" * 64, False, NONE),
        ({"rejects_wrong_payload"}, CRC, SIGNED, False, PAYLOAD),
        ({"rejects_wrong_payload", "rejects_wrong_crc64nvme"}, CRC, SIGNED, False, CHECKSUM),
    ],
)
def test_an_answer_proves_only_what_the_canary_saw_enforced(
    saw: set[str], checksum: str | None, payload: str, in_parts: bool, proof: ProofKind
) -> None:
    able = replace(NOTHING, **dict.fromkeys(saw, True))  # type: ignore[arg-type]  # flags
    answer = PutAnswer(etag=ETag("opaque"), checksum=checksum, payload=payload)
    assert vouched(able, answer, HASHES, in_parts=in_parts) is proof


@pytest.mark.parametrize("checksum", [None, "", "CRC32:AAAAAA==", "SHA1:x"])
def test_a_kind_that_the_canary_does_not_try_is_never_enforced(checksum: str | None) -> None:
    assert not enforces(EVERYTHING, checksum, in_parts=False)


RECORD = Record(
    path=RelPath("a"),
    local=LocalState.PRESENT,
    remote=RemoteState.PRESENT,
    size=len(BODY),
    digest=None,
    etag=ETag("e"),
    checksum=CRC,
    proof=CHECKSUM,
)
FACTS = ObjectFacts(etag=ETag("e"), size=len(BODY), last_modified_s=0, checksum=CRC)


@pytest.mark.parametrize(
    ("record", "facts", "able", "still"),
    [
        ({}, {}, EVERYTHING, True),
        ({}, {"checksum": None}, EVERYTHING, False),  # it is not shown any more
        ({}, {"checksum": crc64nvme_text(1)}, EVERYTHING, False),
        ({"checksum": None}, {"checksum": None}, EVERYTHING, False),
        ({}, {}, replace(EVERYTHING, rejects_wrong_crc64nvme=False), False),
        ({"etag": "e-2"}, {"etag": "e-2"}, replace(EVERYTHING, full_object_checksum=False), False),
        ({"etag": "e-2"}, {"etag": "e-2"}, replace(EVERYTHING, rejects_wrong_crc64nvme=False), True),
        ({"proof": PAYLOAD}, {"checksum": None}, EVERYTHING, True),
        ({"proof": PAYLOAD}, {}, replace(EVERYTHING, rejects_wrong_payload=False), False),
        ({"proof": ProofKind.ETAG}, {"checksum": None}, NOTHING, True),
        ({"proof": ProofKind.READBACK}, {"checksum": None}, NOTHING, True),
        ({"proof": NONE}, {}, EVERYTHING, False),
        ({"proof": ProofKind.UNPROVEN}, {}, EVERYTHING, False),
    ],
)
def test_what_proved_it_counts_as_long_as_the_endpoint_keeps_its_word(
    record: dict[str, Any], facts: dict[str, Any], able: Capabilities, still: bool
) -> None:
    assert still_proves(able, replace(RECORD, **record), replace(FACTS, **facts)) is still


# --- a file, from its upload to its end ---------------------------------------------------------------------

OPAQUE = replace(EVERYTHING, etag_is_md5=False)
"""A store whose ETags tell nothing, as with KMS."""


class Believing(FakeObjects):
    """Believes any checksum, keeps other bytes than it was sent, and shows what was claimed."""

    def put(self, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
        answer = super().put(key, body, size, **more)
        live = self._live[key]
        self._live[key] = replace(live, body=bytes(len(live.body)))
        return answer


def uploaded(root: Path, *, capabilities: Capabilities = OPAQUE, bucket: type[FakeObjects] = FakeObjects) -> LoneHost:
    host = lone_host(root, mode=Mode.UPLOAD, cleanup=True, capabilities=capabilities, bucket=bucket)
    host.write("a.log", BODY)
    host.run()
    return host


def record_of(host: LoneHost) -> Record:
    record = host.host.records.get(RelPath("a.log"))
    assert record is not None
    return record


def cleaned(host: LoneHost, passes: int = 4) -> bool:
    for _ in range(passes):
        host.run()
    return record_of(host).local is LocalState.CLEANED


def test_an_enforced_checksum_lets_a_file_go_without_a_read(tmp_path: Path) -> None:
    host = uploaded(tmp_path / "root")
    assert record_of(host).proof is CHECKSUM
    assert cleaned(host)
    assert host.bucket.requests["get"] == 0
    assert record_of(host).proof is CHECKSUM


def test_a_signed_payload_lets_a_file_go_without_a_read(tmp_path: Path) -> None:
    able = replace(NOTHING, put_if_none_match=True, put_if_match=True, rejects_wrong_payload=True)
    host = uploaded(tmp_path / "root", capabilities=able)
    assert record_of(host).proof is PAYLOAD
    assert cleaned(host)
    assert host.bucket.requests["get"] == 0


def test_a_checksum_that_the_store_only_repeats_proves_nothing(tmp_path: Path) -> None:
    blind = replace(OPAQUE, rejects_wrong_crc64nvme=False, rejects_wrong_payload=False)
    host = uploaded(tmp_path / "root", capabilities=blind, bucket=Believing)
    assert record_of(host).checksum == CRC
    assert record_of(host).proof is NONE
    assert not cleaned(host)
    assert host.files() == {"a.log": BODY}


def test_a_checksum_that_is_enforced_no_longer_asks_for_a_read(tmp_path: Path) -> None:
    host = uploaded(tmp_path / "root")
    able = replace(OPAQUE, rejects_wrong_crc64nvme=False)
    host.host.context.endpoint.capabilities = able
    assert cleaned(host)
    assert host.bucket.requests["get"] == 1
    assert record_of(host).proof is ProofKind.READBACK


def test_a_file_whose_checksum_is_enforced_no_longer_stays_where_the_read_gives_other_bytes(tmp_path: Path) -> None:
    host = uploaded(tmp_path / "root")
    host.host.context.endpoint.capabilities = replace(OPAQUE, rejects_wrong_crc64nvme=False)
    live = host.bucket._live["p/a.log"]
    host.bucket._live["p/a.log"] = replace(live, body=bytes(len(BODY)))
    assert not cleaned(host)
    assert host.files() == {"a.log": BODY}


@pytest.mark.parametrize("when", ["before it is staged", "before it is unlinked"])
def test_without_a_canary_of_late_nothing_is_staged_and_nothing_goes(tmp_path: Path, when: str) -> None:
    host = uploaded(tmp_path / "root")
    staged = when == "before it is unlinked"
    if staged:
        host.run()
        assert record_of(host).local is LocalState.CLEANING
    host.host.context.endpoint.proven_until = host.clock.now()
    requests = dict(host.bucket.requests)
    for _ in range(3):
        assert host.run().report.counts.get("errors", 0) == 0
    assert record_of(host).local is (LocalState.CLEANING if staged else LocalState.PRESENT)
    assert (host.host.root.staged(RelPath("a.log")) is not None) is staged
    assert host.bucket.requests["head"] == requests.get("head", 0), "it waits without asking"
    host.host.context.endpoint.proven_until = host.clock.now() + 86_400
    assert cleaned(host)


def test_no_proof_is_made_where_no_canary_of_late_has_passed(tmp_path: Path) -> None:
    """Whoever asks: the last door before an unlink."""
    host = uploaded(tmp_path / "root")
    host.run()
    staged = host.host.root.staged(RelPath("a.log"))
    assert staged is not None
    context, record, archive = host.host.context, record_of(host), archive_on(host, CHECKSUM)
    seen = proven(context, record)
    assert prove(context, record, staged, seen) is not None
    context.endpoint.proven_until = host.clock.now()
    with pytest.raises(Stale, match="not proven"):
        prove(context, record, staged, seen)
    with pytest.raises(Stale, match="not proven"):
        shown(context, archive)
    digest = hashlib.sha256(BODY).hexdigest()
    member = Member(path=RelPath("a.log"), offset=0, size=len(BODY), sha256=digest, mtime_ns=0, mode=0, uid=0, gid=0)
    with pytest.raises(Stale, match="not proven"):
        prove_member(context, Shown(uuid="u", etag=ETag("e"), kind=CHECKSUM), member, staged)


# --- an archive ------------------------------------------------------------------------------------------------

KEY = "p/logs/u.tar"


def archive_on(host: LoneHost, proof: ProofKind, *, shows: str | None = CRC) -> Archive:
    etag = host.bucket.plant(KEY, BODY)
    host.bucket._live[KEY] = replace(host.bucket._live[KEY], checksum=shows)
    return Archive(
        uuid="u",
        bucket="bucket",
        key=RelPath("logs/u.tar"),
        size=len(BODY),
        sha256=hashlib.sha256(BODY).hexdigest(),
        md5="",
        crc64nvme=crc64nvme(BODY),
        operation="o",
        created_at=0.0,
        manifest_offset=0,
        manifest_size=0,
        etag=etag,
        proof=proof,
    )


@pytest.mark.parametrize(
    ("proof", "shows", "able", "kind"),
    [
        (CHECKSUM, CRC, EVERYTHING, CHECKSUM),
        (CHECKSUM, None, EVERYTHING, ProofKind.READBACK),
        (CHECKSUM, crc64nvme_text(1), EVERYTHING, ProofKind.READBACK),
        (CHECKSUM, CRC, replace(EVERYTHING, rejects_wrong_crc64nvme=False), ProofKind.READBACK),
        (PAYLOAD, None, EVERYTHING, PAYLOAD),
        (PAYLOAD, None, replace(EVERYTHING, rejects_wrong_payload=False), ProofKind.READBACK),
        (ProofKind.ETAG, None, NOTHING, ProofKind.ETAG),
    ],
)
def test_an_archive_is_read_back_where_its_proof_counts_no_more(
    tmp_path: Path, proof: ProofKind, shows: str | None, able: Capabilities, kind: ProofKind
) -> None:
    host = lone_host(tmp_path / "root")
    archive = archive_on(host, proof, shows=shows)
    host.host.context.endpoint.capabilities = able
    seen = shown(host.host.context, archive)
    assert seen is not None
    assert seen.kind is kind
    assert host.bucket.requests["get"] == (kind is ProofKind.READBACK)


def test_an_archive_that_reads_otherwise_than_it_was_sealed_is_not_shown(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root")
    archive = archive_on(host, CHECKSUM, shows=None)
    host.bucket._live[KEY] = replace(host.bucket._live[KEY], body=bytes(len(BODY)))
    assert shown(host.host.context, archive) is None
