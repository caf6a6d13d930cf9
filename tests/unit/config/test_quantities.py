"""Durations, sizes, rates and the guard on deletions, as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.quantities import (
    Unreadable,
    format_duration,
    format_max_delete,
    format_size,
    parse_duration,
    parse_max_delete,
    parse_percentage,
    parse_rate,
    parse_size,
    parse_switch,
    quote,
)
from syncd.config.types import MaxDelete

DURATIONS = [
    ("60s", 60.0),
    ("2m", 120.0),
    ("1h30m", 5400.0),
    ("1h 30m", 5400.0),
    ("250ms", 0.25),
    ("1.5h", 5400.0),
    ("2d", 172800.0),
    ("90", 90.0),
    (90, 90.0),
    (0.5, 0.5),
    (0, 0.0),
    ("0s", 0.0),
    (" 5s ", 5.0),
]
SIZES = [
    ("64MiB", 64 << 20),
    ("1GiB", 1 << 30),
    ("10MB", 10_000_000),
    ("10 mb", 10_000_000),
    ("1.5KiB", 1536),
    ("7B", 7),
    ("7", 7),
    (7, 7),
    ("2TB", 2 * 10**12),
    (0, 0),
]
DELETIONS = [
    ("10%", MaxDelete(share=0.1)),
    (500, MaxDelete(share=None, count=500)),
    ("500", MaxDelete(share=None, count=500)),
    ("500/h", MaxDelete(share=None, per_hour=500)),
    ("10%, 500/h", MaxDelete(share=0.1, per_hour=500)),
    ("2.5%,20,500 /h", MaxDelete(share=0.025, count=20, per_hour=500)),
    ("off", MaxDelete(share=None)),
    ("0%", MaxDelete(share=0.0)),
    (0, MaxDelete(share=None, count=0)),
]


@pytest.mark.parametrize(("written", "seconds"), DURATIONS)
def test_a_duration_reads_as_it_looks(written: object, seconds: float) -> None:
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written",
    [
        *("", "s", "-5s", -1, "5x", "6 parsecs", "1m1h", "1s1s", "1h30", "0.1ms", 0.0001, True, None, [], {}, "5000d"),
        *(float("nan"), float("inf"), 10**40, "9" * 40, "1e3", "٣s"),
    ],
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(Unreadable, match=r"\w+ \w+"):
        parse_duration(written)


@given(st.integers(min_value=0, max_value=3650 * 86_400_000))
def test_a_duration_reads_back_as_it_was_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(("written", "size"), SIZES)
def test_a_size_reads_as_it_looks(written: object, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize(
    "written", ["", "MiB", "-1MiB", -1, "5 parsecs", 1.5, "1.5", "0.1KiB", True, None, [], 1 << 63, "9999999999TiB"]
)
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(Unreadable):
        parse_size(written)


def test_a_unit_that_can_mean_two_things_is_refused_with_both() -> None:
    with pytest.raises(Unreadable, match="64MiB or 64MB"):
        parse_size("64m")


def test_a_bare_size_counts_what_the_caller_says() -> None:
    assert parse_size("64", bare=1 << 20) == 64 << 20
    assert parse_size("64KiB", bare=1 << 20) == 64 << 10


@given(st.integers(min_value=0, max_value=(1 << 63) - 1))
def test_a_size_reads_back_as_it_was_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_a_rate_is_a_size_each_second() -> None:
    assert parse_rate("50MB/s") == 50_000_000
    for wrong in ("50MB", "fast", 50, "0MB/s", "50MB/h"):
        with pytest.raises(Unreadable):
            parse_rate(wrong)


def test_a_percentage_is_a_share() -> None:
    assert parse_percentage("12.5%") == 0.125
    for wrong in ("101%", "-1%", "10", 10, "%"):
        with pytest.raises(Unreadable):
            parse_percentage(wrong)


@pytest.mark.parametrize(("written", "limit"), DELETIONS)
def test_the_guard_on_deletions_reads_as_it_looks(written: object, limit: MaxDelete) -> None:
    assert parse_max_delete(written) == limit


@pytest.mark.parametrize(
    "written", ["", "some", "10%, 20%", "5, 6", "500/d", "-1", -1, 0.1, True, "150%", "10%, off", "5.5", None, []]
)
def test_what_is_no_guard_is_refused(written: object) -> None:
    with pytest.raises(Unreadable):
        parse_max_delete(written)


@given(
    st.builds(
        MaxDelete,
        share=st.none() | st.integers(min_value=0, max_value=1000).map(lambda tenths: tenths / 1000),
        count=st.none() | st.integers(min_value=0, max_value=10**12),
        per_hour=st.none() | st.integers(min_value=0, max_value=10**12),
    )
)
def test_a_guard_reads_back_as_it_was_written(limit: MaxDelete) -> None:
    assert parse_max_delete(format_max_delete(limit)) == limit


def test_the_booleans_of_variables() -> None:
    assert [parse_switch(word) for word in ("true", "1", "YES", "false", "0", "No")] == [True] * 3 + [False] * 3
    with pytest.raises(Unreadable, match="true false 1 0 yes no"):
        parse_switch("maybe")


def test_a_quoted_value_stays_on_its_line_and_short() -> None:
    assert quote("a\nb") == '"a\\u000ab"'
    assert len(quote("x" * 10_000)) < 70
    assert len(quote(10**5000)) < 70
