"""What an endpoint honours, seen by trying: each precondition with a value that holds and one that does not."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from syncd.core.model import ETag
from syncd.core.paths import OURS
from syncd.ports import Capabilities
from syncd.s3.facts import crc64nvme_base64, parse_etag
from syncd.s3.parameters import quoted
from syncd.s3.translate import CODES, Place, error_code, error_status, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BODY = b"syncd asks what this store honours\n"
CRC64NVME = 0x3B00F785B6ECCA01
"""Of BODY. Stored with it, so that HEAD can show it."""

WRONG = ETag("00000000000000000000000000000000")
UNKNOWN_HERE = frozenset({400, 403, 404, 405, 409, 411, 415, 422, 501})
"""Statuses by which a store says that it does not do this, once it was seen that it lets us in."""


def probe(client: S3Client, bucket: str, prefix: str, *, now: Callable[[], float] = time.time) -> Capabilities:
    """Try every precondition on canary objects below `<prefix>.syncd/canary/` and remove them again.

    RemoteError: no connection, wrong credentials, no such bucket, a failing store. What the store refuses to do
    is a capability that it does not have. Some 20 requests; no object but its own is touched.
    """
    with ExitStack() as cleaning:
        canary = _Canary(client, bucket, f"{prefix}{OURS}/canary/{uuid.uuid4().hex}")
        cleaning.callback(canary.remove)
        stores_checksum, etag_is_md5 = canary.hatch()
        quoted_if_match, put_if_match = canary.put_if_match()
        copy, copy_if_match = canary.copy()
        return Capabilities(
            put_if_none_match=canary.put_if_none_match(),
            put_if_match=put_if_match,
            quoted_if_match=quoted_if_match,
            copy=copy,
            copy_if_match=copy_if_match,
            delete_if_match=canary.delete_if_match(quoted_if_match),
            etag_is_md5=etag_is_md5,
            stores_checksum=stores_checksum,
            versioned=canary.versioned(),
            probed_at=now(),
        )


class _Canary:
    """The objects of one probe: `key`, and others whose names begin with it."""

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._etag = WRONG
        self._made: list[tuple[str, str]] = []  # (key, version id or "")
        self._place = Place(client.meta.endpoint_url, bucket, key.rpartition("/")[0])  # one failure, one message

    def hatch(self) -> tuple[bool, bool]:
        """Make the object, which every store that is there must do: (it keeps checksums, its ETag is the MD5)."""
        sums = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumCRC64NVME": crc64nvme_base64(CRC64NVME)}
        answer = self._try(self._client.put_object, Key=self._key, Body=BODY, **sums)
        if answer is None:
            sums = {}
            with self._place.translated():
                answer = self._client.put_object(Bucket=self._bucket, Key=self._key, Body=BODY)
            self._remember(self._key, answer)
        self._etag = parse_etag(answer.get("ETag"))
        return bool(sums) and self._shows_checksum(), self._etag == hashlib.md5(BODY, usedforsecurity=False).hexdigest()

    def _shows_checksum(self) -> bool:
        seen = self._try(self._client.head_object, Key=self._key, ChecksumMode="ENABLED")
        return seen is not None and seen.get("ChecksumCRC64NVME") == crc64nvme_base64(CRC64NVME)

    def put_if_none_match(self) -> bool:
        """Whether `*` refuses what is there and takes what is not."""
        refuses = self._refuses(self._client.put_object, Key=self._key, Body=BODY, IfNoneMatch="*")
        return refuses and self._takes(self._client.put_object, Key=f"{self._key}-absent", Body=BODY, IfNoneMatch="*")

    def put_if_match(self) -> tuple[bool, bool]:
        """(the ETag is to be quoted, the right one passes and the wrong one does not)."""
        for quotes in (True, False):
            if not self._refuses(self._client.put_object, Key=self._key, Body=b"wrong", IfMatch=_tag(WRONG, quotes)):
                continue
            if self._takes(self._client.put_object, Key=self._key, Body=b"right", IfMatch=_tag(self._etag, quotes)):
                return quotes, True
        return True, False

    def copy(self) -> tuple[bool, bool]:
        """(it copies at all, a copy pinned to another ETag is refused and one pinned to the right one is not)."""
        self._look()
        source = {"Bucket": self._bucket, "Key": self._key}
        target = f"{self._key}-copy"
        pinned = self._takes(
            self._client.copy_object, Key=target, CopySource=source, CopySourceIfMatch=quoted(self._etag)
        )
        if not pinned:
            return self._takes(self._client.copy_object, Key=target, CopySource=source), False
        return True, self._refuses(
            self._client.copy_object, Key=target, CopySource=source, CopySourceIfMatch=quoted(WRONG)
        )

    def delete_if_match(self, quotes: bool) -> bool:
        """Whether the wrong ETag leaves the object and the right one removes it. The object is gone after it."""
        self._look()
        if not self._refuses(self._client.delete_object, Key=self._key, IfMatch=_tag(WRONG, quotes)):
            return False
        if self._try(self._client.head_object, Key=self._key) is None:
            return False
        self._takes(self._client.delete_object, Key=self._key, IfMatch=_tag(self._etag, quotes))
        return self._try(self._client.head_object, Key=self._key) is None

    def versioned(self) -> bool:
        """Whether the bucket keeps previous versions."""
        answer = self._try(self._client.get_bucket_versioning)
        return answer is not None and answer.get("Status") == "Enabled"

    def remove(self) -> None:
        """Delete what was made, each version of it where there are versions. What may not be deleted stays."""
        from botocore.exceptions import BotoCoreError, ClientError

        for key in {key for key, _ in self._made}:
            with suppress(ClientError, BotoCoreError):  # a policy without delete: the canary is small
                self._made.append((key, self._client.delete_object(Bucket=self._bucket, Key=key).get("VersionId", "")))
        if not any(version for _, version in self._made):
            return
        with suppress(ClientError, BotoCoreError):  # not every answer names the version that it made
            seen = self._client.list_object_versions(Bucket=self._bucket, Prefix=self._key)
            self._made += [(row["Key"], row["VersionId"]) for row in seen.get("Versions", ())]
            self._made += [(row["Key"], row["VersionId"]) for row in seen.get("DeleteMarkers", ())]
        for key, version in {made for made in self._made if made[1]}:
            with suppress(ClientError, BotoCoreError):
                self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)

    # --- one request --------------------------------------------------------------------------------------

    def _takes(self, call: Callable[..., Any], **parameters: Any) -> bool:
        return self._try(call, **parameters) is not None

    def _refuses(self, call: Callable[..., Any], **parameters: Any) -> bool:
        """Whether the store answers 412. Anything else is no precondition."""
        return self._status(call, parameters)[0] == 412

    def _try(self, call: Callable[..., Any], **parameters: Any) -> Any:
        """The answer, or None where the store does not do this."""
        return self._status(call, parameters)[1]

    def _status(self, call: Callable[..., Any], parameters: dict[str, Any]) -> tuple[int, Any]:
        from botocore.exceptions import ClientError

        with self._place.translated():
            try:
                answer = call(Bucket=self._bucket, **parameters)
            except ClientError as error:
                status = error_status(error)
                if status == 412 or (status in UNKNOWN_HERE and error_code(error) not in DECISIVE):
                    return status, None
                raise refused(error, self._place) from error
        if call != self._client.get_bucket_versioning:
            self._remember(parameters["Key"], answer)
        return 200, answer

    def _remember(self, key: str, answer: Any) -> None:
        self._made.append((key, answer.get("VersionId", "")))
        if key == self._key and "ETag" in answer:
            self._etag = parse_etag(answer["ETag"])

    def _look(self) -> None:
        """The object's ETag as it is now, whatever became of the puts before."""
        with self._place.translated():
            self._etag = parse_etag(self._client.head_object(Bucket=self._bucket, Key=self._key).get("ETag"))


DECISIVE = frozenset(CODES) - {"AccessDenied", "NotImplemented", "MetadataTooLarge"}
"""Codes that say something of the endpoint, the bucket or the credentials, not of the one request."""


def _tag(etag: ETag, quotes: bool) -> str:
    return quoted(etag) if quotes else etag
