"""The limiter's decision: how fast requests go to an endpoint that refuses some, against simulated endpoints."""

from __future__ import annotations

import pytest

from syncd.core.aimd import FORGOTTEN_S, LEAST, Flow


def run(flow: Flow, *, bears: float, wants: float, seconds: float, start: float = 0.0) -> tuple[int, int]:
    """Send for so long to an endpoint that bears so many requests a second and refuses the others: (done, refused)."""
    now, done, refused, tokens, step = start, 0, 0, 0.0, 0.01
    credit = 0.0
    while now < start + seconds:
        tokens = min(bears * 0.1, tokens + bears * step)
        credit += min(wants, flow.rate_at(now) or wants) * step
        while credit >= 1:
            credit -= 1
            ok = tokens >= 1
            tokens -= ok
            done += ok
            refused += not ok
            flow.answer(now, refused=not ok)
        now += step
    return done, refused


def test_what_is_not_refused_is_not_slowed() -> None:
    flow = Flow()
    run(flow, bears=1e9, wants=500, seconds=5)
    assert flow.rate_at(5.0) is None


def test_a_storm_ends_in_seconds_and_what_the_endpoint_bears_is_used() -> None:
    flow = Flow()
    run(flow, bears=200, wants=2000, seconds=10)
    done, refused = run(flow, bears=200, wants=2000, seconds=60, start=10.0)
    assert done >= 0.7 * 200 * 60
    assert refused <= 0.15 * done


def test_refusals_that_came_together_cut_once() -> None:
    flow = Flow()
    for number in range(100):
        flow.answer(number / 100, refused=False)
    cuts = [flow.answer(0.999, refused=True) for _ in range(50)]
    assert sum(cuts) == 1
    assert flow.rate_at(0.999) == pytest.approx(70, abs=1)


def test_a_rare_failure_of_the_store_slows_nobody() -> None:
    flow = Flow()
    for number in range(20_000):
        flow.answer(number / 2000, refused=number % 100 == 99)
    assert flow.rate_at(10.0) is None


def test_an_endpoint_that_refuses_everything_is_asked_all_the_same() -> None:
    flow = Flow()
    run(flow, bears=0, wants=100, seconds=60)
    rate = flow.rate_at(60.0)
    assert rate is not None
    assert LEAST <= rate <= 2 * LEAST


def test_after_a_long_peace_there_is_no_limit() -> None:
    flow = Flow()
    flow.answer(0.0, refused=True)
    assert flow.rate_at(1.0) is not None
    assert flow.rate_at(FORGOTTEN_S + 1) is None
