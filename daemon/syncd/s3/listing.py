"""A listing in pages that is complete and in order, or an error: deletions are decided by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from syncd.core.model import ListedObject
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import ListedPart, ListPage, Part
from syncd.s3.facts import any_checksum, listed_object, parse_etag
from syncd.s3.translate import Place

Fetch = Callable[[str], Mapping[str, Any]]
"""Asks for the page that a continuation token names ("": the first), answered as ListObjectsV2 does."""


def pages(fetch: Fetch, prefix: str, place: Place) -> Iterator[ListPage]:
    """All pages. RemoteError where a key is out of order or foreign, or a next page out of reach."""
    token, last_key = "", b""
    first = True
    while True:
        answer = fetch(token)
        if "IsTruncated" not in answer:  # a page of some other server would be an empty bucket
            raise _broken(place, "the answer is no listing")
        rows = [listed_object(row) for row in answer.get("Contents", ())]
        for row in rows:
            key = row.key.encode("utf-8", "surrogatepass")
            if not first and key <= last_key:
                raise _broken(place, f"{row.key!r} is out of order")
            if not row.key.startswith(prefix):
                raise _broken(place, f"{row.key!r} is not below {prefix!r}")
            first, last_key = False, key
        if not answer.get("IsTruncated"):
            yield ListPage(rows, last=True)
            return
        token = _next_token(answer, token, place)
        yield ListPage(rows, last=False)


def parts(fetch: Callable[[int], Mapping[str, Any]], place: Place) -> Sequence[ListedPart]:
    """Every part of an upload, asked for page by page behind a number. RemoteError where the pages lead nowhere."""
    found: list[ListedPart] = []
    after = 0
    while True:
        answer = fetch(after)
        for row in answer.get("Parts", ()):
            part = Part(int(row["PartNumber"]), parse_etag(row.get("ETag")), any_checksum(row))
            found.append(ListedPart(part, int(row["Size"])))
        if not answer.get("IsTruncated"):
            return found
        following = int(answer.get("NextPartNumberMarker") or 0)
        if following <= after:
            raise _broken(place, "its next page of parts is itself")
        after = following


def below(row: ListedObject, bucket: str) -> ListedObject:
    """The row of a bucket as one of the layout whose keys begin with the bucket's name."""
    return ListedObject(f"{bucket}/{row.key}", row.size, row.etag, row.last_modified_s, row.archived)


def _next_token(answer: Mapping[str, Any], token: str, place: Place) -> str:
    following = answer.get("NextContinuationToken")
    if not following:
        raise _broken(place, "it is truncated, and no token leads on")
    if following == token:
        raise _broken(place, "its next page is itself")
    return str(following)


def _broken(place: Place, what: str) -> RemoteError:
    return RemoteError(
        RemoteKind.CORRUPT, f"{place}: the listing cannot be trusted: {what}", hint="nothing is decided by it"
    )
