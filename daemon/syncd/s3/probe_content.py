"""Whether a store gives back what it was given, and what it says to bytes that are not those that were promised."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from syncd.s3.body import SentBody
from syncd.s3.canary import REFUSALS, Canary
from syncd.s3.facts import crc64nvme_base64, parse_etag

BODY = b"syncd asks what this store honours\n"
CRC64NVME = 0x3B00F785B6ECCA01
"""Of BODY. Stored with it, so that HEAD can show it."""

RANGE = (6, 4)
CRC = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumCRC64NVME": crc64nvme_base64(CRC64NVME)}
WRONG_CRC = {**CRC, "ChecksumCRC64NVME": crc64nvme_base64(CRC64NVME ^ 1)}


def sha256_sums(of: bytes) -> dict[str, str]:
    """The parameters that promise these bytes by SHA-256."""
    return {
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": base64.b64encode(hashlib.sha256(of).digest()).decode("ascii"),
    }


def hatch(canary: Canary) -> tuple[bool, bool]:
    """Make the object, which every store that is there must do: (it keeps checksums, its ETag is the MD5)."""
    answer = canary.tries(canary.client.put_object, Key=canary.key, Body=BODY, **CRC)
    canary.sums = CRC
    if answer is None:
        canary.sums = {}
        answer = canary.must(canary.client.put_object, Key=canary.key, Body=BODY)
    canary.etag = parse_etag(answer.get("ETag"))
    md5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    return bool(canary.sums) and _shows_checksum(canary), canary.etag == md5


def _shows_checksum(canary: Canary) -> bool:
    seen = canary.tries(canary.client.head_object, Key=canary.key, ChecksumMode="ENABLED")
    return seen is not None and seen.get("ChecksumCRC64NVME") == CRC["ChecksumCRC64NVME"]


def reads_back(canary: Canary) -> bool:
    """Compare what comes back, whole and in part: whether a range is honoured. RemoteError where other bytes come."""
    return canary.reads(canary.key, BODY) and canary.reads_range(canary.key, BODY, *RANGE)


def rejects_wrong_crc64nvme(canary: Canary) -> bool:
    """Whether a CRC64NVME that is not of the bytes is refused, where the right one is taken."""
    return canary.sums == CRC and _rejects(canary, "crc64nvme", lambda: BODY, WRONG_CRC)


def rejects_wrong_sha256(canary: Canary) -> bool:
    """The same of a SHA-256."""
    right = canary.takes(
        canary.client.put_object, Key=f"{canary.key}-sha256", Body=BODY, **sha256_sums(BODY)
    ) and canary.is_there(f"{canary.key}-sha256")
    return right and _rejects(canary, "wrong-sha256", lambda: BODY, sha256_sums(BODY[::-1]))


def rejects_wrong_payload(canary: Canary) -> bool:
    """Whether a body is refused that is not the one whose hash the request is signed with."""
    key, right = f"{canary.key}-payload", _signed_as(BODY)
    if not canary.takes(canary.client.put_object, Key=key, Body=right, ContentLength=len(BODY), **canary.sums):
        return False
    if not (right.signed and canary.is_there(key)):  # these credentials sign no payload
        return False
    return _rejects(canary, "wrong-payload", lambda: _signed_as(BODY[::-1]), canary.sums)


def _signed_as(other: bytes) -> SentBody:
    """The body, with the hash of other bytes (or of its own)."""
    return SentBody(cast(BinaryIO, io.BytesIO(BODY)), len(BODY), sha256=hashlib.sha256(other).digest())


def _rejects(canary: Canary, name: str, body: Callable[[], Any], sums: dict[str, str]) -> bool:
    """Whether such a PUT is refused and stores nothing. What it stores is removed with the canary."""
    key = f"{canary.key}-{name}"
    status = canary.status_of(canary.client.put_object, Key=key, Body=body(), ContentLength=len(BODY), **sums)
    return status in REFUSALS and not canary.is_there(key)
