"""The back-off of a crashing worker."""

from __future__ import annotations

import pytest

from syncd.runtime.restarts import RestartPolicy, Restarts

POLICY = RestartPolicy(first_s=1, longest_s=60, healthy_s=300, window_s=600, most=10)


def test_delays_double_up_to_the_longest() -> None:
    restarts = Restarts(POLICY, lambda: 1.0)
    assert [restarts.crashed(float(n)) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.999])
def test_jitter_takes_half_of_the_delay_at_most(chance: float) -> None:
    delay = Restarts(POLICY, lambda: chance).crashed(0.0)
    assert delay == pytest.approx(0.5 + chance / 2)


def test_a_healthy_time_begins_the_delays_anew() -> None:
    restarts = Restarts(POLICY, lambda: 1.0)
    for second in range(4):
        restarts.crashed(float(second))
    assert restarts.crashed(3.0 + 299) == 16
    assert restarts.crashed(3.0 + 299 + 300) == 1


def test_more_than_ten_crashes_in_ten_minutes_are_too_many() -> None:
    restarts = Restarts(POLICY, lambda: 0.0)
    assert all(restarts.crashed(float(n)) is not None for n in range(10))
    assert restarts.crashed(10.0) is None


def test_a_crash_now_and_then_is_never_too_many() -> None:
    restarts = Restarts(POLICY, lambda: 0.0)
    assert all(restarts.crashed(n * 61.0) is not None for n in range(1000))
