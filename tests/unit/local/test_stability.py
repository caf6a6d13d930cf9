"""When a file may go, on clocks that the test owns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import LocalStat
from syncd.core.paths import RelPath, parse_relpath
from syncd.local import stability
from syncd.local.stability import Held, Ready, Stability, Unsettled, Verdict, Wait
from syncd.ports import Openness

PATH = parse_relpath("a.log")
WALL = 1_800_000_000.0  # seconds since the epoch when the monotonic clock shows 0
SETTLE, SETTLE_MAX = 2.0, 600.0


def never() -> Openness:
    raise AssertionError("openness costs a lease: it is not asked while the file cannot go anyway")


def says(state: Openness) -> Callable[[], Openness]:
    return lambda: state


CLOSED, OPEN, UNKNOWN = says(Openness.CLOSED), says(Openness.OPEN), says(Openness.UNKNOWN)


def written(at: float, *, size: int = 10, changed: float | None = None) -> LocalStat:
    """A file last written `at` and changed (ctime) then, or at `changed`, on the monotonic clock."""
    ctime = at if changed is None else changed
    return LocalStat(size, int((WALL + at) * 1e9), int((WALL + ctime) * 1e9), 7)


class Look:
    """A tracker whose wall clock runs beside the monotonic one."""

    def __init__(self, *, settle: float = SETTLE, settle_max: float = SETTLE_MAX) -> None:
        self.tracker = Stability(settle, settle_max)

    def at(
        self, now: float, stat: LocalStat, openness: Callable[[], Openness] = CLOSED, *, path: RelPath = PATH
    ) -> Verdict:
        return self.tracker.consider(path, stat, now, int((WALL + now) * 1e9), openness)


def about(until: float) -> Wait:
    return Wait(pytest.approx(until, abs=1e-3))


# --- by a close event ---


def test_a_closed_file_goes_at_once_however_young() -> None:
    look = Look()
    look.tracker.closed(PATH)
    assert look.at(10.0, written(10.0)) == Ready()


def test_a_closed_file_goes_at_once_though_it_was_written_before() -> None:
    look = Look()
    look.tracker.touched(PATH, written(9.0, size=1), 9.0)
    look.tracker.closed(PATH)
    assert look.at(10.0, written(9.9, size=2)) == Ready()


def test_a_write_after_the_close_takes_it_back() -> None:
    look = Look()
    look.tracker.closed(PATH)
    look.tracker.touched(PATH, written(10.0), 10.0)
    assert look.at(10.1, written(10.0), never) == about(12.0)


def test_a_change_seen_after_the_first_look_at_a_closed_file_takes_the_close_back() -> None:
    look = Look()
    look.tracker.closed(PATH)
    assert isinstance(look.at(10.0, written(9.9, size=1), OPEN), Wait)
    assert look.at(10.5, written(10.4, size=2), never) == about(12.4)


def test_a_closed_file_that_another_writer_has_open_waits_and_goes_when_that_one_ends() -> None:
    look = Look()
    look.tracker.closed(PATH)
    assert look.at(10.0, written(9.9), OPEN) == Wait(12.0)
    look.tracker.closed(PATH)
    assert look.at(10.1, written(9.9)) == Ready()


def test_a_closed_file_of_unknown_openness_waits_for_settle() -> None:
    look = Look()
    look.tracker.closed(PATH)
    assert look.at(10.0, written(9.5), UNKNOWN) == about(11.5)
    assert look.at(11.5, written(9.5), UNKNOWN) == Ready()


# --- by its age ---


@pytest.mark.parametrize("openness", [CLOSED, UNKNOWN])
def test_a_file_older_than_settle_goes_at_first_sight_and_leaves_no_trace(openness: Callable[[], Openness]) -> None:
    look = Look()
    assert look.at(10.0, written(8.0), openness) == Ready()
    assert (look.tracker.pending(), look.tracker.next_due(10.0)) == ([], None)


def test_an_old_mtime_does_not_hide_a_fresh_ctime() -> None:
    look = Look()
    assert look.at(10.0, written(-9_000.0, changed=9.5), never) == about(11.5)


def test_an_old_file_that_is_open_waits() -> None:
    look = Look()
    assert look.at(10.0, written(-9_000.0), OPEN) == Wait(12.0)


def test_a_file_from_the_future_goes_when_it_was_seen_unchanged_for_settle() -> None:
    look = Look()
    future = written(90_000.0, changed=9.0)
    assert look.at(10.0, future, never) == Wait(12.0)
    assert look.at(11.9, future, never) == Wait(12.0)
    assert look.at(12.0, future) == Ready()


def test_a_file_seen_unchanged_for_settle_goes_though_the_wall_clock_says_it_is_young() -> None:
    look = Look()
    stat = written(10.0)
    tracker = look.tracker
    assert tracker.consider(PATH, stat, 10.0, int((WALL + 10.0) * 1e9), never) == Wait(12.0)
    set_back = int((WALL + 10.1) * 1e9)
    assert tracker.consider(PATH, stat, 12.0, set_back, CLOSED) == Ready()


def test_a_touch_starts_the_wait_anew_even_where_the_stat_is_the_same() -> None:
    look = Look()
    future = written(90_000.0)
    look.at(10.0, future, never)
    look.tracker.touched(PATH, future, 11.9)
    assert look.at(12.5, future, never) == about(13.9)


def test_settle_zero_lets_everything_that_is_not_open_go() -> None:
    look = Look(settle=0.0)
    assert look.at(10.0, written(10.0)) == Ready()
    assert look.at(10.0, written(90_000.0), UNKNOWN) == Ready()
    later = look.at(10.0, written(10.0), OPEN)
    assert isinstance(later, Wait)
    assert later.until > 10.1  # no busy loop


# --- held ---


def test_a_file_still_written_after_settle_max_is_held_until_it_is_stable() -> None:
    look = Look(settle_max=60.0)
    for second in range(60):
        look.tracker.touched(PATH, written(second, size=second), float(second))
        assert isinstance(look.at(second + 0.5, written(second, size=second), never), Wait)
    assert isinstance(look.at(60.0, written(60.0, size=99), never), Held)
    assert look.tracker.held() == [Unsettled(path=PATH, since=0.0, size=99)]
    assert look.tracker.pending() == []
    assert look.at(62.0, written(60.0, size=99)) == Ready()
    assert look.tracker.held() == []


def test_a_held_file_goes_at_once_when_it_is_closed() -> None:
    look = Look(settle_max=5.0)
    look.at(0.0, written(0.0), OPEN)
    assert isinstance(look.at(5.0, written(4.9, size=2), OPEN), Held)
    look.tracker.closed(PATH)
    assert look.tracker.next_due(5.1) == 0.0
    assert look.at(5.1, written(5.0, size=3)) == Ready()


def test_a_file_that_idles_open_is_held_and_looked_at_ever_less() -> None:
    look = Look(settle_max=60.0)
    now, pauses = 0.0, []
    while now < 3_000:
        verdict = look.at(now, written(-100.0), OPEN)
        assert isinstance(verdict, Held if now >= 60 else Wait)
        assert not isinstance(verdict, Ready)
        pauses.append(verdict.until - now)
        now = verdict.until
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (2.0, 30.0)


def test_after_it_went_its_next_unrest_is_counted_anew() -> None:
    look = Look(settle_max=5.0)
    look.at(0.0, written(0.0), never)
    assert look.at(2.0, written(0.0)) == Ready()
    assert isinstance(look.at(100.0, written(99.9, size=2), never), Wait)


# --- what it remembers ---


def test_it_lists_what_waits_and_when_to_look_next() -> None:
    look = Look()
    late = parse_relpath("late.log")
    look.at(10.0, written(9.0), never)
    look.at(10.0, written(10.0), never, path=late)
    assert [one.path for one in look.tracker.pending()] == [PATH, late]
    assert look.tracker.next_due(10.5) == pytest.approx(0.5, abs=1e-3)
    assert look.tracker.due(11.1) == [PATH]
    assert look.tracker.next_due(11.5) == 0.0


def test_a_forgotten_path_is_not_listed_and_starts_anew() -> None:
    look = Look()
    future = written(90_000.0)
    look.at(10.0, future, never)
    look.tracker.forget(PATH)
    assert look.tracker.pending() == []
    assert look.at(12.0, future, never) == Wait(14.0)


def test_a_pass_forgets_what_it_did_not_see_and_nothing_else() -> None:
    look = Look()
    vanished, new = parse_relpath("vanished"), parse_relpath("new")
    look.at(10.0, written(10.0), never, path=vanished)
    look.at(10.0, written(10.0), never)
    look.at(20.5, written(20.0), never)
    look.tracker.closed(new)
    assert look.tracker.forget_unseen(20.0) == 1
    assert look.tracker.due(99.0) == [PATH, new]


def test_its_memory_has_an_end_and_what_does_not_fit_goes_by_its_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "_MOST", 2)
    look = Look()
    names = [parse_relpath(str(n)) for n in range(4)]
    for name in names:
        look.at(10.0, written(10.0), never, path=name)
    look.tracker.closed(names[3])
    assert [one.path for one in look.tracker.pending()] == names[:2]
    assert look.at(12.0, written(10.0), path=names[3]) == Ready()


def test_an_event_that_comes_while_the_lease_is_tried_wins() -> None:
    look = Look()

    def written_meanwhile() -> Openness:
        look.tracker.touched(PATH, written(10.0, size=99), 10.0)
        return Openness.CLOSED

    look.tracker.closed(PATH)
    assert look.at(10.0, written(9.9), written_meanwhile) == Wait(12.0)
    assert look.at(10.1, written(10.0, size=99), never) == about(12.0)


@given(
    steps=st.lists(
        st.tuples(
            st.floats(0.0, 3.0), st.sampled_from(["write", "write unheard", "close", "look"]), st.sampled_from(Openness)
        ),
        max_size=40,
    )
)
def test_nothing_goes_that_is_open_or_was_neither_closed_nor_left_alone(
    steps: list[tuple[float, str, Openness]],
) -> None:
    look = Look(settle_max=10.0)
    now, changed, size, closed, looked = 0.0, 0.0, 0, False, False
    for pause, step, state in steps:
        now += pause
        if step.startswith("write"):
            changed, size = now, size + 1
            closed = closed and step != "write" and not looked  # unheard before the first look: as if before the close
        if step == "write":
            look.tracker.touched(PATH, written(now, size=size), now)
        elif step == "close":
            closed, looked = True, False
            look.tracker.closed(PATH)
        elif step == "look":
            verdict, looked = look.at(now, written(changed, size=size), says(state)), True
            if verdict == Ready():
                assert state is not Openness.OPEN
                assert now - changed >= SETTLE - 1e-3 or (closed and state is Openness.CLOSED)
            elif state is Openness.CLOSED:
                assert now - changed < SETTLE + 1e-3
