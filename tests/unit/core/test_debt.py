"""What passes at a rate: never more over any span than the rate, the burst and one piece."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.debt import Debt


def sent(debt: Debt, pieces: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """When each piece passed: each arrives `pause` after the one before and waits as long as it is told."""
    now, passed = 0.0, []
    for pause, size in pieces:
        now += pause
        now += debt.delay(now)
        debt.take(size, now)
        passed.append((now, size))
    return passed


PIECES = st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500).map(float)), min_size=1, max_size=40)


@given(PIECES, st.integers(1, 1000), st.integers(0, 200))
def test_over_no_span_passes_more_than_the_rate_the_burst_and_one_piece(
    pieces: list[tuple[float, float]], rate: int, burst: int
) -> None:
    debt = Debt()
    debt.change(rate, 0.0, burst=burst)
    passed = sent(debt, pieces)
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            span = passed[last][0] - passed[first][0]
            total = sum(size for _, size in passed[first : last + 1])
            assert total <= rate * span + burst + passed[last][1] + 2e-3


def test_a_steady_stream_gets_the_whole_rate() -> None:
    debt = Debt()
    debt.change(100.0, 0.0)
    assert sent(debt, [(0.0, 10.0)] * 101)[-1][0] == pytest.approx(10.0)


def test_what_rounding_leaves_is_not_waited_for() -> None:
    debt, now = Debt(), 1_000_000.0
    debt.change(1000.0, now)
    for _ in range(1000):
        debt.take(100.0, now)
        now += debt.delay(now)
        assert debt.delay(now) == 0.0


def test_without_a_rate_nothing_waits() -> None:
    assert sent(Debt(), [(0.0, 1e9)] * 3)[-1][0] == 0.0


def test_what_is_owed_is_paid_at_the_new_rate_once_it_changes() -> None:
    debt = Debt()
    debt.change(1.0, 0.0)
    debt.take(100.0, 0.0)
    debt.change(100.0, 0.0)
    assert debt.delay(0.0) == pytest.approx(1.0)
    debt.change(None, 0.5)
    assert debt.delay(0.5) == 0.0
