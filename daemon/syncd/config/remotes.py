"""Where objects live: `s3://bucket/prefix` taken apart, bucket names, and when two endpoints are the same."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from syncd.config.quantities import Unreadable, quote
from syncd.core.paths import OURS, Unrepresentable, is_ours, parse_relpath

REMOTE = 's3://BUCKET/ or s3://BUCKET/PREFIX/ (with layout "buckets": s3://)'
PREFIX_ROOM = 900  # bytes: a key has 1,024, and file names below the prefix want some of them

_AWS_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_ANY_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+", re.ASCII)
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|[{}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A bucket and a prefix that is empty or ends with a slash. No bucket: the buckets layout."""

    bucket: str
    prefix: str


def parse_remote(text: str, *, hostname: str, on_aws: bool) -> Remote:
    """Take `s3://bucket/prefix` apart and fill in `{host}`. Raises Unreadable with what is wrong."""
    if not text.startswith("s3://"):
        raise Unreadable(f"{quote(text)} is not {REMOTE}")
    bucket, _, prefix = text[len("s3://") :].partition("/")
    if not bucket and not prefix:
        if text != "s3://":
            raise Unreadable(f"{quote(text)} names no bucket; write {REMOTE}")
        return Remote(bucket="", prefix="")
    check_bucket(bucket, on_aws=on_aws)
    return Remote(bucket=bucket, prefix=_prefix(prefix, hostname))


def check_bucket(name: str, *, on_aws: bool) -> None:
    """Raise Unreadable where this cannot be a bucket's name. Other stores than AWS allow more than AWS."""
    if not name:
        raise Unreadable("the bucket's name is empty")
    if not on_aws:
        if not _ANY_BUCKET.fullmatch(name):
            raise Unreadable(f"{quote(name)} is no bucket name: letters, digits, dots, hyphens and underscores")
        return
    reason = ""
    if "{" in name:
        reason = "{host} may stand in the prefix alone"
    elif not 3 <= len(name) <= 63:
        reason = "3 to 63 characters"
    elif not _AWS_BUCKET.fullmatch(name):
        reason = "lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
    elif ".." in name or _ADDRESS.fullmatch(name):
        reason = "no two dots in a row and no IP address"
    if reason:
        raise Unreadable(f"{quote(name)} is no bucket name: {reason}")


def _prefix(text: str, hostname: str) -> str:
    """The prefix with `{host}` filled in, "" or ending with a slash."""
    for found in _PLACEHOLDER.findall(text):
        if found != "{host}":
            raise Unreadable(f"{quote(found)} in the prefix is not known; {{host}} is the only placeholder")
    if "{host}" in text and (not hostname or "/" in hostname):
        raise Unreadable(f"{{host}} cannot be filled in: this host's name is {quote(hostname)}")
    filled = text.replace("{host}", hostname)
    if not filled:
        return ""
    body = filled.removesuffix("/")
    try:
        parse_relpath(body)
    except Unrepresentable as error:
        raise Unreadable(f"the prefix {quote(filled)} cannot be used: {error.reason}") from None
    if is_ours(body):
        raise Unreadable(f"the prefix {quote(filled)} lies in {OURS}/, which is ours and never synced")
    if len(body.encode()) > PREFIX_ROOM:
        raise Unreadable(f"the prefix is over {PREFIX_ROOM} bytes, which leaves no room for file names")
    return f"{body}/"


def endpoint_identity(url: str) -> str:
    """One text for all the ways to write one endpoint; "" for AWS, whose bucket names are unique across regions."""
    if not url:
        return ""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{host}:{port}{parts.path.rstrip('/')}"
