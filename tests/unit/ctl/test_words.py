"""Values in words."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synctl.words import columns, duration, fit, instant_of, plural, printable, rate, seconds_of, size

NOW = datetime(2026, 11, 20, 13, 0, 40, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (14.9, "14 s"),
        (60, "1 m"),
        (3599, "59 m"),
        (3600, "1 h"),
        (11100, "3 h 5 m"),
        (273600, "3 d 4 h"),
        (-5, "0 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (41_200_000, "41.2 MB"),
        (999_960_000, "1.0 GB"),
        (150e9, "150 GB"),
        (10**18, "1000 PB"),
    ],
)
def test_sizes(count: float, text: str) -> None:
    assert size(count) == text


def test_rates_and_plurals() -> None:
    assert [rate(18_400_000), rate(1_500_000), rate(12), plural(1, "file", "files"), plural(1200, "file", "files")] == [
        "18 MB/s",
        "1.5 MB/s",
        "12 B/s",
        "1 file",
        "1,200 files",
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain.gz", "plain.gz"),
        ("größe 日本.gz", "größe 日本.gz"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("c1\x9b31m", "c1\\x9b31m"),
        ("bad\udcff", "bad\\xff"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
    ],
)
def test_names_cannot_break_a_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.text(st.characters()))
def test_whatever_is_shown_is_printable_text(name: str) -> None:
    assert printable(name).isprintable()


@given(st.text(st.characters(whitelist_categories=("L", "N", "M")), max_size=60), st.integers(0, 40))
def test_what_is_cut_fits(name: str, width: int) -> None:
    assert columns(fit(name, width)) <= width or columns(name) == 0


def test_a_path_is_cut_in_its_middle_and_keeps_its_end() -> None:
    assert fit("folder/deep/deeper/latency-2026-11-20T13.jsonl.gz", 24) == "folder/…1-20T13.jsonl.gz"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("2h", 7200), ("1h30m", 5400), ("1.5d", 129600), (" 5 m ", 300), ("250ms", 0.25)],
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2x", "-5", "5 minutes", "1e9", "2h!", "9" * 30, "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration|longer"):
        seconds_of(text)


def test_times_are_ages_or_rfc_3339() -> None:
    assert instant_of("2h", NOW) == "2026-11-20T11:00:40Z"
    assert instant_of("2026-11-20T13:00:00+02:00", NOW) == "2026-11-20T11:00:00Z"
    with pytest.raises(ValueError, match="no time"):
        instant_of("yesterday", NOW)
