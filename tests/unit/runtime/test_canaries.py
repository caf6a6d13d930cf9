"""The daily canary: when it goes, what it leaves in memory, and that cleanup waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING
from support.recorded import HandClock, KeptEvents
from syncd import events
from syncd.config.types import S3, Pair
from syncd.engine.context import Endpoint
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Capabilities
from syncd.runtime.canaries import DAILY_S, EARLY_S, RETRY_S, TRUSTED_S, Canaries, early_s, standing
from syncd.store.database import Database

PAIR = Pair(name="logs", local=Path("/logs"), bucket="bucket", prefix="p/", s3=S3(endpoint_url="http://s3"))
OTHER = replace(PAIR, name="other", prefix="q/")
AWAY = RemoteError(RemoteKind.UNAVAILABLE, "no answer")
SPOILT = RemoteError(RemoteKind.CORRUPT, "the canary failed: what is read is not what was put")
HOUR = 3600.0


@dataclass
class Day:
    """Canaries on a real database, a clock that is moved, and a store that answers what it is told to."""

    canaries: Canaries
    clock: HandClock
    said: KeptEvents
    found: Capabilities | RemoteError = EVERYTHING
    sent: int = 0
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def probe(self) -> Capabilities:
        self.sent += 1
        if isinstance(self.found, RemoteError):
            raise self.found
        return self.found

    def look(self, pair: Pair = PAIR, *, after_h: float = 0.0) -> Endpoint:
        """As at the start of a pass."""
        self.clock.tick(after_h * HOUR)
        before = self.endpoints.get(pair.name) or self.canaries.known(pair)
        self.endpoints[pair.name] = self.canaries.current(pair, before, self.probe)
        return self.endpoints[pair.name]

    def restart(self) -> None:
        """Another process: what was only in memory is gone."""
        self.endpoints.clear()

    def cleans(self, pair: Pair = PAIR) -> bool:
        return self.clock.now() < self.endpoints[pair.name].proven_until


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    clock, said = HandClock(), KeptEvents()
    with Database.open(tmp_path / "db", clock=clock) as database:
        yield Day(Canaries(table=database.capabilities, clock=clock, events=said), clock, said)


def test_it_goes_once_a_day_and_is_kept_over_restarts(day: Day) -> None:
    assert day.look().capabilities == replace(EVERYTHING, probed_at=day.clock.now())
    for _ in range(5):
        day.look(after_h=4)
    assert day.sent == 1
    day.restart()
    day.look()
    assert (day.sent, day.cleans()) == (1, True)
    day.look(after_h=4.1)
    assert day.sent == 2
    assert len(day.said.of(events.ENDPOINT_PROBED)) == 2


def test_the_buckets_go_at_times_of_their_own_within_two_hours() -> None:
    times = {early_s(replace(PAIR, bucket=f"bucket-{number}")) for number in range(200)}
    assert len(times) > 50
    assert 0 <= min(times) <= max(times) < EARLY_S
    assert early_s(PAIR) == early_s(OTHER)


def test_pairs_of_one_bucket_share_it(day: Day) -> None:
    day.look()
    day.look(OTHER)
    assert day.sent == 1
    day.look(after_h=24)
    assert day.look(OTHER).capabilities == day.look().capabilities
    assert day.sent == 2


def test_a_first_one_that_fails_is_an_error_and_nothing_is_assumed(day: Day) -> None:
    day.found = SPOILT
    with pytest.raises(RemoteError, match="what is read"):
        day.look()
    assert day.canaries.known(PAIR) == Endpoint()
    day.found = EVERYTHING
    assert day.look().capabilities.probed_at


def test_a_daily_one_that_does_not_get_through_fails_no_pass_and_is_said_once(day: Day) -> None:
    before = day.look().capabilities
    day.found = AWAY
    assert day.look(after_h=24).capabilities == before
    assert day.cleans(), "the last one is not too old yet"
    for _ in range(8):
        day.look(after_h=1)
    (said,) = day.said.of(events.ENDPOINT_UNPROVEN)
    assert said["error"] == "no answer"
    assert day.endpoints["logs"].trouble == "no answer"


def test_what_failed_is_tried_again_a_quarter_of_an_hour_later(day: Day) -> None:
    day.look()
    day.found = AWAY
    day.look(after_h=24)
    day.look(after_h=0.2)
    assert day.sent == 2
    day.look(after_h=RETRY_S / HOUR - 0.2)
    assert day.sent == 3
    day.found = EVERYTHING
    day.look(after_h=RETRY_S / HOUR)
    assert (day.cleans(), day.endpoints["logs"].trouble) == (True, "")


def test_nothing_is_cleaned_once_the_last_one_is_two_days_old(day: Day) -> None:
    day.look()
    day.found = AWAY
    day.look(after_h=47.9)
    assert day.cleans()
    day.look(after_h=0.1)
    assert not day.cleans()
    day.found = EVERYTHING
    day.look(after_h=1)
    assert day.cleans()


def test_bytes_that_come_back_spoilt_stop_the_cleaning_at_once_for_every_pair_and_process(day: Day) -> None:
    day.look()
    day.look(OTHER)
    day.found = SPOILT
    assert day.look(after_h=24).capabilities.distrusted == SPOILT.message
    assert not day.cleans()
    day.look(OTHER)
    assert not day.cleans(OTHER)
    day.restart()
    day.found = AWAY
    day.look()
    assert not day.cleans(), "the one before is young enough, but it was not the last"
    assert day.sent == 3 + 1, "a new process tries at once"
    day.found = EVERYTHING
    day.look(after_h=1)
    assert day.cleans()
    day.look(OTHER)
    assert day.cleans(OTHER)


def test_a_capability_that_vanished_takes_effect_at_once_and_is_said_once(day: Day) -> None:
    day.look()
    day.found = replace(EVERYTHING, rejects_wrong_crc64nvme=False, put_if_match=False)
    after = day.look(after_h=24)
    assert not after.capabilities.rejects_wrong_crc64nvme
    assert day.cleans()
    day.look(after_h=24)
    assert [row["capability"] for row in day.said.of(events.ENDPOINT_DEGRADED)] == [
        "put_if_match",
        "rejects_wrong_crc64nvme",
    ]


def test_a_precondition_that_was_switched_off_by_use_stays_off_until_the_next_canary(day: Day) -> None:
    endpoint = day.look()
    endpoint.capabilities = replace(endpoint.capabilities, put_if_match=False)
    assert not day.look(after_h=1).capabilities.put_if_match
    assert day.look(after_h=24).capabilities.put_if_match


def test_what_may_not_be_read_is_not_proven(day: Day) -> None:
    day.found = replace(EVERYTHING, denied=frozenset({"s3:GetObject"}))
    day.look()
    assert not day.cleans()
    day.restart()
    assert day.look().capabilities.denied == {"s3:GetObject"}
    assert day.sent == 1


@pytest.mark.parametrize("hours", [-8 * 24, 400 * 24])
def test_a_clock_that_was_wrong_asks_for_another_one(day: Day, hours: float) -> None:
    day.look()
    day.look(after_h=hours)
    assert day.sent == 2
    assert day.cleans()
    assert day.endpoints["logs"].proven_until == day.clock.now() + TRUSTED_S


def test_a_date_of_tomorrow_does_not_count_for_longer() -> None:
    assert standing(replace(EVERYTHING, probed_at=5.0)).proven_until == 5.0 + TRUSTED_S
    assert standing(Capabilities()).proven_until == 0.0
    assert standing(replace(EVERYTHING, distrusted="spoilt")).proven_until == 0.0
    assert DAILY_S < TRUSTED_S


def test_many_buckets_that_are_not_cleaned_do_not_count_as_proven_once_they_are(day: Day) -> None:
    many = replace(PAIR, layout="buckets", bucket="", prefix="", cleanup=False)
    day.look(many)
    day.restart()
    day.look(replace(many, cleanup=True))
    assert day.sent == 2
