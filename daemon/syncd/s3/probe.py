"""What an endpoint is worth, seen by trying: a canary goes in, comes back, and is mishandled in every way."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from syncd.core.paths import OURS
from syncd.ports import Capabilities
from syncd.s3 import probe_conditions as conditions
from syncd.s3 import probe_content as content
from syncd.s3.canary import Canary
from syncd.s3.probe_parts import in_parts

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LEFT_S = 86_400.0
"""An object of a probe that is older than this belongs to one that was killed: another host's may be under way."""


def probe(client: S3Client, bucket: str, prefix: str, *, now: Callable[[], float] = time.time) -> Capabilities:
    """Try on canary objects below `<prefix>.syncd/canary/` all that is relied on, and remove them again.

    RemoteError: no connection, wrong credentials, no such bucket, no right to write, a failing store; CORRUPT where
    what is read is not what was put: such an endpoint is fit for nothing. What the store refuses to do is a
    capability that it does not have. Some 50 small requests; no object but its own is touched.
    """
    with ExitStack() as cleaning:
        canary = Canary(client, bucket, f"{prefix}{OURS}/canary/{uuid.uuid4().hex}")
        cleaning.callback(lambda: canary.sweep(before=now() - LEFT_S))
        cleaning.callback(canary.remove)
        seen = replace(_seen(canary), probed_at=now())
    return replace(seen, denied=frozenset(canary.denied))


def _seen(canary: Canary) -> Capabilities:
    stores_checksum, etag_is_md5 = content.hatch(canary)
    ranged_get = content.reads_back(canary)
    canary.look_around()
    rejects_crc64nvme = content.rejects_wrong_crc64nvme(canary)
    rejects_sha256 = content.rejects_wrong_sha256(canary)
    rejects_payload = content.rejects_wrong_payload(canary)
    put_if_none_match = conditions.put_if_none_match(canary)
    quoted_if_match, put_if_match = conditions.put_if_match(canary)
    copy, copy_if_match = conditions.copies(canary)
    parts = in_parts(canary, quoted_if_match, checksum=stores_checksum)
    conditions.deletes(canary)
    delete_if_match = conditions.delete_if_match(canary, quoted_if_match)
    versioning = canary.tries(canary.client.get_bucket_versioning)
    return Capabilities(
        put_if_none_match=put_if_none_match,
        put_if_match=put_if_match,
        quoted_if_match=quoted_if_match,
        copy=copy,
        copy_if_match=copy_if_match,
        delete_if_match=delete_if_match,
        etag_is_md5=etag_is_md5,
        stores_checksum=stores_checksum,
        versioned=versioning is not None and versioning.get("Status") == "Enabled",
        ranged_get=ranged_get,
        multipart=parts.works,
        complete_if_none_match=parts.if_none_match,
        complete_if_match=parts.if_match,
        full_object_checksum=parts.full_object_checksum,
        rejects_wrong_crc64nvme=rejects_crc64nvme and stores_checksum,
        rejects_wrong_sha256=rejects_sha256,
        rejects_wrong_payload=rejects_payload,
    )
