"""The small parts of the archiver: links, what counts as open, several at once, what ends a run."""

from __future__ import annotations

import pytest

from support.model_host import InlinePool
from syncd.archive.crew import each
from syncd.archive.links import address, link
from syncd.archive.openness import may_go, untouched_s
from syncd.archive.tally import Tally, is_lost
from syncd.config.types import S3
from syncd.core.model import LocalStat
from syncd.engine.pool import Pool
from syncd.errors import ItemError, RemoteError, RemoteKind
from syncd.lifecycle.stop import Stop
from syncd.ports import Openness

S = 10**9
NOW = 1_000 * S


@pytest.mark.parametrize(
    ("s3", "expected"),
    [
        (S3(), "https://lab.s3.us-east-1.amazonaws.com/a/b%20c%3F.tar"),
        (S3(region="eu-central-1"), "https://lab.s3.eu-central-1.amazonaws.com/a/b%20c%3F.tar"),
        (S3(endpoint_url="http://127.0.0.1:9000/"), "http://127.0.0.1:9000/lab/a/b%20c%3F.tar"),
        (S3(endpoint_url="https://s3.lab", addressing="virtual"), "https://lab.s3.lab/a/b%20c%3F.tar"),
    ],
)
def test_an_archive_has_an_address_that_a_browser_opens(s3: S3, expected: str) -> None:
    assert link(s3, "lab", "a/b c?.tar") == expected


def test_and_one_that_people_write() -> None:
    assert address("lab", "a/b c?.tar") == "s3://lab/a/b c?.tar"


def stat(mtime_ns: int, ctime_ns: int) -> LocalStat:
    return LocalStat(1, mtime_ns, ctime_ns, 1)


@pytest.mark.parametrize(
    ("openness", "age_s", "goes"),
    [
        (Openness.CLOSED, 0, True),
        (Openness.OPEN, 10_000, False),
        (Openness.UNKNOWN, 59, False),
        (Openness.UNKNOWN, 60, True),
    ],
)
def test_unknown_counts_as_open_until_it_was_left_alone(openness: Openness, age_s: int, *, goes: bool) -> None:
    touched = stat(NOW - age_s * S, 0)
    assert may_go(openness, touched, NOW, 60) is goes


@pytest.mark.parametrize(
    ("touched", "age_s"),
    [
        (stat(NOW - 30 * S, NOW - 10 * S), 10),
        (stat(NOW - 10 * S, NOW - 30 * S), 10),
        (stat(NOW + 5 * S, NOW - 30 * S), 30),  # set by hand
        (stat(NOW - 30 * S, NOW + 5 * S), -5),  # the clock went back: it waits
    ],
)
def test_how_long_it_was_left_alone(touched: LocalStat, age_s: float) -> None:
    assert untouched_s(touched, NOW) == age_s


def test_several_at_once_are_all_over_when_it_returns() -> None:
    pool, done = Pool(3), list[int]()
    try:
        each(pool, range(50), done.append, stop=Stop())
    finally:
        pool.close()
    assert sorted(done) == list(range(50))


def test_the_first_failure_is_raised_and_nothing_new_begins_after_it() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        done.append(number)
        if number == 2:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        each(InlinePool(), range(50), work, stop=Stop())
    assert done == [0, 1, 2]


def test_nothing_new_begins_once_it_stops() -> None:
    stop, done = Stop(), list[int]()

    def work(number: int) -> None:
        done.append(number)
        stop.drain()

    each(InlinePool(), range(50), work, stop=stop)
    assert done == [0]


@pytest.mark.parametrize(
    ("kind", "code", "lost"),
    [
        (RemoteKind.UNAVAILABLE, "", True),
        (RemoteKind.DENIED, "", True),
        (RemoteKind.MISSING, "NoSuchBucket", True),
        (RemoteKind.MISSING, "NoSuchUpload", False),
        (RemoteKind.CORRUPT, "", False),
        (RemoteKind.REJECTED, "", False),
    ],
)
def test_what_ends_a_run_and_what_is_one_archives_own(kind: RemoteKind, code: str, *, lost: bool) -> None:
    assert is_lost(RemoteError(kind, "it failed", code=code)) is lost


def test_a_tally_counts_all_failures_and_keeps_the_first_hundred_in_words() -> None:
    tally = Tally()
    for number in range(150):
        tally.problem(str(number), ItemError(str(number), "no", hint="do this"))
    assert tally.counts == {"errors": 150}
    assert len(tally.problems) == 100
    assert (tally.problems[0].where, tally.problems[0].reason) == ("0", "no (do this)")


def test_a_tally_keeps_what_is_due_first() -> None:
    tally = Tally()
    for seconds in (None, 20.0, 5.0, 60.0, None):
        tally.due(seconds)
    assert tally.due_s == 5.0
