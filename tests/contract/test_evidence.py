"""What an accepted write is worth on each server: exactly what its canary saw enforced."""

from __future__ import annotations

import hashlib
import io

from awscrt.checksums import crc64nvme

from support.subjects import Subject
from syncd.core.model import ProofKind
from syncd.engine.evidence import vouched
from syncd.ports import Checksums, Hashes, ObjectHeaders, Unchecked

BODY = bytes(range(256)) * 400  # too long to be hashed once more by the SDK itself
HASHES = Hashes(sha256=hashlib.sha256(BODY).digest(), crc64nvme=crc64nvme(BODY))


def test_an_accepted_write_proves_what_the_store_enforces(subject: Subject) -> None:
    sums = Checksums(sha256=HASHES.sha256, crc64nvme=HASHES.crc64nvme)
    answer = subject.objects.put(
        "k", io.BytesIO(BODY), len(BODY), expect=Unchecked(), headers=ObjectHeaders(), sums=sums
    )
    able = subject.capabilities
    wanted = ProofKind.NONE
    if able.rejects_wrong_payload:
        wanted = ProofKind.PAYLOAD
    if able.rejects_wrong_crc64nvme:
        wanted = ProofKind.CHECKSUM
    assert answer.payload == hashlib.sha256(BODY).hexdigest()
    assert vouched(able, answer, HASHES, in_parts=False) is wanted
