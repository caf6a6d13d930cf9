"""What becomes an archive in this run, what goes up alone, and what waits: each file in exactly one place."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.members import NOW_NS, SECOND_NS, candidate, keys, paths
from syncd.core.batching import Candidate, Choice, Limits, Pack, Waits, Why, choose, sealed_size
from syncd.core.manifest import LONGEST_FOLDER
from syncd.core.model import LocalStat
from syncd.core.paths import order, parse_relpath

LIMITS = Limits(max_size=10_000, max_files=8, min_files=4, max_age_s=3600, min_age_s=30, spool_max=1 << 20)
ROOMY = 1 << 30
YEAR_NS = 365 * 86400 * SECOND_NS


def chosen(*candidates: Candidate, now_ns: int = NOW_NS, limits: Limits = LIMITS, forced: bool = False) -> Choice:
    return choose(candidates, now_ns=now_ns, limits=limits, forced=forced)


def few(count: int, *, folder: str = "d", size: int = 100, age_s: float = 60) -> list[Candidate]:
    return [candidate(f"{folder}/{number:04}", size=size, age_s=age_s) for number in range(count)]


def packed(choice: Choice) -> list[tuple[str, int]]:
    return [(pack.folder, len(pack.members)) for pack in choice.packs]


def waits(choice: Choice) -> list[tuple[str, Why, int, float]]:
    return [(one.folder, one.why, len(one.members), one.due_s) for one in choice.waiting]


# --- one folder ---------------------------------------------------------------------------------------------------


def test_nothing_makes_nothing() -> None:
    assert chosen() == Choice(packs=(), alone=(), waiting=(), waiting_files=0, waiting_bytes=0, next_due_s=None)


def test_enough_files_are_packed_in_key_order() -> None:
    names = ["d/b", "d/a", "d/a b", "d/é", "d/B", "d/e\u0301", "d/🦀", "d/\uffff"]
    choice = chosen(*(candidate(name) for name in names))
    (pack,) = choice.packs
    assert keys(pack.members) == ["d/B", "d/a", "d/a b", "d/b", "d/e\u0301", "d/é", "d/\uffff", "d/🦀"]
    assert choice == Choice(packs=(pack,), alone=(), waiting=(), waiting_files=0, waiting_bytes=0, next_due_s=None)


def test_a_few_files_wait_until_the_oldest_is_old() -> None:
    choice = chosen(*few(2, age_s=600), candidate("d/old", age_s=3000))
    assert waits(choice) == [("d", Why.FEW, 3, 600)]
    assert (choice.waiting_files, choice.waiting_bytes, choice.next_due_s) == (3, 300, 600)


def test_one_old_file_takes_its_folder_along() -> None:
    choice = chosen(*few(2), candidate("d/old", age_s=3600))
    assert packed(choice) == [("d", 3)]


def test_enough_bytes_do_not_wait_for_more() -> None:
    assert packed(chosen(*few(2, size=5000))) == [("d", 2)]
    assert waits(chosen(*few(2, size=4999))) == [("d", Why.FEW, 2, 3540)]


def test_young_files_stay_behind() -> None:
    choice = chosen(*few(4), candidate("d/young", age_s=29))
    assert packed(choice) == [("d", 4)]
    assert waits(choice) == [("d", Why.YOUNG, 1, 3571)]


def test_young_files_do_not_count_as_enough_until_they_are_not_young() -> None:
    choice = chosen(*few(3), candidate("d/young", age_s=20), candidate("d/younger", age_s=10))
    assert packed(choice) == []
    assert sorted(waits(choice)) == [("d", Why.FEW, 3, 10), ("d", Why.YOUNG, 2, 10)]


def test_young_bytes_do_not_count_as_enough_until_they_are_not_young() -> None:
    choice = chosen(candidate("d/a", size=6000), candidate("d/b", size=6000, age_s=25))
    assert sorted(waits(choice)) == [("d", Why.FEW, 1, 5), ("d", Why.YOUNG, 1, 5)]


def test_on_demand_a_folder_waits_for_nothing_but_min_age() -> None:
    choice = chosen(candidate("d/a"), candidate("d/young", age_s=20), candidate("e/young", age_s=25), forced=True)
    assert packed(choice) == [("d", 1)]
    assert waits(choice) == [("e", Why.YOUNG, 1, 5), ("d", Why.YOUNG, 1, 10)]


def test_an_empty_file_is_a_file() -> None:
    assert packed(chosen(*few(4, size=0))) == [("d", 4)]


def test_folders_are_never_mixed_not_even_with_those_below() -> None:
    choice = chosen(
        *few(4), *few(4, folder="d/e"), *(candidate(f"top{number}") for number in range(4)), candidate("d/e/f/x")
    )
    assert sorted(packed(choice)) == [("", 4), ("d", 4), ("d/e", 4)]
    assert [one.folder for one in choice.waiting] == ["d/e/f"]


def test_min_files_of_zero_packs_no_archive_of_nothing() -> None:
    choice = chosen(candidate("d/young", age_s=1), limits=replace(LIMITS, min_files=0))
    assert (packed(choice), choice.next_due_s) == ([], 29)


def test_a_scan_that_saw_a_file_twice_saw_one_file() -> None:
    choice = chosen(*few(4), candidate("d/0003", size=7))
    (pack,) = choice.packs
    assert [one.stat.size for one in pack.members] == [100, 100, 100, 7]


# --- how large ----------------------------------------------------------------------------------------------------


def test_an_archive_ends_at_max_files() -> None:
    assert packed(chosen(*few(20))) == [("d", 8), ("d", 8), ("d", 4)]


def test_an_archive_ends_at_max_size() -> None:
    choice = chosen(*few(4, size=3000), candidate("d/z", size=7001))
    assert [sum(one.stat.size for one in pack.members) for pack in choice.packs] == [9000, 3000, 7001]


def test_a_larger_file_goes_up_alone_once_it_is_not_young() -> None:
    choice = chosen(
        candidate("d/a", size=10_001), candidate("d/b", size=10_000), candidate("d/c", size=10_001, age_s=29)
    )
    assert keys(choice.alone) == ["d/a"]
    assert packed(choice) == [("d", 1)]
    assert waits(choice) == [("d", Why.YOUNG, 1, 1)]


def test_larger_files_go_oldest_first_and_do_not_count_for_their_folder() -> None:
    choice = chosen(
        *few(3), candidate("d/y", size=20_000), candidate("d/x", size=20_000), candidate("a", size=1 << 40, age_s=90)
    )
    assert keys(choice.alone) == ["a", "d/x", "d/y"]
    assert [one.why for one in choice.waiting] == [Why.FEW]


def test_a_file_that_the_whole_spool_cannot_take_goes_up_alone_instead_of_waiting_for_ever() -> None:
    limits = replace(LIMITS, max_size=1 << 30, spool_max=1 << 20)
    choice = chosen(candidate("d/a", size=1 << 20), candidate("d/b", size=1_000_000), limits=limits, forced=True)
    assert keys(choice.alone) == ["d/a"]
    assert packed(choice) == [("d", 1)]


def test_a_file_in_a_folder_without_room_for_an_archives_key_goes_up_alone() -> None:
    fits = "/".join(["f" * 100] * 9).ljust(LONGEST_FOLDER, "f")
    long = f"{fits}f"
    choice = chosen(candidate(f"{fits}/a"), candidate(f"{long}/a"), forced=True)
    assert keys(choice.alone) == [f"{long}/a"]
    assert packed(choice) == [(fits, 1)]


def test_a_run_takes_the_oldest_folders_and_leaves_what_has_no_room() -> None:
    folders = {name: few(4, folder=name, size=2000, age_s=age) for name, age in (("new", 60), ("old", 90), ("mid", 75))}
    room = sealed_size(folders["old"]) + sealed_size(folders["mid"])
    limits = replace(LIMITS, spool_max=room + 100)
    choice = chosen(*(one for name in folders for one in folders[name]), limits=limits)
    assert packed(choice) == [("old", 4), ("mid", 4)]
    assert waits(choice) == [("new", Why.ROOM, 4, 0)]
    assert choice.next_due_s == 0


def test_a_small_folder_uses_the_room_that_a_large_one_leaves() -> None:
    large = [*few(8, folder="a", size=1200, age_s=90), *few(8, folder="b", size=1200, age_s=80)]
    small = few(4, folder="c", size=0, age_s=70)
    limits = replace(LIMITS, spool_max=sealed_size(large[:8]) + sealed_size(small))
    choice = chosen(*large, *small, limits=limits)
    assert packed(choice) == [("a", 8), ("c", 4)]
    assert waits(choice) == [("b", Why.ROOM, 8, 0)]


def test_what_is_left_over_waits_for_room_only_where_it_is_ripe_by_itself() -> None:
    limits = replace(LIMITS, max_files=4, spool_max=sealed_size(few(4)) + 100)
    assert waits(chosen(*few(8), candidate("d/young", age_s=20), limits=limits)) == [
        ("d", Why.ROOM, 4, 0),
        ("d", Why.YOUNG, 1, 3580),
    ]
    assert waits(chosen(*few(7), candidate("d/young", age_s=20), limits=limits)) == [
        ("d", Why.FEW, 3, 10),
        ("d", Why.YOUNG, 1, 10),
    ]


def test_a_spool_smaller_than_max_size_makes_smaller_archives() -> None:
    limits = replace(LIMITS, max_size=1 << 30, max_files=100, spool_max=200_000)
    choice = chosen(*few(10, size=50_000), limits=limits)
    assert packed(choice) == [("d", 3)]
    assert waits(choice) == [("d", Why.ROOM, 7, 0)]


# --- clocks -------------------------------------------------------------------------------------------------------


def stamped(mtime_s: float, ctime_s: float) -> Candidate:
    """A file with times so many seconds after now."""
    times = [NOW_NS + round(seconds * SECOND_NS) for seconds in (mtime_s, ctime_s)]
    return Candidate(path=parse_relpath("d/a"), stat=LocalStat(1, times[0], times[1], 7))


@pytest.mark.parametrize(
    ("mtime_s", "ctime_s", "due_s"),
    [
        (-5000, -5000, None),  # old
        (-5000, -600, 3000),  # renamed or linked since: touched
        (-600, -5000, 3000),
        (-5000, -10, 3590),
        (9e8, -5000, None),  # an mtime ahead was set by hand
        (9e8, -600, 3000),
        (-600, 9e8, 3000),  # the clock went back: its mtime tells
        (3600, 3600, None),  # by an hour, and no time tells anything: it counts as old
        (9e8, 9e8, None),
        (20, 20, 3620),  # a little ahead (a server's clock): just touched
        (9e8, 20, 3620),
        (30, 30, 3630),
        (30.1, 30.1, None),
    ],
)
def test_a_wrong_clock_lets_nothing_wait_for_ever(mtime_s: float, ctime_s: float, due_s: float | None) -> None:
    choice = chosen(stamped(mtime_s, ctime_s))
    assert choice.next_due_s == due_s
    assert packed(choice) == ([("d", 1)] if due_s is None else [])


def test_times_of_other_centuries_are_times() -> None:
    far = 10**28
    for mtime_ns, ctime_ns in product((-far, far), repeat=2):
        choice = chosen(Candidate(path=parse_relpath("a"), stat=LocalStat(1, mtime_ns, ctime_ns, 7)))
        assert packed(choice) == [("", 1)]


# --- all of it, for any files ---------------------------------------------------------------------------------------

_offsets = st.sampled_from([0, 1, -1, 5, 29, 30, 31, 3599, 3600, 3601, 7200, -29, -30, -31, -3600])
_ages_ns = st.builds(lambda seconds, ns: seconds * SECOND_NS + ns, _offsets, st.sampled_from([-1, 0, 1])) | st.integers(
    -YEAR_NS, YEAR_NS
)
_past_ns = st.integers(0, 8000).map(lambda seconds: seconds * SECOND_NS)
_sizes = st.sampled_from([0, 1, 511, 512, 2048, 5000, 9_999, 10_000, 10_001, 10**6])
_folders = st.sampled_from(["", "d", "d/e", "é", "f" * 200, "/".join(["x" * 230] * 4)])
_names = st.text('ab\n"é🦀', min_size=1, max_size=4)
_limits = st.builds(
    Limits,
    max_size=st.sampled_from([1, 10_000, 1 << 30]),
    max_files=st.sampled_from([1, 3, 100]),
    min_files=st.sampled_from([0, 1, 3, 20]),
    max_age_s=st.sampled_from([0, 10, 3600]),
    min_age_s=st.sampled_from([0, 0.5, 30]),
    spool_max=st.sampled_from([0, 30_000, 60_000, ROOMY]),
)


def files(ages: st.SearchStrategy[int]) -> st.SearchStrategy[list[Candidate]]:
    """Files of a few folders, with such ages."""
    stats = st.builds(lambda size, mtime, ctime: LocalStat(size, NOW_NS - mtime, NOW_NS - ctime, 7), _sizes, ages, ages)
    names = st.builds(lambda folder, name: f"{folder}/{name}" if folder else name, _folders, _names)
    found = st.builds(Candidate, path=names.map(parse_relpath), stat=stats)
    return st.lists(found, max_size=40, unique_by=lambda one: one.path)


def everything(choice: Choice) -> Iterable[Candidate]:
    for group in (*choice.packs, *choice.waiting):
        yield from group.members
    yield from choice.alone


def folder_of(one: Candidate) -> str:
    return one.path.rpartition("/")[0]


@given(files(_ages_ns), _limits, st.booleans())
def test_every_file_lands_in_exactly_one_place(found: list[Candidate], limits: Limits, forced: bool) -> None:
    choice = chosen(*found, limits=limits, forced=forced)
    assert Counter(everything(choice)) == Counter(found)
    assert choice.waiting_files == sum(len(one.members) for one in choice.waiting)
    assert choice.waiting_bytes == sum(member.stat.size for one in choice.waiting for member in one.members)
    assert all(group.members for group in (*choice.packs, *choice.waiting))


@given(files(_ages_ns), _limits, st.booleans())
def test_an_archive_keeps_every_limit(found: list[Candidate], limits: Limits, forced: bool) -> None:
    choice = chosen(*found, limits=limits, forced=forced)
    for pack in choice.packs:
        assert {folder_of(one) for one in pack.members} == {pack.folder}
        assert list(pack.members) == sorted(pack.members, key=lambda one: order(one.path))
        assert len(pack.members) <= limits.max_files
        assert sum(one.stat.size for one in pack.members) <= limits.max_size
    assert sum(sealed_size(pack.members) for pack in choice.packs) <= limits.spool_max
    assert {folder_of(member) == one.folder for one in choice.waiting for member in one.members} <= {True}


@given(files(_past_ns), _limits, st.booleans())
def test_a_folder_goes_when_it_is_ripe_and_not_before(found: list[Candidate], limits: Limits, forced: bool) -> None:
    choice = chosen(*found, limits=limits, forced=forced)
    alone, taken = set(choice.alone), {one for pack in choice.packs for one in pack.members}
    crowded = {member for one in choice.waiting if one.why is Why.ROOM for member in one.members}
    for folder in {folder_of(one) for one in found}:
        old = [one for one in found if folder_of(one) == folder and age_s(one) >= limits.min_age_s]
        fit = [one for one in old if one not in alone]
        ripe = bool(fit) and (
            forced
            or len(fit) >= limits.min_files
            or max(age_s(one) for one in fit) >= limits.max_age_s
            or sum(one.stat.size for one in fit) >= limits.max_size
        )
        assert ripe or not taken & set(old)
        assert not ripe or (taken | crowded) & set(fit)
        assert not ripe or taken >= set(fit) or limits.spool_max < ROOMY
        sizes = [one.stat.size for one in old if one in alone and sealed_size([one]) <= limits.spool_max]
        assert len(folder.encode()) > LONGEST_FOLDER or all(size > limits.max_size for size in sizes)


def age_s(one: Candidate) -> float:
    return (NOW_NS - max(one.stat.mtime_ns, one.stat.ctime_ns)) / SECOND_NS


@given(files(_ages_ns), _limits, st.booleans(), st.randoms(use_true_random=False))
def test_the_order_of_a_scan_changes_nothing(
    found: list[Candidate], limits: Limits, forced: bool, random: Random
) -> None:
    shuffled = random.sample(found, len(found))
    assert chosen(*shuffled, limits=limits, forced=forced) == chosen(*found, limits=limits, forced=forced)


@given(files(_past_ns), _limits, st.booleans())
def test_it_tells_when_to_look_again(found: list[Candidate], limits: Limits, forced: bool) -> None:
    choice = chosen(*found, limits=limits, forced=forced)
    left = [member for one in choice.waiting for member in one.members]
    if choice.next_due_s is None:
        assert not left
        return
    due_ns = math.ceil(choice.next_due_s * SECOND_NS) + 1000
    assert taken(chosen(*left, limits=limits, forced=forced, now_ns=NOW_NS + due_ns))
    if due_ns > 3000:
        assert not taken(chosen(*left, limits=limits, forced=forced, now_ns=NOW_NS + due_ns - 3000))


@given(files(_ages_ns), _limits)
def test_run_by_run_everything_goes_whatever_the_clock_was(found: list[Candidate], limits: Limits) -> None:
    left: Sequence[Candidate] = found
    now_ns = NOW_NS
    for _ in range(3 * len(found) + 1):
        choice = chosen(*left, limits=limits, now_ns=now_ns)
        left = [member for one in choice.waiting for member in one.members]
        now_ns += math.ceil((choice.next_due_s or 0) * SECOND_NS) + 1000
    assert not left
    assert now_ns - NOW_NS < 3 * 3600 * SECOND_NS


def taken(choice: Choice) -> int:
    return len(choice.alone) + sum(len(pack.members) for pack in choice.packs)


@given(st.lists(paths, max_size=10, unique=True))
def test_any_key_is_packed_or_goes_alone(found: list[str]) -> None:
    choice = chosen(*(candidate(path) for path in found), forced=True)
    assert sorted(one.path for one in everything(choice)) == sorted(found)
    assert not choice.waiting


def test_choices_are_plain_values() -> None:
    one = candidate("d/a")
    assert Pack(folder="d", members=(one,)) == Pack(folder="d", members=(one,))
    assert Waits(folder="d", why=Why.FEW, members=(one,), due_s=1).why == "few"
