"""One limiter for an endpoint: what it refuses slows every sender, and nobody waits once all is abandoned."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from support.canned import Canned, error
from support.recorded import HandClock
from syncd.config.types import S3
from syncd.errors import RemoteError
from syncd.ports import Capabilities
from syncd.s3.connect import connect
from syncd.s3.gateway import Boto3Objects
from syncd.s3.limiter import Limiter


class Sender:
    """A limiter whose waits move the clock."""

    def __init__(self) -> None:
        self.hand, self.abandoned = HandClock(), False
        self.limiter = Limiter(clock=self.hand.monotonic, rest=self.rest)

    def rest(self, seconds: float) -> bool:
        if not self.abandoned:
            self.hand.tick(seconds)
        return self.abandoned

    def send(self, count: int) -> float:
        """Let so many pass, none refused; the seconds that it took."""
        began = self.hand.now()
        for _ in range(count):
            self.limiter.before()
            self.limiter.succeeded()
        return self.hand.now() - began


def test_until_something_is_refused_nobody_waits() -> None:
    sender = Sender()
    assert sender.send(10_000) == 0.0
    assert sender.limiter.state().rate is None


def test_after_a_refusal_all_senders_go_slower_and_then_faster_again() -> None:
    sender = Sender()
    sender.limiter.throttled()
    first, second = sender.send(50), sender.send(50)
    assert first > 3.0
    assert second < first
    assert sender.limiter.state().refused == 1
    sender.hand.tick(1000)
    assert sender.send(1000) == 0.0
    assert sender.limiter.state().rate is None


def test_who_waits_is_let_go_once_all_is_abandoned() -> None:
    sender = Sender()
    sender.limiter.throttled()
    sender.abandoned = True
    assert sender.send(1000) == 0.0


@pytest.mark.parametrize(
    ("status", "code", "slower"),
    [
        (503, "SlowDown", True),
        (503, "ServiceUnavailable", True),
        (500, "InternalError", True),
        (429, "TooManyRequests", True),
        (404, "NoSuchKey", False),
        (403, "AccessDenied", False),
    ],
)
def test_a_client_of_boto3_learns_by_each_answer(status: int, code: str, slower: bool) -> None:
    sender = Sender()
    client: Any = connect(S3(endpoint_url="http://s3.test", retries=0))
    sender.limiter.attach(client)
    Canned(client).on("HeadObject", status, error(code))
    objects = Boto3Objects(client, "bucket", checksum="none", capabilities=Capabilities())
    objects._bucket_seen = True
    with suppress(RemoteError):
        objects.head("k")
    assert (sender.limiter.state().rate is not None) is slower
