"""One key that fails fails alone; an endpoint that fails for one key after another ends the pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.fake_store import FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.model import Mode, ObjectFacts
from syncd.engine.breaker import STRIKES
from syncd.errors import Raced, RemoteError, RemoteKind
from syncd.ports import PutAnswer
from syncd.runtime.once import exit_of
from syncwire.exits import Exit


class Refusing(FakeObjects):
    """A bucket that refuses HEADs of some keys."""

    refused: RemoteKind | None = None

    def head(self, key: str) -> ObjectFacts | None:
        if self.refused is not None and key.startswith("p/refused"):
            raise RemoteError(self.refused, f"{key}: HEAD refused")
        return super().head(key)


@pytest.fixture
def refusing(tmp_path: Path) -> LoneHost:
    """Files of both sides without a record ask for a HEAD each; others are only here."""
    host = lone_host(tmp_path / "root", bucket=Refusing, mode=Mode.BIDIRECTIONAL)
    for number in range(5):
        host.write(f"a{number}", b"a %d" % number)
        host.write(f"z{number}", b"z %d" % number)
    return host


def refuse(host: LoneHost, kind: RemoteKind, count: int) -> None:
    assert isinstance(host.bucket, Refusing)
    host.bucket.refused = kind
    for number in range(count):
        host.bucket.plant(f"p/refused{number:02}", b"theirs")
        host.write(f"refused{number:02}", b"ours!!")


def ours(host: LoneHost) -> dict[str, bytes]:
    return {path: body for path, body in host.objects().items() if not path.startswith("refused")}


@pytest.mark.parametrize("kind", list(RemoteKind))
@pytest.mark.parametrize("count", [1, STRIKES - 1])
def test_keys_that_fail_leave_the_others_alone(refusing: LoneHost, kind: RemoteKind, count: int) -> None:
    refuse(refusing, kind, count)
    report = refusing.run().report
    assert len(ours(refusing)) == 10
    assert report.errors == count
    assert {each.step.path for each in report.unfinished} == {f"refused{number:02}" for number in range(count)}
    assert exit_of(report, None) is Exit.ITEMS_FAILED


@pytest.mark.parametrize("kind", [RemoteKind.DENIED, RemoteKind.UNAVAILABLE, RemoteKind.EXPIRED, RemoteKind.MISSING])
def test_so_many_in_a_row_end_the_pass(refusing: LoneHost, kind: RemoteKind) -> None:
    refuse(refusing, kind, STRIKES + 5)
    with pytest.raises(RemoteError) as raised:
        refusing.run()
    assert raised.value.kind is kind


def test_requests_that_the_store_will_not_take_are_the_keys_own_however_many(refusing: LoneHost) -> None:
    refuse(refusing, RemoteKind.REJECTED, STRIKES + 5)
    assert refusing.run().report.errors == STRIKES + 5
    assert len(ours(refusing)) == 10


def test_a_key_that_failed_is_tried_again_by_the_next_pass(refusing: LoneHost) -> None:
    refuse(refusing, RemoteKind.REJECTED, 1)
    refusing.run()
    assert isinstance(refusing.bucket, Refusing)
    refusing.bucket.refused = None
    assert exit_of(refusing.run().report, None) is Exit.ITEMS_FAILED  # a conflict, settled
    assert refusing.host.backlog.snapshot() == ()


def test_a_race_says_nothing_of_the_precondition(tmp_path: Path) -> None:
    """409: another request was faster. However often, the endpoint's preconditions hold."""
    host = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL)
    host.write("a", b"1")
    host.bucket.fail_next("put", Raced("409"), times=7)
    for _ in range(3):
        host.run()
    assert host.host.context.capabilities.put_if_none_match
    host.write("a", b"2")
    host.bucket.fail_next("put", Raced("409"), times=7)
    for _ in range(4):
        host.run()
    assert host.host.context.capabilities.put_if_match
    assert host.objects() == {"a": b"2"}


class Full(FakeObjects):
    """A bucket over its quota, while told so."""

    full = False
    refusals = 0

    def put(self, key: str, *args: Any, **more: Any) -> PutAnswer:
        if self.full and "/.syncd/" not in key:
            self.refusals += 1
            raise RemoteError(RemoteKind.FULL, f"{key}: the quota is used up", hint="make room")
        return super().put(key, *args, **more)


def test_a_store_that_takes_no_more_is_asked_a_few_times_and_the_rest_of_the_pass_goes_on(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", bucket=Full, mode=Mode.BIDIRECTIONAL, cleanup=True)
    bucket = host.bucket
    assert isinstance(bucket, Full)
    host.write("before", b"before")
    host.run()
    bucket.full = True
    bucket.plant("p/theirs", b"theirs")
    for number in range(100):
        host.write(f"new{number:02}", b"%d" % number)
    passes = [host.run() for _ in range(3)]
    assert bucket.refusals <= 3 * (STRIKES + 8), "so many files may be in flight when it is seen"
    assert all(each.report.errors < 20 for each in passes)
    assert {path: body for path, body in host.files().items() if not path.startswith("new")} == {"theirs": b"theirs"}
    assert len(host.files()) == 101

    bucket.full = False
    host.run()
    assert len(host.objects()) == 102
