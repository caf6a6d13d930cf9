"""Which way the hot calls of a bucket go: over the lean client, or through boto3 and why."""

from __future__ import annotations

from dataclasses import dataclass

ORDINARY = frozenset({"", "v4", "s3v4"})
"""What botocore calls Signature Version 4 as we speak it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What botocore would do with a request to one bucket, and what surrounds it."""

    url: str  # of the bucket, without a slash at its end: "https://bucket.s3.eu-west-1.amazonaws.com"
    region: str
    service: str  # that it is signed for
    signature: str  # "s3v4"; "": unsigned
    auth: str = ""  # of the resolver's auth scheme
    proxy: str = ""  # the scheme that goes by one, or ""
    client_certificate: bool = False
    accelerated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The plane of a bucket's hot calls: "lean" or "boto3", with the reason for the latter."""

    name: str
    reason: str = ""


LEAN = Choice(name="lean")


def choose(asked: str, bucket: str, resolved: Resolved) -> Choice:
    """The lean plane wherever it speaks what is needed. `asked` is the plane of [s3]."""
    reason = "plane in [s3] says so" if asked == "boto3" else _beyond_us(bucket, resolved)
    return Choice(name="boto3", reason=reason) if reason else LEAN


def _beyond_us(bucket: str, resolved: Resolved) -> str:
    """What the lean client does not speak; "" where there is nothing of the kind."""
    if not resolved.signature:
        return "requests are not signed"
    if resolved.service == "s3express" or resolved.signature == "v4-s3express":
        return "it is a directory bucket (S3 Express)"
    if bucket.startswith("arn:"):
        return "it is named by an ARN (an access point)"
    if resolved.signature not in ORDINARY or resolved.auth not in ORDINARY:
        return f"it is signed with {resolved.auth or resolved.signature}"
    if resolved.accelerated:
        return "transfer acceleration is on"
    if resolved.proxy:
        return f"{resolved.proxy} goes by a proxy"
    if resolved.client_certificate:
        return "a client certificate is used"
    return ""
