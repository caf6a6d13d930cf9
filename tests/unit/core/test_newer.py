"""Newer: a total order over two contents, and the same verdict on whichever host asks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import ETag, LocalStat, ObjectFacts
from syncd.core.newer import local_is_newer

SECOND = 1_000_000_000
NOW = 10_000


@dataclass(frozen=True)
class Version:
    """One host's content: written at `mtime_ns`, of which S3 would say `at` (server's seconds) had it gone up."""

    mtime_ns: int
    hex: str
    at: int

    def beats(self, other: Version, now: int) -> bool:
        """Asked on the host that holds it as a file, the other one being the object."""
        facts = ObjectFacts(etag=ETag("e"), size=1, last_modified_s=other.at, mtime_ns=other.mtime_ns)
        return local_is_newer(LocalStat(1, self.mtime_ns, 0, 1), self.hex, facts, other.hex, server_now=now)


_times = st.integers(0, (NOW - 100) * SECOND)
_versions = st.builds(Version, _times, st.sampled_from(["aa", "ab", "b0"]), st.integers(NOW - 100, NOW - 1))


@given(_versions, _versions)
def test_two_hosts_name_the_same_winner_whoever_uploaded_first(one: Version, two: Version) -> None:
    if (one.mtime_ns // SECOND, one.hex) != (two.mtime_ns // SECOND, two.hex):
        assert one.beats(two, NOW) is not two.beats(one, NOW)


@given(_versions, _versions, _versions)
def test_the_order_has_no_circle(one: Version, two: Version, three: Version) -> None:
    if one.beats(two, NOW) and two.beats(three, NOW):
        assert one.beats(three, NOW)


def test_equal_seconds_are_decided_by_the_digest_not_by_nanoseconds() -> None:
    early, late = Version(5 * SECOND, "b", NOW), Version(5 * SECOND + 999_999_999, "a", NOW)
    assert early.beats(late, NOW)
    assert not late.beats(early, NOW)


def test_a_local_file_from_the_future_is_of_now() -> None:
    ahead = Version((NOW + 86_400) * SECOND, "a", NOW)
    written_now = Version(NOW * SECOND, "b", NOW)
    assert written_now.beats(Version(ahead.mtime_ns, ahead.hex, NOW), NOW)
    assert not ahead.beats(written_now, NOW)


def test_an_objects_mtime_from_the_future_is_that_of_its_upload() -> None:
    object_ahead = Version((NOW + 86_400) * SECOND, "a", NOW - 50)
    assert Version((NOW - 49) * SECOND, "a", NOW).beats(object_ahead, NOW)
    assert not Version((NOW - 51) * SECOND, "z", NOW).beats(object_ahead, NOW)


@pytest.mark.parametrize(("mtime_s", "wins"), [(101, True), (99, False)])
def test_an_object_without_an_mtime_is_as_old_as_its_upload(mtime_s: int, wins: bool) -> None:
    facts = ObjectFacts(etag=ETag("e"), size=1, last_modified_s=100)
    assert local_is_newer(LocalStat(1, mtime_s * SECOND, 0, 1), "a", facts, "", server_now=NOW) is wins


def test_times_before_the_epoch_are_ordered_too() -> None:
    assert Version(-1, "a", NOW).beats(Version(-SECOND - 1, "b", NOW), NOW)
    assert not Version(-SECOND - 1, "b", NOW).beats(Version(-1, "a", NOW), NOW)
