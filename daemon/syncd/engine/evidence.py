"""What the word of an endpoint is worth: which of its answers show that it holds our bytes."""

from __future__ import annotations

from syncd.core.model import ETag, ObjectFacts, ProofKind, Record
from syncd.engine.checksum import agrees
from syncd.ports import Capabilities, Hashes, PutAnswer


def vouched(capabilities: Capabilities, answer: PutAnswer, hashes: Hashes, *, in_parts: bool) -> ProofKind:
    """What an accepted write proves by itself: it carried a hash of ours, and a wrong one would have been refused."""
    if agrees(answer.checksum, hashes) and enforces(capabilities, answer.checksum, in_parts=in_parts):
        return ProofKind.CHECKSUM
    signed = hashes.sha256 is not None and answer.payload == hashes.sha256.hex()
    return ProofKind.PAYLOAD if signed and capabilities.rejects_wrong_payload else ProofKind.NONE


def enforces(capabilities: Capabilities, checksum: str | None, *, in_parts: bool) -> bool:
    """Whether the canary saw that a wrong checksum of that kind is refused. One of part checksums is of no file."""
    match (checksum or "").partition(":")[0]:
        case "CRC64NVME":
            return capabilities.full_object_checksum if in_parts else capabilities.rejects_wrong_crc64nvme
        case "SHA256":
            return capabilities.rejects_wrong_sha256 and not in_parts
        case _:
            return False


def still_proves(capabilities: Capabilities, record: Record, facts: ObjectFacts) -> bool:
    """Whether what proved a record still does, the object being there under its ETag.

    An endpoint that refuses no wrong value any more takes back the word that it gave.
    """
    match record.proof:
        case ProofKind.ETAG | ProofKind.READBACK:
            return True
        case ProofKind.CHECKSUM:
            shown = record.checksum is not None and facts.checksum == record.checksum
            return shown and enforces(capabilities, record.checksum, in_parts=made_of_parts(facts.etag))
        case ProofKind.PAYLOAD:
            return capabilities.rejects_wrong_payload
        case ProofKind.NONE | ProofKind.UNPROVEN:
            return False


def made_of_parts(etag: ETag) -> bool:
    """Whether that is the ETag of an object in parts."""
    return "-" in etag
