"""What a store says where it does not do what it was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping

from syncd.s3.wire.failure import WireError
from syncd.s3.wire.markup import read
from syncd.s3.wire.sign import Keys

ERROR_LIMIT = 64 * 1024
"""The body of a refusal is not read further."""

_WANTED = {"Code", "Message", "Region", "BucketRegion", "RequestId", "HostId"}
_REGION = re.compile(r"[a-z0-9-]{1,64}")


class Refused(WireError):
    """An answer with an error in it: its status, S3's word for it (the status where it has none), both request ids.

    `region`: where the bucket is, if the store said so. `date`: its clock. `keys`: what the request was signed with.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes, keys: Keys | None = None) -> None:
        said = error_fields(body)
        self.keys = keys
        self.status = status
        self.code = said.get("Code") or str(status)
        self.message = said.get("Message", "")
        self.request_id = headers.get("x-amz-request-id") or said.get("RequestId", "")
        self.host_id = headers.get("x-amz-id-2") or said.get("HostId", "")
        self.date = headers.get("date", "")
        named = headers.get("x-amz-bucket-region") or said.get("Region") or said.get("BucketRegion", "")
        self.region = named if _REGION.fullmatch(named) else ""
        super().__init__(f"{status} {self.code}: {self.message}")


def error_fields(body: bytes) -> dict[str, str]:
    """The elements of an `Error`, by name; nothing where the body is none."""
    found: dict[str, str] = {}

    def heard(path: list[str], text: str) -> None:
        if path[:-1] in (["Error"], ["ErrorResponse", "Error"]) and path[-1] in _WANTED:
            found[path[-1]] = text.strip()

    try:
        read(body, heard)
    except ValueError:
        return {}
    return found
