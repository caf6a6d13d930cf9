"""As much of Elasticsearch's _search as the index room speaks: bool, term, wildcard, sort, search_after, size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cmp_to_key
from typing import Any

Source = Mapping[str, Any]


def search(documents: Mapping[str, Source], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The hits, each with its sort values. ValueError for what this does not know."""
    unknown = set(body) - {"query", "sort", "size", "search_after", "track_total_hits"}
    if unknown:
        raise ValueError(f"unknown: {unknown}")
    fields = [next(iter(one.items())) for one in body["sort"]]
    hits = [
        {"_id": name, "_source": source, "sort": [source.get(field) for field, _ in fields]}
        for name, source in documents.items()
        if matches(body["query"], source)
    ]
    falling = [options["order"] == "desc" for _, options in fields]

    def compared(left: list[Any], right: list[Any]) -> int:
        for one, other, down in zip(left, right, falling):
            if one != other:
                return -1 if (one > other) is down else 1
        return 0

    hits.sort(key=cmp_to_key(lambda left, right: compared(left["sort"], right["sort"])))
    after = body.get("search_after")
    if after is not None:
        hits = [hit for hit in hits if compared(hit["sort"], after) > 0]
    return hits[: body["size"]]


def matches(query: Mapping[str, Any], source: Source) -> bool:
    """Whether the document matches."""
    [(kind, inside)] = query.items()
    if kind == "bool":
        assert set(inside) <= {"filter", "should", "minimum_should_match"}, inside
        should = [matches(one, source) for one in inside.get("should", ())]
        return all(matches(one, source) for one in inside.get("filter", ())) and (
            sum(should) >= inside.get("minimum_should_match", 0)
        )
    [(field, options)] = inside.items()
    value = source.get(field.removesuffix(".keyword"))
    if not isinstance(value, str):
        return False
    if kind == "term":
        return bool(value == options["value"])
    assert kind == "wildcard", kind
    return re.fullmatch(wildcard(options["value"]), value, re.DOTALL) is not None


def wildcard(pattern: str) -> str:
    """The regex of Lucene's wildcards: `*`, `?`, and a backslash that takes the next character as it is."""
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    known = {"*": ".*", "?": "."}
    return "".join(known.get(piece) or re.escape(piece[-1]) for piece in pieces)
