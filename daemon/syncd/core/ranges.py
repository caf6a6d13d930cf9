"""Few ranged reads for many members of one archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from syncd.core.archive import Member

GAP = 64 << 10
MOST = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Bytes of an archive to be read at once: each of `members`, by offset, lies in it whole.

    `length` 0: an empty file, for which nothing is read (HTTP knows no empty range).
    """

    start: int
    length: int
    members: tuple[Member, ...]


def coalesce(members: Iterable[Member], *, gap: int = GAP, most: int = MOST) -> list[Range]:
    """Cover all members by few ranges, by offset: neighbours less than `gap` bytes apart share one.

    A range is longer than `most` only where one member alone is.
    """
    ranges: list[Range] = []
    group: list[Member] = []
    end = 0
    for member in sorted(members, key=lambda one: (one.offset, one.size)):
        last = member.offset + member.size
        if not member.size:
            ranges.append(Range(start=member.offset, length=0, members=(member,)))
        elif group and member.offset - end < gap and max(end, last) - group[0].offset <= most:
            group.append(member)
            end = max(end, last)
        else:
            ranges += _range(group, end)
            group, end = [member], last
    ranges += _range(group, end)
    return sorted(ranges, key=lambda one: (one.start, one.length))


def _range(group: list[Member], end: int) -> list[Range]:
    if not group:
        return []
    return [Range(start=group[0].offset, length=end - group[0].offset, members=tuple(group))]
