"""What the canary of a bucket found: what may be done there, what is refused when it is wrong, when it was proven."""

from __future__ import annotations

import json
from collections.abc import Iterator

from syncd.config.types import Pair
from syncd.core.paths import OURS
from syncd.ports import Capabilities
from syncd.runtime.canaries import TRUSTED_S, standing
from syncd.runtime.finding import FAIL, OK, S3, WARN, Finding

PERMISSIONS = {
    "s3:ListBucket": (FAIL, "without it nothing can be compared"),
    "s3:PutObject": (FAIL, "without it nothing goes up"),
    "s3:GetObject": (FAIL, "without it nothing is read back, compared or cleaned"),
    "s3:DeleteObject": (WARN, "without it no deletion is carried over, and the small objects of the canary stay"),
    "s3:AbortMultipartUpload": (WARN, "without it what a broken upload left is billed until a lifecycle rule ends it"),
    "s3:GetBucketVersioning": (WARN, "without it the bucket counts as one without versions"),
}
"""What was really tried, and what it means where it is missing."""

OF_THE_BUCKET = frozenset({"s3:ListBucket", "s3:GetBucketVersioning"})

WRONG = {
    "rejects_wrong_crc64nvme": "CRC64NVME",
    "rejects_wrong_sha256": "SHA256",
    "rejects_wrong_payload": "signed payload hash",
    "full_object_checksum": "CRC64NVME of an upload in parts",
}


def canary_findings(pair: Pair, seen: Capabilities, now: float) -> Iterator[Finding]:
    """One line a permission, one for what is refused when wrong, one for the proof."""
    for action in PERMISSIONS:
        if action != "s3:AbortMultipartUpload" or seen.multipart:
            yield permission_finding(pair, action, allowed=action not in seen.denied)
    yield _wrong(pair, seen)
    yield proof_finding(pair, seen, now)


def permission_finding(pair: Pair, action: str, *, allowed: bool) -> Finding:
    """What a try of that right came to."""
    level, means = PERMISSIONS[action]
    check = f"{pair.name} permissions"
    if allowed:
        return Finding(check=check, kind=S3, message=f"{action} is allowed")
    arn = f"arn:aws:s3:::{pair.bucket}"
    resource = arn if action in OF_THE_BUCKET else f"{arn}/{pair.prefix}*"
    statement = json.dumps({"Effect": "Allow", "Action": action, "Resource": resource})
    return Finding(
        check=check,
        kind=S3,
        level=level,
        message=f"{action} is denied: {means}",
        remedy=f"{statement}   # into the policy of these credentials",
    )


def _wrong(pair: Pair, seen: Capabilities) -> Finding:
    refused = [word for name, word in WRONG.items() if getattr(seen, name)]
    message = (
        f"refuses when wrong: {', '.join(refused)}"
        if refused
        else "refuses no wrong checksum: what it holds is proven by its ETag, else read back before a file goes"
    )
    return Finding(check=f"{pair.name} checksums", kind=S3, message=message)


def proof_finding(pair: Pair, seen: Capabilities, now: float) -> Finding:
    """How long ago the endpoint was proven, and whether that still counts."""
    check = f"{pair.name} proof"
    counts = now < standing(seen).proven_until
    hours = max(now - seen.probed_at, 0) / 3600
    if counts:
        return Finding(check=check, kind=S3, level=OK, message=f"proven {hours:,.0f} h ago: what is put comes back")
    if seen.distrusted:
        return Finding(
            check=check,
            kind=S3,
            level=FAIL,
            message=f"not proven, and nothing is cleaned there: {seen.distrusted}",
            remedy=f"aws s3 ls {pair.remote}{OURS}/canary/   # compare what you put there with what comes back",
        )
    if "s3:GetObject" in seen.denied:
        message = "not proven, and nothing is cleaned there: what is put cannot be read (s3:GetObject)"
        remedy = permission_finding(pair, "s3:GetObject", allowed=False).remedy
        return Finding(check=check, kind=S3, level=WARN, message=message, remedy=remedy)
    return Finding(
        check=check,
        kind=S3,
        level=WARN,
        message=f"last proven {hours:,.0f} h ago, which counts for {TRUSTED_S / 3600:.0f} h: nothing is cleaned there",
        remedy="journalctl -u syncd SYNCD_EVENT=endpoint.unproven   # why the daily canary fails",
    )
