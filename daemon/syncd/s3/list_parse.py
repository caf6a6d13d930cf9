"""A page of ListObjectsV2: whole, or an error. The usual page is taken apart by one pattern, any other by expat."""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import chain
from operator import itemgetter
from urllib.parse import unquote_plus

from syncd.s3.wire.failure import Garbled
from syncd.s3.wire.markup import read

UNNAMED = {"LastModified": "", "StorageClass": ""}
FIELDS = ("Key", "Size", "ETag", "LastModified", "StorageClass")

Row = tuple[str, int, str, int, str]
"""Key, size, ETag bare of its quotes, last modified in whole seconds since the epoch, storage class ("": not named)."""

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|([+-]\d\d:\d\d))", re.ASCII)


class NoListing(Garbled):
    """The answer came whole, and is no listing: asking again would not make it one."""


Texts = Iterable[tuple[str, ...]]
"""The texts of FIELDS of each row, an ETag's without its quotes."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page. `token`: what the next page is asked with, "" where none was named.

    `mark`: a hash of its rows as they came, where they came plain: equal ones are of equal rows.
    """

    rows: list[Row]
    truncated: bool
    token: str
    mark: int | None = field(default=None, compare=False)


def parse(body: bytes, known: Container[int] = ()) -> Listed:
    """The page that an answer's body is. Garbled where it is anything else, or only half of one.

    Where its mark is `known` its rows are left out.
    """
    outline = _outline(body)
    if outline is not None and outline.mark in known:
        return outline
    plain = _by_pattern(body)
    envelope, texts = plain or _by_expat(body)
    truncated, token = _envelope(envelope)
    try:
        rows = _rows(texts, decode=envelope.get("EncodingType") == "url")
    except (ValueError, OverflowError) as error:
        raise NoListing(f"the listing has a row that makes no sense: {error}") from error
    return Listed(rows, truncated, token, outline.mark if plain and outline else None)


def _envelope(envelope: Mapping[str, str]) -> tuple[bool, str]:
    truncated = envelope.get("IsTruncated", "").strip()
    if truncated not in {"true", "false"}:
        raise NoListing("the answer is no listing")
    return truncated == "true", envelope.get("NextContinuationToken", "")


def _outline(body: bytes) -> Listed | None:
    """The page without its rows, which are left as they came. None where it has none, or is not plain around them."""
    start, end = _span(body)
    around = b"%s<Contents/>%s" % (body[:start], body[end:])
    if start < 0 or end < start or not _is_plain(around):
        return None
    envelope, marked = _by_expat(around, row=dict.fromkeys(FIELDS, ""))
    if len(list(marked)) != 1 or "IsTruncated" not in envelope:
        return None
    return Listed([], *_envelope(envelope), hash((body[start:end], envelope.get("EncodingType"))))


def _span(body: bytes) -> tuple[int, int]:
    """Where the rows are."""
    return body.find(FIRST), body.rfind(LAST) + len(LAST)


def _rows(texts: Texts, *, decode: bool) -> list[Row]:
    columns = list(zip(*texts, strict=True))
    if not columns:
        return []
    keys, sizes, etags, times, classes = columns
    if "" in etags:
        raise ValueError("no ETag")
    if decode:
        keys = tuple([unquote_plus(key) if "%" in key or "+" in key else key for key in keys])
    seconds = {text: _seconds(text) for text in set(times)}
    return list(zip(keys, map(int, sizes), etags, map(seconds.__getitem__, times), classes, strict=True))


def _seconds(text: str) -> int:
    """Of ISO 8601, as every store writes it, or of an HTTP date; 0 where there is none."""
    text = text.strip()
    if not text:
        return 0
    found = _ISO.fullmatch(text)
    if found is None:
        said = parsedate_to_datetime(text)
    else:
        said = datetime.fromisoformat(found.group(1) + (found.group(2) or ""))
    return timegm(said.utctimetuple()) if said.tzinfo else timegm(said.timetuple())


def _bare(etag: str) -> str:
    etag = etag.strip()
    return etag[1:-1] if len(etag) >= 2 and etag[0] == etag[-1] == '"' else etag


# --- the usual page ------------------------------------------------------------------------------------------

FIRST, LAST = b"<Contents>", b"</Contents>"
FORBIDDEN = bytes(code for code in range(32) if code not in b"\t\n")
"""What XML does not have, and CR, which it reads as a line feed."""

_DECLARED = re.compile(rb"""<\?xml version=["']1\.0["'](?: encoding=["'](?i:utf-8)["'])?\s*\?>""")
_TAG = re.compile(r"(<[^<>]*>)")
_NAME = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)>")
_ENTITY = re.compile("&[a-z]*;?")
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}
_TEXTS = {"Key": "([^<]*)", "Size": "([0-9]+)"}
_QUOTES = (("&quot;", "&quot;"), ('"', '"'), ("", ""))


