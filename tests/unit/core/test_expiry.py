"""Which versions in the trash may go: by age, by size, and never the last copy that somebody still decides about."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from syncd.core.expiry import (
    UNLISTED_REST_S,
    Displaced,
    Expires,
    Fate,
    Lair,
    Limits,
    OnlyCopy,
    Stays,
    Why,
    decide,
    outlook,
    questions,
)

NOW = 1_000_000.0
DIGESTS = ("", "sha256:aa", "sha256:bb", "sha256:cc")
NOWHERE: frozenset[str] = frozenset()


def item(id: int, since: float = 0.0, size: int = 10, **more: object) -> Displaced:
    return Displaced(id=id, where=f"local:{id}", lair=Lair.LOCAL, since=since, size=size, **more)  # type: ignore[arg-type]


def fates(
    *items: Displaced, keep_s: float | None = None, most: int | None = None, elsewhere: frozenset[str] = NOWHERE
) -> dict[int, Fate]:
    decided = decide(items, Limits(keep_s=keep_s, most=most), now=NOW, elsewhere=elsewhere)
    return {one.id: fate for one, fate in decided}


@st.composite
def trashes(draw: st.DrawFn) -> list[Displaced]:
    made = []
    for id in range(1, draw(st.integers(0, 8)) + 1):
        lair = draw(st.sampled_from(Lair))
        made.append(
            Displaced(
                id=id,
                where=f"{lair.value}:{id}",
                lair=lair,
                since=draw(st.integers(0, 20)) * 50_000.0,
                size=draw(st.integers(0, 5)),
                digest=draw(st.sampled_from(DIGESTS)),
                conflict=draw(st.sampled_from((0, 0, 7))),
                unlisted=lair is Lair.LOCAL and draw(st.booleans()),
                gone=lair is Lair.LOCAL and draw(st.sampled_from((False, False, True))),
            )
        )
    return draw(st.permutations(made))


LIMITS = st.builds(Limits, keep_s=st.none() | st.integers(1, 1_000_000).map(float), most=st.none() | st.integers(1, 20))
ELSEWHERE = st.frozensets(st.sampled_from(DIGESTS[1:]))


@given(trashes(), LIMITS, ELSEWHERE)
def test_the_only_copy_of_what_lost_an_open_conflict_never_expires(
    items: list[Displaced], limits: Limits, elsewhere: frozenset[str]
) -> None:
    decided = decide(items, limits, now=NOW, elsewhere=elsewhere)
    left = {one.digest for one, fate in decided if not isinstance(fate, Expires) and one.lair is Lair.LOCAL}
    for one, fate in decided:
        if isinstance(fate, Expires) and one.guarded:
            assert one.digest, "what nobody knows is nowhere else"
            assert one.digest in elsewhere | {digest for digest in left if digest}


@given(trashes(), LIMITS, ELSEWHERE)
def test_what_expires_is_over_its_age_or_its_size_was_in_the_way(
    items: list[Displaced], limits: Limits, elsewhere: frozenset[str]
) -> None:
    totals = Counter[Lair]()
    for one in items:
        totals[one.lair] += 0 if one.gone or one.lair is Lair.VERSION else one.size
    for one, fate in decide(items, limits, now=NOW, elsewhere=elsewhere):
        if not isinstance(fate, Expires):
            continue
        if fate.why is Why.SIZE:
            assert limits.most is not None
            assert totals[one.lair] > limits.most, "one more than it takes"
        else:
            assert limits.keep_s is not None
            assert NOW - one.since > limits.keep_s
        totals[one.lair] -= 0 if one.gone or one.lair is Lair.VERSION else one.size


@given(trashes(), LIMITS, ELSEWHERE)
def test_what_stays_is_within_both_limits_or_guarded(
    items: list[Displaced], limits: Limits, elsewhere: frozenset[str]
) -> None:
    decided = decide(items, limits, now=NOW, elsewhere=elsewhere)
    left = Counter[Lair]()
    for one, fate in decided:
        if isinstance(fate, Stays) and limits.keep_s is not None and not one.unlisted:
            assert NOW - one.since <= limits.keep_s
        if not isinstance(fate, Expires):
            left[one.lair] += 0 if one.gone or one.lair is Lair.VERSION else one.size
    unguarded = {one.lair for one, fate in decided if isinstance(fate, Stays) and one.size and not one.gone}
    for lair, total in left.items():
        young = any(one.unlisted and NOW - one.since < UNLISTED_REST_S for one in items)
        if limits.most is not None and lair in unguarded and lair is not Lair.VERSION and not young:
            assert total <= limits.most


@given(trashes(), LIMITS)
def test_the_order_in_which_they_are_seen_makes_no_difference(items: list[Displaced], limits: Limits) -> None:
    assert decide(items, limits, now=NOW, elsewhere=NOWHERE) == decide(items[::-1], limits, now=NOW, elsewhere=NOWHERE)


def test_the_oldest_goes_first() -> None:
    decided = fates(item(1, 30.0), item(2, 10.0), item(3, 20.0), most=15)
    assert decided == {2: Expires(Why.SIZE), 3: Expires(Why.SIZE), 1: Stays(None)}
    assert list(decided) == [2, 3, 1]


def test_exactly_at_its_limits_everything_stays() -> None:
    assert fates(item(1, NOW - 100), item(2, NOW - 50), keep_s=100.0, most=20) == {
        1: Stays(NOW),
        2: Stays(NOW + 50),
    }
    assert fates(item(1, NOW - 100.5), keep_s=100.0) == {1: Expires(Why.AGE)}


def test_local_files_and_copies_on_s3_are_weighed_apart_and_versions_not_at_all() -> None:
    copy = Displaced(id=2, where="s3:x", lair=Lair.COPY, since=0.0, size=10)
    version = Displaced(id=3, where="version:x:1", lair=Lair.VERSION, since=0.0, size=1000)
    assert set(fates(item(1), copy, version, most=10).values()) == {Stays(None)}


def test_a_guarded_one_takes_its_room_and_the_others_make_place_for_it() -> None:
    decided = fates(item(1, 1.0, 100, conflict=7, digest="sha256:aa"), item(2, 2.0, 5), most=50)
    assert decided == {1: OnlyCopy(7), 2: Expires(Why.SIZE)}


def test_of_two_copies_of_a_loser_the_last_one_stays() -> None:
    lost = {"conflict": 7, "digest": "sha256:aa"}
    assert fates(item(1, 1.0, **lost), item(2, 2.0, **lost), keep_s=1.0) == {1: Expires(Why.AGE), 2: OnlyCopy(7)}


def test_a_copy_whose_file_is_gone_is_nothing_to_lean_on() -> None:
    lost = {"conflict": 7, "digest": "sha256:aa"}
    decided = fates(item(1, 1.0, **lost), item(2, NOW, gone=True, **lost), keep_s=1.0)
    assert decided == {1: OnlyCopy(7), 2: Stays(NOW + 1.0)}


def test_only_what_would_go_if_it_were_elsewhere_is_asked_for() -> None:
    lost = {"conflict": 7, "digest": "sha256:aa"}
    due, young = item(1, 1.0, **lost), item(2, NOW, conflict=7, digest="sha256:bb")
    assert questions(decide([due, young], Limits(keep_s=10.0, most=None), now=NOW, elsewhere=NOWHERE)) == [due]


def test_an_only_copy_says_why_it_stays() -> None:
    assert outlook(OnlyCopy(12), NOW) == (None, "kept: the only copy of what lost conflict 12")
    assert outlook(OnlyCopy(0), NOW)[1].startswith("kept: nobody noted why it is here")
    assert outlook(Stays(5.0), NOW) == (5.0, "")
    assert outlook(Expires(Why.AGE), NOW) == (NOW, "")


def test_a_version_that_a_loser_leaned_on_is_kept_in_its_place() -> None:
    """It lies there for another reason, which alone would let it go."""
    loser, deleted = item(1, 1.0, conflict=7, digest="sha256:aa"), item(2, 2.0, digest="sha256:aa")
    assert fates(loser, deleted, keep_s=1.0) == {1: Expires(Why.AGE), 2: OnlyCopy(7)}
    assert set(fates(loser, deleted, keep_s=1.0, elsewhere=frozenset({"sha256:aa"})).values()) == {Expires(Why.AGE)}
