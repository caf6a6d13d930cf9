"""The guards: when deletions wait for a person."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.guard import EMPTIED_FROM, SHARE_FROM, Limit, Sight, halt_reason

CALM = Sight(tracked=1000, removals=1, local_files=999, remote_objects=1000, local_gone=1)
NONE = Limit(share=None)


def test_a_single_deletion_passes() -> None:
    assert halt_reason(CALM, Limit()) is None


def test_nothing_to_remove_never_halts() -> None:
    worst = Sight(tracked=9, removals=0, removed_last_hour=99, local_gone=9, remote_gone=9, complete=False)
    assert halt_reason(worst, Limit(share=0.0, count=0, per_hour=0)) is None


@pytest.mark.parametrize(("removals", "tracked", "halts"), [(20, 199, True), (20, 200, False), (19, 19, False)])
def test_the_share_counts_from_twenty_deletions_on(removals: int, tracked: int, halts: bool) -> None:
    assert SHARE_FROM == 20
    reason = halt_reason(replace(CALM, removals=removals, tracked=tracked), Limit())
    assert (reason is not None) is halts


def test_the_count_halts_above_it_and_names_both_numbers() -> None:
    assert halt_reason(replace(CALM, removals=5), Limit(share=None, count=5)) is None
    reason = halt_reason(replace(CALM, removals=6), Limit(share=None, count=5))
    assert reason is not None
    assert "6 files" in reason
    assert "max_delete 5" in reason


def test_the_hour_counts_what_was_removed_before() -> None:
    limit = Limit(share=None, per_hour=10)
    assert halt_reason(replace(CALM, removals=4, removed_last_hour=6), limit) is None
    assert halt_reason(replace(CALM, removals=5, removed_last_hour=6), limit) is not None


def test_an_incomplete_look_calls_nothing_deleted() -> None:
    assert halt_reason(replace(CALM, complete=False), NONE) is not None


@pytest.mark.parametrize("side", ["local", "remote"])
def test_a_side_that_lost_everything_halts_whatever_the_limits(side: str) -> None:
    files = "local_files" if side == "local" else "remote_objects"
    emptied = replace(CALM, removals=EMPTIED_FROM, **{files: 0, f"{side}_gone": EMPTIED_FROM})
    assert side in (halt_reason(emptied, NONE) or "")
    few = replace(CALM, removals=EMPTIED_FROM - 1, **{files: 0, f"{side}_gone": EMPTIED_FROM - 1})
    assert halt_reason(few, NONE) is None
    assert halt_reason(replace(emptied, **{files: 1}), NONE) is None


_counts = st.integers(0, 500)


@given(_counts, _counts, _counts, st.integers(0, 30), st.sampled_from([None, 0.0, 0.1, 1.0]))
def test_more_deletions_never_pass_where_fewer_halt(
    tracked: int, removals: int, before: int, more: int, share: float | None
) -> None:
    limit = Limit(share=share, count=100, per_hour=200)
    fewer = Sight(tracked=tracked, removals=removals, removed_last_hour=before, local_files=1, remote_objects=1)
    if halt_reason(fewer, limit) is not None:
        assert halt_reason(replace(fewer, removals=removals + more), limit) is not None
