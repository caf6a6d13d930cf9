"""What a store makes of an upload in parts: its bytes, its preconditions, its checksum, and one that is dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncd.s3.canary import REFUSALS, WRONG, Canary, tagged
from syncd.s3.probe_content import BODY, CRC, WRONG_CRC

FULL = {"ChecksumType": "FULL_OBJECT", "MpuObjectSize": len(BODY)}


@dataclass(frozen=True, slots=True, kw_only=True)
class InParts:
    """What was seen. All False where it takes no uploads in parts."""

    works: bool = False
    if_none_match: bool = False
    if_match: bool = False
    full_object_checksum: bool = False


def in_parts(canary: Canary, quotes: bool, *, checksum: bool) -> InParts:
    """Complete uploads of one small part each, rightly and wrongly, and drop one. `quotes`: of an If-Match.

    RemoteError CORRUPT where the object is not made of the part's bytes.
    """
    uploads = _Uploads(canary, checksum=checksum)
    refuses_taken = uploads.complete(canary.key, IfNoneMatch="*") == 412
    refuses_changed = uploads.complete(canary.key, IfMatch=tagged(WRONG, quotes)) == 412
    refuses_wrong = (
        checksum and uploads.complete(canary.key, ChecksumCRC64NVME=WRONG_CRC["ChecksumCRC64NVME"]) in REFUSALS
    )
    canary.look()
    right = uploads.complete(canary.key, IfMatch=tagged(canary.etag, quotes)) == 200
    if not (right or uploads.complete(canary.key) == 200):
        return InParts()
    canary.reads(canary.key, BODY)
    shown = checksum and _shows_checksum(canary)
    takes_absent = refuses_taken and uploads.complete(f"{canary.key}-parts", IfNoneMatch="*") == 200
    uploads.drop(f"{canary.key}-dropped")
    return InParts(
        works=True,
        if_none_match=takes_absent,
        if_match=refuses_changed and right,
        full_object_checksum=refuses_wrong and shown,
    )


def _shows_checksum(canary: Canary) -> bool:
    seen = canary.tries(canary.client.head_object, Key=canary.key, ChecksumMode="ENABLED")
    return (
        seen is not None
        and seen.get("ChecksumCRC64NVME") == CRC["ChecksumCRC64NVME"]
        and seen.get("ChecksumType") != "COMPOSITE"
    )


class _Uploads:
    """Uploads of BODY as one part. One whose Complete was refused serves again."""

    def __init__(self, canary: Canary, *, checksum: bool) -> None:
        self._canary = canary
        self._checksum = checksum
        self._open: tuple[str, str, dict[str, Any]] | None = None  # key, upload id, the part as Complete wants it

    def complete(self, key: str, **parameters: Any) -> int:
        """The status of a Complete in that way; 501 where there is nothing to complete."""
        for fresh in (self._open is None, True):
            upload = self._upload(key)
            if upload is None:
                return 501
            status = self._complete(key, *upload, parameters)
            if status == 404:  # some stores drop an upload whose Complete they refused
                self._open = None
            if status != 404 or fresh:
                return status
        return 404

    def _complete(self, key: str, upload_id: str, part: dict[str, Any], parameters: dict[str, Any]) -> int:
        sums: dict[str, Any] = {**FULL, "ChecksumCRC64NVME": CRC["ChecksumCRC64NVME"]} if self._checksum else {}
        status = self._canary.status_of(
            self._canary.client.complete_multipart_upload,
            Key=key,
            UploadId=upload_id,
            MultipartUpload={"Parts": [part]},
            **{**sums, **parameters},
        )
        if status == 200:
            self._canary.ended(key, upload_id)
            self._open = None
        return status

    def drop(self, key: str) -> None:
        """Begin one and abort it."""
        upload, client = self._upload(key), self._canary.client
        if upload is not None and self._canary.takes(client.abort_multipart_upload, Key=key, UploadId=upload[0]):
            self._canary.ended(key, upload[0])
            self._open = None

    def _upload(self, key: str) -> tuple[str, dict[str, Any]] | None:
        """The id of an upload whose one part has arrived, and that part; None where the store does not do this."""
        if self._open is not None and self._open[0] == key:
            return self._open[1:]
        canary = self._canary
        asked = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"} if self._checksum else {}
        begun = canary.tries(canary.client.create_multipart_upload, Key=key, **asked)
        if begun is None:
            return None
        upload_id = begun["UploadId"]
        canary.begun(key, upload_id)
        sums = CRC if self._checksum else {}
        sent = canary.tries(canary.client.upload_part, Key=key, UploadId=upload_id, PartNumber=1, Body=BODY, **sums)
        if sent is None:
            return None
        part = {"PartNumber": 1, "ETag": sent["ETag"]}
        if self._checksum:
            part["ChecksumCRC64NVME"] = CRC["ChecksumCRC64NVME"]
        self._open = (key, upload_id, part)
        return upload_id, part
