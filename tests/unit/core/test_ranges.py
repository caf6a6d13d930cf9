"""Ranged reads: few of them, and each member whole in one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from support.members import member
from syncd.core.archive import Member
from syncd.core.ranges import Range, coalesce

KIB, MIB = 1 << 10, 1 << 20


def row(*spans: tuple[int, int]) -> list[Member]:
    """Members at (offset, size)."""
    return [member(f"d/{number}", offset=offset, size=size) for number, (offset, size) in enumerate(spans)]


def spans(ranges: list[Range]) -> list[tuple[int, int, int]]:
    return [(one.start, one.length, len(one.members)) for one in ranges]


@st.composite
def archives(draw: st.DrawFn) -> list[Member]:
    """Members as an archive holds them, some of them asked for, in any order."""
    at, found = 0, []
    for size in draw(st.lists(st.sampled_from([0, 1, 511, 2048, 70 * KIB, 300 * KIB, 9 * MIB]), max_size=40)):
        at += draw(st.sampled_from([512, 1536, 64 * KIB, 64 * KIB - 1, MIB]))
        found.append((at, size))
        at += size
    return draw(st.permutations(row(*found)))


def test_nothing_asked_for_reads_nothing() -> None:
    assert coalesce([]) == []


def test_a_thousand_small_neighbours_are_one_read() -> None:
    members = row(*((1536 + number * 4096, 2048) for number in range(1000)))
    assert spans(coalesce(members)) == [(1536, 999 * 4096 + 2048, 1000)]


def test_a_gap_of_so_many_bytes_parts_two_reads() -> None:
    assert spans(coalesce(row((0, 10), (109, 10)), gap=100)) == [(0, 119, 2)]
    assert spans(coalesce(row((0, 10), (110, 10)), gap=100)) == [(0, 10, 1), (110, 10, 1)]


def test_a_read_ends_before_it_is_longer_than_most() -> None:
    assert spans(coalesce(row((0, 60), (60, 40), (100, 1)), most=100)) == [(0, 100, 2), (100, 1, 1)]


def test_a_member_longer_than_most_is_read_alone() -> None:
    assert spans(coalesce(row((0, 10), (20, 500), (530, 10)), most=100)) == [(0, 10, 1), (20, 500, 1), (530, 10, 1)]


def test_an_empty_file_is_read_by_nobody() -> None:
    assert spans(coalesce(row((0, 10), (20, 0), (30, 10)))) == [(0, 40, 2), (20, 0, 1)]


def test_members_that_overlap_lie_whole_in_their_read() -> None:
    assert spans(coalesce(row((0, 100), (10, 20), (40, 5)))) == [(0, 100, 3)]


@given(archives())
def test_every_member_is_read_once_and_whole(members: list[Member]) -> None:
    ranges = coalesce(members)
    read = [one for each in ranges for one in each.members]
    assert sorted(one.path for one in read) == sorted(one.path for one in members)
    for each in ranges:
        assert all(
            each.start <= one.offset <= one.offset + one.size <= each.start + each.length for one in each.members
        )
        assert list(each.members) == sorted(each.members, key=lambda one: one.offset)
        assert each.length <= 8 * MIB or len(each.members) == 1


@given(archives())
def test_reads_are_few_in_order_and_apart(members: list[Member]) -> None:
    reads = [one for one in coalesce(members) if one.length]
    for one, other in pairwise(reads):
        assert one.start + one.length <= other.start
        near = other.start - (one.start + one.length) < 64 * KIB
        first = other.members[0]
        assert not near or first.offset + first.size - one.start > 8 * MIB
