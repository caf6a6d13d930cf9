"""Bodies by boto3 through a meter, by a clock of our own: each byte that crosses the wire counts, once each try."""

from __future__ import annotations

import hashlib
import io
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from support.moto import MotoServer
from support.proxy import Fault, Proxy
from support.recorded import HandClock
from syncd.config.quantities import parse_bandwidth
from syncd.config.types import S3, Config, Pair
from syncd.core.timetable import Limits, Timetable
from syncd.ports import Absent, Capabilities, Checksums, ObjectHeaders
from syncd.s3.connect import connect
from syncd.s3.gateway import Boto3Objects
from syncd.s3.meter import Meter
from syncd.s3.paces import FEWEST, Paces

SIZE = 3_000_000
BODY = b"m" * SIZE
SUMS = Checksums(sha256=hashlib.sha256(BODY).digest())


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


class World:
    """A bucket by a client whose bodies pass a meter."""

    def __init__(self, endpoint: str, bucket: str, bandwidth: str, *, retries: int = 0) -> None:
        self.hand = HandClock()
        self.paces = Paces(self.hand, self._rest)
        settings = S3(endpoint_url=endpoint, retries=retries, bandwidth=parse_bandwidth(bandwidth))
        client = connect(settings)
        self.paces.of(settings).attach(client)
        self.objects = Boto3Objects(client, bucket, checksum="none", capabilities=Capabilities())
        self._began = self.hand.now()

    def _rest(self, seconds: float) -> bool:
        self.hand.tick(seconds)
        return False

    @property
    def took(self) -> float:
        taken, self._began = self.hand.now() - self._began, self.hand.now()
        return taken

    def put(self, sums: Checksums = SUMS, key: str = "k") -> str:
        return self.objects.put(key, io.BytesIO(BODY), SIZE, expect=Absent(), headers=ObjectHeaders(), sums=sums).etag


@pytest.fixture
def bucket(moto: MotoServer) -> str:
    return moto.new_bucket(f"b-{uuid.uuid4().hex[:8]}")


def test_what_goes_up_takes_the_time_of_its_bytes(moto: MotoServer, bucket: str) -> None:
    world = World(moto.endpoint, bucket, "up 1MB/s")
    world.put()
    assert world.took == pytest.approx(3.0, abs=0.2)


def test_a_body_that_is_read_to_be_signed_is_not_counted_for_that(moto: MotoServer, bucket: str) -> None:
    world = World(moto.endpoint, bucket, "up 1MB/s")
    world.put(Checksums())
    assert world.took == pytest.approx(3.0, abs=0.2)


def test_a_try_that_was_in_vain_counts_too(moto: MotoServer, bucket: str) -> None:
    with Proxy(moto.port) as proxy:
        world = World(proxy.endpoint, bucket, "up 1MB/s", retries=2)
        proxy.add(Fault(method="PUT", times=1, answer=(500, "InternalError")))
        world.put(Checksums())
    assert world.took == pytest.approx(6.0, abs=0.4)


def test_small_bodies_count_as_well(moto: MotoServer, bucket: str) -> None:
    world = World(moto.endpoint, bucket, "up 10KB/s")
    for number in range(11):
        world.objects.put(
            f"s{number}", io.BytesIO(b"x" * 1000), 1000, expect=Absent(), headers=ObjectHeaders(), sums=Checksums()
        )
    assert world.took == pytest.approx(0.9, abs=0.2)


def test_what_comes_down_takes_its_time_and_the_way_up_stays_free(moto: MotoServer, bucket: str) -> None:
    world = World(moto.endpoint, bucket, "down 1MB/s")
    etag = world.put()
    assert world.took == 0.0
    with world.objects.get("k", expect=etag) as body:
        assert b"".join(body) == BODY
    assert world.took == pytest.approx(2.8, abs=0.3)


def test_without_a_limit_nothing_is_hooked_and_nothing_waits(moto: MotoServer, bucket: str) -> None:
    world = World(moto.endpoint, bucket, "off")
    world.put()
    assert world.took == 0.0


def test_the_limit_follows_the_time_of_day() -> None:
    hand = HandClock(datetime(2026, 11, 27, 7, 59, 30, tzinfo=timezone.utc).timestamp())
    meter = Meter(
        parse_bandwidth("08:00 1MB/s, 19:00 off"),
        clock=hand,
        rest=lambda _: False,
        local=lambda at: datetime.fromtimestamp(at, timezone.utc),
    )
    assert meter.limits == Limits()
    assert meter.until() == hand.now() + 30
    hand.tick(30)
    assert meter.limits == Limits(up=1_000_000, down=1_000_000)
    assert meter.until() == hand.now() + 11 * 3600


def test_sections_of_one_endpoint_with_one_limit_share_it_and_others_do_not() -> None:
    paces = Paces(HandClock(), lambda _: False)
    one, other = S3(bandwidth=parse_bandwidth("1MB/s")), S3(bandwidth=parse_bandwidth("1MB/s"), retries=9)
    assert paces.of(one).meter is paces.of(other).meter
    assert paces.of(one).meter is not paces.of(S3()).meter
    assert paces.of(one).limiter is paces.of(S3()).limiter
    assert paces.of(one).limiter is not paces.of(S3(endpoint_url="http://other")).limiter


def test_a_limit_that_left_the_configuration_counts_no_more() -> None:
    paces, before, after = Paces(HandClock(), lambda _: False), parse_bandwidth("1MB/s"), parse_bandwidth("9MB/s")
    paces.keep(Config(pairs=(pair_with(before),)))
    paces.keep(Config(pairs=(pair_with(after),)))
    assert [meter.table for _, meter in paces.meters()] == [after]
    paces.keep(Config())
    assert paces.meters() == []


def pair_with(bandwidth: Timetable) -> Pair:
    return Pair(name="p", local=Path("/p"), bucket="b", prefix="", s3=S3(bandwidth=bandwidth))


def test_under_a_limit_no_more_transfers_run_than_it_can_feed() -> None:
    paces = Paces(HandClock(), lambda _: False)
    assert paces.most(128) == 128
    paces.of(S3(bandwidth=parse_bandwidth("up 4MiB/s")))
    assert paces.most(128) == 16
    paces.of(S3(bandwidth=parse_bandwidth("10KB/s")))
    assert paces.most(128) == FEWEST
