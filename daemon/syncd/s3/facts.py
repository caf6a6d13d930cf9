"""From an answer of S3 to our nouns: ETags, checksums, listing rows, facts of an object."""

from __future__ import annotations

import base64
import hashlib
import re
from calendar import timegm
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

from syncd.core.model import ETag, ListedObject, ObjectFacts
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Part, PutAnswer
from syncd.s3 import metadata

ALGORITHMS = ("CRC64NVME", "SHA256", "CRC32C", "CRC32", "SHA1")
"""The checksums that we know, the one that we ask for first."""

ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that cannot be read until restored. GLACIER_IR can."""


def parse_etag(text: str | None) -> ETag:
    """The tag without its quotes. RemoteError where there is none: what answers is no S3."""
    bare = (text or "").strip()
    if len(bare) >= 2 and bare[0] == bare[-1] == '"':
        bare = bare[1:-1]
    if not bare:
        raise RemoteError(
            RemoteKind.REJECTED, "the endpoint answered without an ETag", hint="is endpoint_url an S3 endpoint?"
        )
    return ETag(bare)


def etag_of_parts(parts: Sequence[Part]) -> ETag | None:
    """The usual ETag of an object in parts: the MD5 of their MD5s; None where a part's ETag is no MD5."""
    tags = [part.etag for part in sorted(parts, key=lambda part: part.number)]
    if not all(re.fullmatch("[0-9a-f]{32}", tag) for tag in tags):
        return None
    whole = hashlib.md5(b"".join(bytes.fromhex(tag) for tag in tags), usedforsecurity=False)
    return ETag(f"{whole.hexdigest()}-{len(tags)}")


def crc64nvme_base64(value: int) -> str:
    """The eight bytes of the checksum, big-endian, as S3 writes them."""
    return base64.b64encode(value.to_bytes(8, "big")).decode("ascii")


def crc32_base64(value: int) -> str:
    """The four bytes of a CRC32, likewise."""
    return base64.b64encode(value.to_bytes(4, "big")).decode("ascii")


def any_checksum(answer: Mapping[str, Any]) -> str | None:
    """The answer's first checksum as "ALGORITHM:base64"."""
    for algorithm in ALGORITHMS:
        value = answer.get(f"Checksum{algorithm}")
        if value:
            return f"{algorithm}:{value}"
    return None


def full_checksum(answer: Mapping[str, Any]) -> str | None:
    """The checksum of the whole object; None for a checksum of part checksums."""
    checksum = any_checksum(answer)
    if checksum is None or answer.get("ChecksumType") == "COMPOSITE" or "-" in checksum:
        return None
    return checksum


def put_answer(answer: Mapping[str, Any], *, payload: str = "") -> PutAnswer:
    """What PUT or Complete said. `payload`: the SHA-256 that the request was signed with."""
    return PutAnswer(
        etag=parse_etag(answer.get("ETag")),
        version_id=version_id(answer),
        checksum=any_checksum(answer),
        payload=payload,
    )


def version_id(answer: Mapping[str, Any]) -> str | None:
    """The version that the answer names; "null" is the one of a bucket without versions."""
    named = answer.get("VersionId")
    return None if named in {None, "", "null"} else str(named)


def listed_object(row: Mapping[str, Any]) -> ListedObject:
    """One row of a LIST."""
    return ListedObject(
        key=row["Key"],
        size=int(row["Size"]),
        etag=parse_etag(row.get("ETag")),
        last_modified_s=_seconds(row.get("LastModified")),
        archived=row.get("StorageClass") in ARCHIVES,
    )


def object_facts(answer: Mapping[str, Any], *, size: int | None = None) -> ObjectFacts:
    """The facts in the headers of HEAD or GET. `size` of the whole object where the answer is a range of it."""
    whole = int(answer.get("ContentLength", 0)) if size is None else size
    said = metadata.claims(answer.get("Metadata", {}), size=whole)
    return ObjectFacts(
        etag=parse_etag(answer.get("ETag")),
        size=whole,
        last_modified_s=_seconds(answer.get("LastModified")),
        version_id=version_id(answer),
        digest=said.digest,
        mtime_ns=said.mtime_ns,
        host_id=said.host_id,
        host_name=said.host_name,
        operation_id=said.operation_id,
        checksum=full_checksum(answer),
        archived=_archived(answer),
        lying=said.lying,
    )


def _archived(answer: Mapping[str, Any]) -> bool:
    asleep = answer.get("StorageClass") in ARCHIVES or bool(answer.get("ArchiveStatus"))
    return asleep and 'ongoing-request="false"' not in answer.get("Restore", "")


def _seconds(at: datetime | int | None) -> int:
    return 0 if at is None else at if isinstance(at, int) else int(at.timestamp())


# --- from the headers themselves, as the lean client has them ---

_NAMED = {
    "etag": "ETag",
    "content-length": "ContentLength",
    "content-range": "ContentRange",
    "x-amz-version-id": "VersionId",
    "x-amz-storage-class": "StorageClass",
    "x-amz-archive-status": "ArchiveStatus",
    "x-amz-restore": "Restore",
    "x-amz-checksum-type": "ChecksumType",
    **{f"x-amz-checksum-{name.lower()}": f"Checksum{name}" for name in ALGORITHMS},
}
_META = "x-amz-meta-"
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, (\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT", re.ASCII)
_MONTHS = {"JanFebMarAprMayJunJulAugSepOctNovDec"[at : at + 3]: at // 3 + 1 for at in range(0, 36, 3)}


def answer_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer's headers (names in lower case) as boto3 would have named what is in them."""
    answer: dict[str, Any] = {}
    metadata: dict[str, str] = {}
    for header, value in headers.items():
        name = _NAMED.get(header)
        if name is not None:
            answer[name] = value
        elif header.startswith(_META):
            metadata[header[len(_META) :]] = value
    if "last-modified" in headers:
        answer["LastModified"] = http_seconds(headers["last-modified"])
    if metadata:
        answer["Metadata"] = metadata
    return answer


def http_seconds(text: str) -> int | None:
    """Seconds since the epoch of an HTTP date; None where it is none."""
    found = _HTTP_DATE.fullmatch(text)
    try:
        if found is not None and found.group(2) in _MONTHS:
            day, month, year, hour, minute, second = found.groups()
            return timegm((int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second)))
        said = parsedate_to_datetime(text)
        return int((said if said.tzinfo else said.replace(tzinfo=timezone.utc)).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
