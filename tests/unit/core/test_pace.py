"""A round of work spread over its period."""

from __future__ import annotations

import pytest

from syncd.core.pace import HASTE, ROOM, Pace

PACE = Pace(started=1000.0, period=100.0)


def test_each_piece_is_due_at_its_share_of_the_period() -> None:
    assert [PACE.due(done) for done in (0.0, 0.5, 1.0)] == [1000.0, 1000 + 50 * ROOM, 1000 + 100 * ROOM]


def test_after_a_piece_it_rests_until_the_next_is_due() -> None:
    assert PACE.pause(0.0, 0.1, now=1000.0) == pytest.approx(10 * ROOM)


def test_what_fell_behind_is_caught_up_with_haste_but_not_at_once() -> None:
    assert PACE.pause(0.1, 0.2, now=1090.0) == pytest.approx(10 * ROOM / HASTE)


def test_it_gives_way_until_it_is_late() -> None:
    assert not PACE.late(0.5, now=1050.0)
    assert PACE.late(0.5, now=1060.0)