@dataclass(frozen=True, slots=True)
class _Shape:
    """Rows of one shape: what matches one, how many of its characters are the same in all, where FIELDS stand."""

    pattern: re.Pattern[str]
    fixed: int
    fields: Callable[[tuple[str, ...]], tuple[str, ...]]


_shapes: dict[str, _Shape] = {}
"""By pattern: a store's rows have one or two shapes."""


def _by_pattern(body: bytes) -> tuple[dict[str, str], Texts] | None:
    """The texts of a page whose rows all have the shape of its first; None: look closer."""
    start, end = _span(body)
    if start < 0 or end < start or not _is_plain(body):
        return None
    envelope, marked = _by_expat(body[:start] + b"<Contents/>" + body[end:], row=dict.fromkeys(FIELDS, ""))
    if len(list(marked)) != 1:
        return None
    try:
        region = body[start:end].decode("utf-8")
        shape = _shape(region[: region.find("</Contents>")])
        texts = shape.pattern.findall(region)
        if shape.fixed * len(texts) + sum(map(len, chain.from_iterable(texts))) != len(region):
            return None
        rows = map(shape.fields, texts)
        return envelope, [
            (_ENTITY.sub(lambda found: _ENTITIES[found.group()], row[0]), *row[1:]) if "&" in row[0] else row
            for row in rows
        ]
    except (ValueError, KeyError):
        return None


def _is_plain(body: bytes) -> bool:
    """UTF-8 without anything that XML reads otherwise than as it stands."""
    return (
        (body.startswith(b"<ListBucketResult") or _DECLARED.match(body) is not None)
        and len(body.translate(None, FORBIDDEN)) == len(body)
        and not any(mark in body for mark in (b"<!", b"]]>", b"\xef\xbf\xbe", b"\xef\xbf\xbf"))
    )


def _shape(first: str) -> _Shape:
    """The shape of that row, `</Contents>` left out. ValueError where it is no plain one."""
    pieces = [*_TAG.split(first)[1:], "</Contents>"]
    pattern, where, path, groups = "", dict[str, int](), list[str](), 0
    fixed = 0
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            found = _NAME.fullmatch(piece)
            pattern, fixed = pattern + piece, fixed + len(piece)
            if found is None or (found.group(1) and path.pop() != found.group(2)):
                raise ValueError(piece)
            if not found.group(1):
                path.append(found.group(2))
            continue
        if pieces[number - 1].startswith("</") or not pieces[number + 1].startswith("</"):
            if piece.strip():
                raise ValueError(piece)
            pattern, fixed = pattern + piece, fixed + len(piece)
            continue
        name = path[-1] if len(path) == 2 else ""
        before, text, after = _text(name, piece)
        pattern, fixed = f"{pattern}{before}{text}{after}", fixed + len(before) + len(after)
        if name in where:
            raise ValueError(name)
        if name in FIELDS:
            where[name] = groups
        groups += 1
    if not {"Key", "Size", "ETag"} <= where.keys():
        raise ValueError(first)
    known = _shapes.get(pattern)
    if known is None:
        fields = itemgetter(*(where.get(name, groups) for name in FIELDS))
        known = _Shape(re.compile(f"{pattern}()"), fixed, fields)
        if len(_shapes) < 100:
            _shapes[pattern] = known
    return known


def _text(name: str, first: str) -> tuple[str, str, str]:
    """What stands before, as, and behind the text of that element."""
    if name != "ETag":
        return "", _TEXTS.get(name, "([^<&]*)"), ""
    before, after = next(quotes for quotes in _QUOTES if first.startswith(quotes[0]) and first.endswith(quotes[1]))
    return before, r'([^<&"\s]*)', after


# --- any page ------------------------------------------------------------------------------------------------

ENVELOPE = ("IsTruncated", "NextContinuationToken", "EncodingType")


def _by_expat(body: bytes, row: Mapping[str, str] = UNNAMED) -> tuple[dict[str, str], Texts]:
    """The same of any page that is well-formed. `row`: what stands for a row's fields that it does not have."""
    envelope: dict[str, str] = {}
    rows: list[tuple[str, ...]] = []
    fields: dict[str, str] = {}

    def heard(path: list[str], text: str) -> None:
        if path[0] != "ListBucketResult":
            raise ValueError(f"it is {path[0]}")
        if len(path) == 3 and path[1] == "Contents" and path[2] in FIELDS:
            _keep(fields, path[2], text)
        elif len(path) == 2 and path[1] == "Contents":
            one = {**row, **fields}
            rows.append((one["Key"], one["Size"], _bare(one["ETag"]), one["LastModified"], one["StorageClass"]))
            fields.clear()
        elif len(path) == 2 and path[1] in ENVELOPE:
            _keep(envelope, path[1], text)

    try:
        read(body, heard)
    except ValueError as error:
        raise NoListing(f"the answer is no listing: {error}") from error
    except KeyError as error:
        raise NoListing(f"the listing has a row without {error}") from error
    return envelope, rows


def _keep(values: dict[str, str], name: str, text: str) -> None:
    if name in values:
        raise NoListing(f"the listing names {name} twice")
    values[name] = text
