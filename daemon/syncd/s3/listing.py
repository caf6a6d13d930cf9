"""A listing in pages that is complete and in order, or an error: deletions are decided by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import lt
from typing import Any

from syncd.core.model import ListedObject
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import ListedPart, ListPage, Part
from syncd.s3.facts import any_checksum, listed_object, parse_etag
from syncd.s3.translate import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One page as a plane read it. `truncated` None: the answer did not say. `token`: where the next one is.

    `mark`: as of the ListPage. `again`: its rows were found in order below that prefix before.
    """

    rows: Sequence[ListedObject]
    truncated: bool | None
    token: str = ""
    mark: int | None = None
    again: bool = False


Fetch = Callable[[str], Fetched]
"""Asks for the page that a continuation token names ("": the first)."""


def fetched(answer: Mapping[str, Any]) -> Fetched:
    """The page that boto3's ListObjectsV2 answered."""
    rows = [listed_object(row) for row in answer.get("Contents", ())]
    token = answer.get("NextContinuationToken") or ""
    return Fetched(rows=rows, truncated=answer.get("IsTruncated"), token=str(token))


def pages(fetch: Fetch, prefix: str, place: Place) -> Iterator[ListPage]:
    """All pages. RemoteError where a key is out of order or foreign, or a next page out of reach."""
    token, last_key, seen = "", None, {""}
    while True:
        page = fetch(token)
        if page.truncated is None:  # a page of some other server would be an empty bucket
            raise _broken(place, "the answer is no listing")
        rows = (page.rows[0], page.rows[-1])[: len(page.rows)] if page.again else page.rows
        last_key = _in_order([row.key for row in rows], last_key, prefix, place)
        if not page.truncated:
            yield ListPage(page.rows, last=True, mark=page.mark)
            return
        token = _next_token(page, seen, place)
        yield ListPage(page.rows, last=False, mark=page.mark)


def _in_order(keys: list[str], last_key: str | None, prefix: str, place: Place) -> str | None:
    """The last key, once they all follow each other and stand below the prefix.

    Text compares by code points, which is the order of its UTF-8 bytes. What lies between two keys with a prefix has
    it, too.
    """
    if not keys:
        return last_key
    if (last_key is not None and keys[0] <= last_key) or not all(map(lt, keys, islice(keys, 1, None))):
        before = [last_key, *keys[:-1]]
        wrong = next(key for key, other in zip(keys, before, strict=True) if other is not None and key <= other)
        raise _broken(place, f"{wrong!r} is out of order")
    if not (keys[0].startswith(prefix) and keys[-1].startswith(prefix)):
        wrong = next(key for key in keys if not key.startswith(prefix))
        raise _broken(place, f"{wrong!r} is not below {prefix!r}")
    return keys[-1]


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


def _next_token(page: Fetched, seen: set[str], place: Place) -> str:
    """Where the next page is; noted among those that were asked for."""
    if not page.token:
        raise _broken(place, "it is truncated, and no token leads on")
    if page.token in seen:
        raise _broken(place, "its next page was there before")
    seen.add(page.token)
    return page.token


def _broken(place: Place, what: str) -> RemoteError:
    return RemoteError(
        RemoteKind.CORRUPT, f"{place}: the listing cannot be trusted: {what}", hint="nothing is decided by it"
    )
