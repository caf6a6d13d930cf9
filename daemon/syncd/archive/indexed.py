"""What the index says of archived files, read as what it is: the word of whoever may write to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from syncd.core.archive import Found, Member
from syncd.core.paths import RelPath, Unrepresentable, is_ours, parse_relpath

UNKNOWN_MODE = 0o644
"""The index is not told the permission bits: the manifest is asked for them before anything is restored."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def found_of(source: Mapping[str, Any]) -> Found | None:
    """One document's source as a Found; None where it cannot be one of ours."""
    bucket, key, archive = _path(source, "bucket"), _path(source, "key"), _path(source, "archive_key")
    offset, size, sha256 = source.get("offset"), source.get("size"), source.get("sha256")
    mtime_ns, archived_ns = _nanoseconds(source.get("mtime")), _nanoseconds(source.get("archived_at"))
    if bucket is None or key is None or archive is None or mtime_ns is None or archived_ns is None or "/" in bucket:
        return None
    if not _count(offset) or not _count(size) or not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        return None
    member = Member(
        path=key,
        offset=int(offset or 0),
        size=int(size or 0),
        sha256=sha256,
        mtime_ns=mtime_ns,
        mode=UNKNOWN_MODE,
        uid=0,
        gid=0,
    )
    host = source.get("host")
    return Found(
        bucket=bucket,
        archive_key=archive,
        member=member,
        archived_at=archived_ns / 10**9,
        host=host if isinstance(host, str) else "",
    )


def _path(source: Mapping[str, Any], name: str) -> RelPath | None:
    value = source.get(name)
    if not isinstance(value, str):
        return None
    try:
        path = parse_relpath(value)
    except Unrepresentable:
        return None
    return None if is_ours(path) else path


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _nanoseconds(value: object) -> int | None:
    """RFC 3339 in UTC as nanoseconds since the epoch."""
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    try:
        elapsed = datetime.fromisoformat(f"{found[1]}+00:00") - _EPOCH
    except ValueError:
        return None
    return (elapsed.days * 86400 + elapsed.seconds) * 10**9 + int((found[2] or "").ljust(9, "0"))
