"""A large object comes in ranges: whole, verified, of one version, and with room for all of it or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from support.processes import eventually
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.crew import Crew
from syncd.engine.download import download
from syncd.engine.ranged import InOrder
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.local.digest import Digester
from syncd.ports import Absent, Capabilities, Temporary

BODY = bytes(range(256)) * 4
KEY = "p/big"


@pytest.fixture(autouse=True)
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred bytes a range, and all over two hundred come in ranges; nothing goes the short way."""
    monkeypatch.setattr("syncd.engine.arrivals.LARGEST", 0)
    monkeypatch.setattr("syncd.engine.download.LARGE", 200)
    monkeypatch.setattr("syncd.engine.ranged.RANGE", 100)


@pytest.fixture(params=[0, 3], ids=["alone", "with helpers"])
def lone(tmp_path: Path, request: pytest.FixtureRequest) -> LoneHost:
    """A bidirectional pair and one object of eleven ranges."""
    lone = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL)
    lone.host.context = replace(lone.host.context, crew=Crew(streams=1 + request.param))
    lone.bucket.plant(KEY, BODY)
    return lone


def temporaries(lone: LoneHost) -> list[Path]:
    return list((lone.host.path / ".syncd" / "tmp").iterdir())


def test_it_comes_in_ranges_and_is_the_object(lone: LoneHost) -> None:
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 11
    assert temporaries(lone) == []
    lone.run()
    assert lone.bucket.requests["put"] == 0  # what was hashed is what lies there
    assert lone.bucket.requests["get"] == 11


@pytest.mark.parametrize("size", [201, 299, 300, 301])
def test_every_size_comes_whole(lone: LoneHost, size: int) -> None:
    lone.bucket.plant(KEY, BODY[:size])
    lone.run()
    assert lone.files() == {"big": BODY[:size]}


def test_a_flipped_bit_in_one_range_is_found_and_fetched_again(lone: LoneHost) -> None:
    lone.bucket.flip_next_read(KEY)
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 22


def test_an_object_that_changes_between_two_ranges_is_never_a_mixture(lone: LoneHost) -> None:
    unproven = replace(EVERYTHING, etag_is_md5=False, stores_checksum=False)  # the ETag alone tells
    lone.bucket.capabilities, lone.host.context.endpoint.capabilities = unproven, unproven
    lone.bucket.plant(KEY, BODY)

    def other() -> None:
        lone.bucket.intervene("get", lambda: lone.bucket.plant(KEY, BODY[::-1]))

    lone.bucket.intervene("get", other)
    lone.run()
    assert lone.files() in ({}, {"big": BODY[::-1]})
    lone.run()
    assert lone.files() == {"big": BODY[::-1]}


def test_a_range_that_fails_leaves_nothing_and_the_next_pass_fetches_it(lone: LoneHost) -> None:
    lone.bucket.fail_next("get", RemoteError(RemoteKind.UNAVAILABLE, "the connection broke"))
    lone.run()
    assert (lone.files(), temporaries(lone)) == ({}, [])
    lone.run()
    assert lone.files() == {"big": BODY}


def test_where_ranges_are_not_proven_it_comes_in_one(tmp_path: Path) -> None:
    lone = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL, capabilities=replace(EVERYTHING, ranged_get=False))
    lone.bucket.plant(KEY, BODY)
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 1


SAID = {"hash-type": "sha256", "file-hash": hashlib.sha256(BODY).hexdigest()}


def only_downloads(tmp_path: Path, bucket: type[FakeObjects] = FakeObjects, said: Any = SAID) -> LoneHost:
    """Where nothing is written nothing is probed."""
    lone = lone_host(tmp_path / "root", mode=Mode.DOWNLOAD, capabilities=Capabilities(), bucket=bucket)
    lone.bucket.plant(KEY, BODY, metadata=said)
    return lone


def test_a_store_that_nobody_probed_is_asked_for_ranges(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path)
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 11


class Unranged(FakeObjects):
    """It will not give a part of an object."""

    error: Exception = RemoteError(RemoteKind.CORRUPT, "the store ignored the range that was asked for")
    ranges = 0

    @contextmanager
    def get(self, key: str, **words: Any) -> Iterator[Any]:
        if words.get("length") is not None:
            self.ranges += 1
            raise self.error
        with super().get(key, **words) as body:
            yield body


class Refusing(Unranged):
    """And says so."""

    error = RemoteError(RemoteKind.REJECTED, "no ranges here")


class Vague(Unranged):
    """It has another ETag for what is only a part."""

    error = Stale(KEY)


class Blind(FakeObjects):
    """Its objects may be read, and not looked at."""

    def head(self, key: str) -> Any:
        raise RemoteError(RemoteKind.DENIED, "403")


class Unavailable(Unranged):
    """Or there is another reason."""

    error = RemoteError(RemoteKind.UNAVAILABLE, "not now")


@pytest.mark.parametrize("bucket", [Unranged, Refusing, Vague, Blind])
def test_an_object_comes_whole_where_no_range_is_given(tmp_path: Path, bucket: type[FakeObjects]) -> None:
    lone = only_downloads(tmp_path, bucket)
    lone.run()
    assert (lone.files(), temporaries(lone)) == ({"big": BODY}, [])
    assert lone.bucket.requests["get"] == 1


def test_a_store_that_gave_no_range_is_not_asked_again(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path, Unranged)
    lone.bucket.plant("p/other", BODY, metadata=SAID)
    lone.host.context = replace(lone.host.context, crew=Crew(streams=1))
    lone.run()
    assert lone.files() == {"big": BODY, "other": BODY}
    assert cast(Unranged, lone.bucket).ranges == 1


