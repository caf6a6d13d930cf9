"""ListObjectsV2, and the first version, which rclone asks for: of what is held, and of a million that are not."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote
from xml.sax.saxutils import escape

from bench.sink.shelf import Shelf

Row = tuple[str, int, str, int]  # key, size, ETag, seconds since the epoch

EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
MIRAGE_STAMP = 1_700_000_000
FOLDER = 1000


class Mirage:
    """A bucket of so many empty objects, in order, made as they are asked for."""

    def __init__(self, prefix: str, count: int) -> None:
        self.prefix = prefix
        self.count = count

    def key(self, number: int) -> str:
        """The number-th key; the order of the numbers is that of the keys."""
        return f"{self.prefix}d{number // FOLDER:05d}/f{number:07d}.gz"

    def rows(self, prefix: str, marker: str, most: int) -> tuple[list[Row], bool]:
        """(up to so many rows past the marker, more follow)."""
        if not self.key(0).startswith(prefix):
            return [], False
        first = int(marker.rpartition("/f")[2][:7]) + 1 if marker else 0
        last = min(first + most, self.count)
        return [(self.key(at), 0, EMPTY_MD5, MIRAGE_STAMP) for at in range(first, last)], last < self.count


def page(shelf: Shelf, mirages: dict[str, Mirage], bucket: str, query: dict[str, str]) -> bytes:
    """The answer to one LIST."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = min(int(query.get("max-keys", "1000")), 1000)
    marker = _key(query.get("continuation-token", "")) or query.get("start-after") or query.get("marker", "")
    if bucket in mirages and not prefix.startswith(".syncd/"):
        rows, more = mirages[bucket].rows(prefix, marker, most)
        return _document(bucket, query, rows, [], rows[-1][0] if more else "")
    rows, shared, follows = _held(shelf, bucket, prefix, delimiter, marker, most)
    return _document(bucket, query, rows, shared, follows)


def _held(
    shelf: Shelf, bucket: str, prefix: str, delimiter: str, marker: str, most: int
) -> tuple[list[Row], list[str], str]:
    """(rows, common prefixes, where the next page begins)."""
    there = shelf.bucket(bucket)
    if delimiter and marker.endswith(delimiter):
        marker += "\U0010ffff"  # past all that was folded into that prefix
    keys, at, end = there.after(prefix, marker)
    rows: list[Row] = []
    shared: list[str] = []
    last = ""
    while at < end and len(rows) + len(shared) < most:
        key = last = keys[at]
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            held = there.objects[key]
            rows.append((key, held.size, held.etag, held.stamp))
            at += 1
            continue
        last = key[: cut + len(delimiter)]
        shared.append(last)
        at = there.after(prefix, last + "\U0010ffff")[1]
    return rows, shared, last if at < end else ""


def _document(bucket: str, query: dict[str, str], rows: list[Row], shared: list[str], follows: str) -> bytes:
    coded = query.get("encoding-type") == "url"

    def text(key: str) -> str:
        return quote(key, safe="/-_.~*") if coded else escape(key)

    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{escape(bucket)}</Name><Prefix>{text(query.get('prefix', ''))}</Prefix>"
        f"<KeyCount>{len(rows) + len(shared)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>{'true' if follows else 'false'}</IsTruncated>"
    ]
    if coded:
        parts.append("<EncodingType>url</EncodingType>")
    if query.get("delimiter"):
        parts.append(f"<Delimiter>{text(query['delimiter'])}</Delimiter>")
    if follows and "list-type" not in query:
        parts.append(f"<NextMarker>{text(follows)}</NextMarker>")
    elif follows:
        parts.append(f"<NextContinuationToken>{_token(follows)}</NextContinuationToken>")
    parts.extend(_contents(rows, coded))
    parts.extend(f"<CommonPrefixes><Prefix>{text(prefix)}</Prefix></CommonPrefixes>" for prefix in shared)
    parts.append("</ListBucketResult>")
    return "".join(parts).encode()


def _token(key: str) -> str:
    """As S3 gives it: nothing that looks like a key."""
    return urlsafe_b64encode(key.encode("utf-8", "surrogatepass")).decode("ascii")


def _key(token: str) -> str:
    return urlsafe_b64decode(token).decode("utf-8", "surrogatepass")


def _contents(rows: Iterable[Row], coded: bool) -> Iterator[str]:
    stamps: dict[int, str] = {}
    for key, size, etag, stamp in rows:
        when = stamps.get(stamp)
        if when is None:
            when = stamps[stamp] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stamp))
        yield (
            f"<Contents><Key>{quote(key, safe='/-_.~*') if coded else escape(key)}</Key>"
            f"<LastModified>{when}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
            f"<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        )
