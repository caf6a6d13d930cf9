"""When what was displaced may go: by age and by size, and never the only copy of what lost an open conflict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from syncd.core.exhaustive import assert_never

UNLISTED_REST_S = 3600.0
"""A file without an entry is left alone so long at least: its entry may be on its way."""


class Lair(str, Enum):
    """Where a displaced version lies. Each has its own total for `trash_max`."""

    LOCAL = "local"  # a file in .syncd/trash
    COPY = "copy"  # an object of ours below .syncd/trash
    VERSION = "version"  # a previous version in a versioned bucket, which keeps it by its own rules


class Why(str, Enum):
    """What asks for an expiry."""

    AGE = "older than trash_keep"
    SIZE = "the oldest while the trash is over trash_max"
    GONE = "it is no longer there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """One version in the trash, as it was seen. `since`: when it came, or was last touched, by the epoch's seconds.

    `digest`: "sha256:hex" of what certainly lies there; "" where that is not known. `conflict`: the open conflict
    that this content lost (0: none). `unlisted`: a local file without a row, so nobody knows why it is there.
    `gone`: its file is not there any more.
    """

    id: int
    where: str
    lair: Lair
    since: float
    size: int
    digest: str = ""
    conflict: int = 0
    unlisted: bool = False
    gone: bool = False

    @property
    def guarded(self) -> bool:
        """Whether it may be the last of its content that anybody still has to decide about."""
        return (self.conflict != 0 or self.unlisted) and not self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`trash_keep` in seconds and `trash_max` in bytes; None: no such limit."""

    keep_s: float | None
    most: int | None


@dataclass(frozen=True, slots=True)
class Expires:
    """It may go now."""

    why: Why


@dataclass(frozen=True, slots=True)
class Stays:
    """It stays until then (seconds since the epoch; None: its age alone never ends it)."""

    until: float | None


@dataclass(frozen=True, slots=True)
class OnlyCopy:
    """Its time is over, and it stays all the same: its content is nowhere else that is known.

    `conflict`: the open one that this content lost (0: none, but nobody knows why it is there).
    """

    conflict: int


Fate = Expires | Stays | OnlyCopy


def decide(
    items: Iterable[Displaced], limits: Limits, *, now: float, elsewhere: frozenset[str]
) -> list[tuple[Displaced, Fate]]:
    """The fate of each, oldest first. `elsewhere`: digests that are live outside of the trash.

    Over `most` the oldest go first, and no more than it takes. What is guarded goes only while its content is
    elsewhere, or in another local file here that stays. It counts for the size, for it takes its room.
    """
    ordered = sorted(items, key=lambda item: (item.since, item.id, item.where))
    totals = Counter[Lair]()
    copies = Counter[str]()
    for item in ordered:
        totals[item.lair] += _weight(item)
        copies[item.digest] += _is_copy(item)
    leaned: dict[str, int] = {}  # what a guarded one leaned on is guarded in its place
    decided: list[tuple[Displaced, Fate]] = []
    for item in ordered:
        fate = _fate(item, limits, now, totals[item.lair])
        if isinstance(fate, Expires):
            guarded = item.guarded or (item.digest in leaned and not item.gone)
            other = copies[item.digest] - _is_copy(item) > 0
            if guarded and not other and item.digest not in elsewhere:
                fate = OnlyCopy(item.conflict or leaned.get(item.digest, 0))
            else:
                totals[item.lair] -= _weight(item)
                copies[item.digest] -= _is_copy(item)
                if guarded and other:
                    leaned[item.digest] = item.conflict or leaned.get(item.digest, 0)
        decided.append((item, fate))
    return decided


def questions(decided: Iterable[tuple[Displaced, Fate]]) -> list[Displaced]:
    """Those that would go if their content were elsewhere: what is worth looking for."""
    return [item for item, fate in decided if isinstance(fate, OnlyCopy)]


def outlook(fate: Fate, now: float) -> tuple[float | None, str]:  # noqa: RET503  # the match is exhaustive
    """(when it expires, why it outlives its time), for a person. None: nobody can tell when, or never by age."""
    match fate:
        case Stays(until):
            return until, ""
        case Expires():
            return now, ""
        case OnlyCopy(conflict) if conflict:
            return None, f"kept: the only copy of what lost conflict {conflict}"
        case OnlyCopy():
            return None, "kept: nobody noted why it is here, and its content is nowhere else that is known"
        case _:
            assert_never(fate)


def _fate(item: Displaced, limits: Limits, now: float, total: int) -> Fate:
    if item.unlisted and now - item.since < UNLISTED_REST_S:
        return Stays(None if limits.keep_s is None else item.since + max(limits.keep_s, UNLISTED_REST_S))
    if limits.keep_s is not None and now - item.since > limits.keep_s:
        return Expires(Why.GONE if item.gone else Why.AGE)
    if limits.most is not None and total > limits.most and _weight(item):
        return Expires(Why.SIZE)
    return Stays(None if limits.keep_s is None else item.since + limits.keep_s)


def _weight(item: Displaced) -> int:
    """The bytes that go with it."""
    return 0 if item.gone or item.lair is Lair.VERSION else item.size


def _is_copy(item: Displaced) -> bool:
    """Whether another version of that content may lean on it: a file that was just seen, and is known."""
    return item.lair is Lair.LOCAL and not item.gone and item.digest != ""