def test_a_store_that_gave_nothing_at_all_is_asked_for_ranges_the_next_time(tmp_path: Path) -> None:
    """Keys that ran out deny a look and a read alike: that tells nothing of ranges."""
    lone = only_downloads(tmp_path)
    for call in ("head", "get"):
        lone.bucket.fail_next(call, RemoteError(RemoteKind.DENIED, "403"))
    lone.run()
    assert lone.files() == {}
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 1 + 11


def test_all_tries_are_left_to_an_object_that_comes_whole(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path, Unranged)
    lone.bucket.flip_next_read(KEY)
    lone.bucket.flip_next_read(KEY)
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 3


def test_a_store_that_is_not_there_is_not_asked_for_the_whole_instead(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path, Unavailable)
    lone.run()
    assert lone.bucket.requests["get"] == 0


def test_a_stop_within_a_range_asks_for_nothing_more(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path)
    lone.host.context = replace(lone.host.context, crew=Crew(streams=1))
    lone.bucket.intervene("get", lone.host.context.stop.abandon)  # type: ignore[attr-defined]  # the real token
    lone.run()
    assert lone.bucket.requests["get"] == 1
    assert lone.files() == {}


class Elsewhere(FakeObjects):
    """Its ranges begin at the wrong place."""

    @contextmanager
    def get(self, key: str, **words: Any) -> Iterator[Any]:
        if words.get("start"):
            words["start"] -= 1
        with super().get(key, **words) as body:
            yield body


def test_ranges_that_nobody_probed_and_that_are_not_the_object_are_followed_by_the_whole(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path, Elsewhere)
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 12


def test_where_nothing_is_said_of_the_whole_no_range_is_believed_that_nobody_probed(tmp_path: Path) -> None:
    lone = only_downloads(tmp_path, Elsewhere, {})
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 1


@pytest.mark.parametrize("in_ranges", [True, False], ids=["in ranges", "in one"])
@pytest.mark.parametrize("told", [500, len(BODY) + 500], ids=["less", "more"])
def test_an_answer_of_another_size_than_the_listed_one_is_stale_though_its_metadata_lies_alike(
    tmp_path: Path, in_ranges: bool, told: int
) -> None:
    """Whoever cuts an object on its way may write fitting metadata beside it; the listing knows how large it is."""
    unproven = replace(EVERYTHING, etag_is_md5=False, stores_checksum=False, ranged_get=in_ranges)
    lone = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL, capabilities=unproven)
    body = (BODY * 2)[:told]
    lies = {"file-size": str(told), "hash-type": "sha256", "file-hash": hashlib.sha256(body).hexdigest()}
    etag = lone.bucket.plant(KEY, BODY, metadata=lies)
    lone.bucket.rot(KEY, body)
    context = lone.host.context
    with pytest.raises(Stale, match=f"the listing has {len(BODY)} bytes, the answer {told}"):
        download(context, RelPath("big"), KEY, etag, expect=Absent(), size=len(BODY))
    assert (lone.files(), temporaries(lone)) == ({}, [])
    assert lone.bucket.requests["get"] == (0 if in_ranges else 1)
    download(context, RelPath("big"), KEY, etag, expect=Absent(), size=told)
    assert lone.files() == {"big": body}


class Backwards(FakeObjects):
    """The first range arrives last."""

    arrived = 0

    @contextmanager
    def get(self, key: str, **words: Any) -> Iterator[Any]:
        with super().get(key, **words) as body:
            if words["start"] == 0:
                eventually(lambda: self.arrived >= 3, within=60, what="the others arrive first")
            yield body
        self.arrived += 1


def test_ranges_that_come_before_their_turn_are_hashed_in_order(tmp_path: Path) -> None:
    lone = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL, bucket=Backwards)
    lone.host.context = replace(lone.host.context, crew=Crew(streams=2))
    lone.bucket.plant(KEY, BODY)
    lone.run()
    assert lone.files() == {"big": BODY}
    assert lone.bucket.requests["get"] == 11  # one go: its hash was right
    lone.run()
    assert lone.bucket.requests["put"] == 0


class Pages:
    """What was written, as a file's pages give it back."""

    def read_at(self, buffer: memoryview, offset: int) -> int:
        count = min(len(buffer), 7)
        buffer[:count] = BODY[offset : offset + count]
        return count


@given(st.randoms(use_true_random=False), st.integers(min_value=201, max_value=len(BODY)))
@settings(max_examples=200)
def test_whatever_the_order_in_which_ranges_begin_and_end_the_hash_is_that_of_the_whole(
    random: Random, size: int
) -> None:
    digester = Digester({"sha256"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncd.engine.ranged.RANGE", 100)
        hashing = InOrder(digester, cast(Temporary, Pages()), size)
        waiting = list(range(-(-size // 100)))
        running: dict[int, bool] = {}
        while waiting or running:
            if waiting and (not running or (len(running) < 4 and random.random() < 0.5)):
                index = waiting.pop(0)
                running[index] = hashing.begin(index)
            else:
                index = random.choice(sorted(running))
                turn = running.pop(index)
                if turn:
                    hashing.take(BODY[index * 100 : min((index + 1) * 100, size)])
                hashing.end(index, turn=turn)
    assert digester.result().sha256 == hashlib.sha256(BODY[:size]).digest()
