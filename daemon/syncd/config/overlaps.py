"""What sections may not share: local roots, and prefixes that they write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A folder that somebody owns. `path` is absolute with symlinks resolved; `key` and `written` are for people."""

    key: str
    path: Path
    written: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Territory:
    """A prefix that a section writes. An empty bucket: every bucket of the endpoint."""

    key: str
    endpoint: str
    bucket: str
    prefix: str

    @property
    def steps(self) -> tuple[str, ...]:
        """From the endpoint inwards: what is a beginning of another holds it."""
        return (self.endpoint, *((self.bucket, *self.prefix.split("/")[:-1]) if self.bucket else ()))


def nested_roots(roots: Iterable[Root]) -> Iterator[tuple[Root, Root]]:
    """(outer, inner) for every root that is, or lies inside, another one."""
    return _nested((root.path.parts, root) for root in roots)


def nested_territories(territories: Iterable[Territory]) -> Iterator[tuple[Territory, Territory]]:
    """(outer, inner) for every writable prefix that is, or lies below, another one on the same endpoint."""
    return _nested((one.steps, one) for one in territories)


def _nested(places: Iterable[tuple[tuple[str, ...], T]]) -> Iterator[tuple[T, T]]:
    """(outer, inner) for each place and the nearest one that holds it. Sorted, a holder comes before what it holds."""
    open_places: list[tuple[tuple[str, ...], T]] = []
    for steps, place in sorted(places, key=lambda one: one[0]):
        while open_places and steps[: len(open_places[-1][0])] != open_places[-1][0]:
            open_places.pop()
        if open_places:
            yield open_places[-1][1], place
        open_places.append((steps, place))
