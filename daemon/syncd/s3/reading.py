"""A GET of exactly what was meant: what pins it when it is asked, and whether its answer is what was asked for."""

from __future__ import annotations

import re
from typing import Any

from syncd.core.model import ETag
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Capabilities
from syncd.s3.facts import parse_etag
from syncd.s3.parameters import Parameters, matching
from syncd.s3.translate import Place


def pinned_read(expect: ETag | None, version_id: str | None, asked: str, capabilities: Capabilities) -> Parameters:
    """The parameters of a GET that pin what is read. ValueError where nothing does."""
    if expect is None and version_id is None:
        raise ValueError("a read without an ETag needs a version id")
    more: Parameters = {"Range": asked} if asked else {}
    if expect is not None:
        more["IfMatch"] = matching(expect, capabilities)
    if version_id is not None:
        more["VersionId"] = version_id
    return more


def refuse_other(answer: Any, expect: ETag | None, version_id: str | None, place: Place) -> None:
    """Stale where the answer is of another object: a store may ignore If-Match, or versionId."""
    if expect is not None and parse_etag(answer.get("ETag")) != expect:
        raise Stale(f"{place}: it changed")
    if version_id is not None and answer.get("VersionId") != version_id:
        raise Stale(f"{place}: the store did not give the version {version_id}")


def whole_size(answer: Any, start: int, length: int | None, place: Place) -> int:
    """The size of the whole object, once the answer is the range that was asked for."""
    sent, told = answer.get("ContentLength"), answer.get("ContentRange", "")
    if sent is None:
        raise RemoteError(RemoteKind.REJECTED, f"{place}: the store does not say how many bytes it sends")
    if not told:
        if start or (length is not None and sent > length):
            raise RemoteError(RemoteKind.CORRUPT, f"{place}: the store ignored the range that was asked for")
        return int(sent)
    found = re.fullmatch(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})", told)
    if found is None:
        raise RemoteError(RemoteKind.CORRUPT, f"{place}: the range {told!r} makes no sense")
    first, last, whole = (int(number) for number in found.groups())
    wanted = whole - 1 if length is None else min(start + length, whole) - 1
    if (first, last) != (start, wanted) or sent != last - first + 1:
        raise RemoteError(RemoteKind.CORRUPT, f"{place}: the range {told!r} is not the one that was asked for")
    return whole
