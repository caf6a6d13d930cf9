"""The search: a glob over `bucket/key` as a query over the two fields.

Globs are those of the journal, hence SQLite's: `*` any text, `/` too, `?` one character, `[a-z]` and `[^a-z]` sets; a
name that is written exactly like the pattern matches, and a pattern without a slash is one of base names. The server
knows no sets: one counts as any character here, and who asks has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from syncd.index.failure import Place

PAGE = 1000
LONGEST = 4096  # bytes of a pattern; no `bucket/key` has more than 1,088
LONGEST_BUCKET = 255

NEWEST_FIRST = [
    {"archived_at": {"order": "desc", "unmapped_type": "date"}},
    {"uuid": {"order": "desc", "unmapped_type": "keyword"}},
    {"offset": {"order": "asc", "unmapped_type": "long"}},
]
"""A total order, so that pages neither overlap nor leave out: an offset is of one member of one archive."""

_TOKEN = re.compile(r"(?P<set>\[(?:\^.|[^^])[^]]*\])|\*+|.", re.DOTALL)


def found(
    pattern: str, *, limit: int, place: Place, search: Callable[[dict[str, Any]], object]
) -> list[Mapping[str, Any]]:
    """Sources that match, newest first, at most `limit`. `search` posts one body and returns the parsed answer."""
    sources: list[Mapping[str, Any]] = []
    after: Sequence[object] | None = None
    while len(sources) < limit and _can_match(pattern):
        size = min(limit - len(sources), PAGE)
        hits = _hits(search(search_body(pattern, size=size, after=after)), place)[:size]
        sources += [source for source, _ in hits]
        if len(hits) < size or hits[-1][1] == after:  # the last page, or a server that repeats itself
            break
        after = hits[-1][1]
    return sources


def search_body(pattern: str, *, size: int, after: Sequence[object] | None) -> dict[str, Any]:
    """The body of a search for what may match, newest first, behind the sort values `after`."""
    body: dict[str, Any] = {"query": query(pattern), "sort": NEWEST_FIRST, "size": size, "track_total_hits": False}
    return {**body, "search_after": list(after)} if after is not None else body


def query(pattern: str) -> dict[str, Any]:
    """All that matches, and where the pattern has a set perhaps more."""
    tokens = _tokens(pattern)
    if "/" in pattern:
        ways = [_both(_wildcard("bucket", bucket), _wildcard("key", key)) for bucket, key in _splits(tokens)]
    else:
        ways = [_wildcard("name.keyword", tokens)]
    if "[" in pattern:
        ways.append(_literally(pattern))
    return {"bool": {"filter": [{"bool": {"should": ways, "minimum_should_match": 1}}]}}


def _can_match(pattern: str) -> bool:
    try:
        return len(pattern.encode("utf-8")) <= LONGEST and "\0" not in pattern
    except UnicodeEncodeError:
        return False


def _tokens(pattern: str) -> list[str]:
    """Single characters, whole sets, and one `*` for each row of them."""
    return ["*" if token[0].startswith("*") else token[0] for token in _TOKEN.finditer(pattern)]


def _splits(tokens: Sequence[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Every way in which the slash between bucket and key may be met: by itself, or by what also matches a slash.

    None beyond the first slash, and none where the bucket would be longer than any is.
    """
    for at, token in enumerate(tokens):
        before, behind = list(tokens[:at]), list(tokens[at + 1 :])
        if len(before) - before.count("*") > LONGEST_BUCKET:
            return
        if token == "*":
            yield [*before, "*"], ["*", *behind]
        elif token in {"/", "?"} or len(token) > 1:
            yield before, behind
        if token == "/":
            return


def _both(bucket: Mapping[str, Any], key: Mapping[str, Any]) -> dict[str, Any]:
    return {"bool": {"filter": [bucket, key]}}


def _literally(pattern: str) -> dict[str, Any]:
    """The name that is written exactly so."""
    bucket, slash, key = pattern.partition("/")
    if not slash:
        return {"term": {"name.keyword": {"value": pattern}}}
    return _both({"term": {"bucket": {"value": bucket}}}, {"term": {"key": {"value": key}}})


def _wildcard(field: str, tokens: Sequence[str]) -> dict[str, Any]:
    return {"wildcard": {field: {"value": "".join(_as_wildcard(token) for token in tokens)}}}


def _as_wildcard(token: str) -> str:
    if len(token) > 1:
        return "?"
    return "\\\\" if token == "\\" else token


def _hits(answer: object, place: Place) -> list[tuple[Mapping[str, Any], Sequence[object]]]:
    """Each hit's source and sort values."""
    match answer:
        case {"hits": {"hits": [*hits]}}:
            return [_hit(hit, place) for hit in hits]
        case _:
            raise place.unreadable()


def _hit(hit: object, place: Place) -> tuple[Mapping[str, Any], Sequence[object]]:
    match hit:
        case {"_source": dict(source), "sort": [*values]}:
            return source, values
        case _:
            raise place.unreadable()
