"""layout = "buckets": what is new among listed objects goes up, and a listing that failed deletes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.model import Deletes, Mode
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import ListPage
from syncd.runtime.once import exit_of
from syncd.s3.buckets import BucketsObjects
from syncwire.exits import Exit

KEYS = [f"k{number:02}" for number in range(12)]


class Breaking(FakeObjects):
    """A bucket whose listing may break off after its first page of four."""

    breaks = False

    def list(self, prefix: str) -> Iterator[ListPage]:
        for page in super().list(prefix):
            yield page
            if self.breaks:
                raise RemoteError(RemoteKind.CORRUPT, "the listing is out of order")


class Buckets:
    """A host over two buckets."""

    def __init__(self, root: Path, **settings: object) -> None:
        self.host: LoneHost = lone_host(root, layout="buckets", **settings)
        self.host.host.pair = replace(self.host.host.pair, prefix="", bucket="")
        self.host.host.restart()
        now = self.host.clock.now
        self.one = Breaking(bucket="one", now=now, page_size=4)
        self.two = FakeObjects(bucket="two", now=now)
        made = {"one": self.one, "two": self.two}
        store = BucketsObjects(lambda: list(made), lambda name: made[name], problem=lambda *_: None)
        self.host.host.context = replace(self.host.host.context, objects=store)


@pytest.mark.parametrize("mode", [Mode.UPLOAD, Mode.BIDIRECTIONAL])
def test_a_new_file_that_sorts_between_listed_objects_goes_up_in_the_first_pass(tmp_path: Path, mode: Mode) -> None:
    buckets = Buckets(tmp_path / "root", mode=mode)
    for key in KEYS:
        buckets.one.plant(key, b"x")
    for name in ("a", "k00a", "k05a", "z"):
        buckets.host.write(f"one/{name}", b"new")
    buckets.host.run()
    assert set(buckets.one.contents()) == {*KEYS, "a", "k00a", "k05a", "z"}


@pytest.mark.parametrize("deletes", list(Deletes))
@pytest.mark.parametrize("mode", list(Mode))
def test_a_listing_that_breaks_off_never_reads_as_deletions(tmp_path: Path, mode: Mode, deletes: Deletes) -> None:
    buckets = Buckets(tmp_path / "root", mode=mode, deletes=deletes)
    for key in KEYS:
        buckets.one.plant(key, key.encode())
        if mode is Mode.UPLOAD:
            buckets.host.write(f"one/{key}", key.encode())
    buckets.host.write("two/b", b"b")
    buckets.host.run()
    buckets.host.run()
    files, objects = buckets.host.files(), buckets.one.contents()
    assert len(files) == 13
    buckets.one.breaks = True
    assert buckets.host.run().steps == []
    assert (buckets.host.files(), buckets.one.contents()) == (files, objects)
    buckets.one.breaks = False
    assert buckets.host.run().steps == []
    assert (buckets.host.files(), buckets.one.contents()) == (files, objects)


def test_a_bucket_that_could_not_be_listed_is_no_success_and_is_named(tmp_path: Path) -> None:
    buckets = Buckets(tmp_path / "root", mode=Mode.UPLOAD)
    buckets.host.write("one/z", b"the only copy")
    buckets.host.write("two/b", b"b")
    buckets.one.breaks = True
    report = buckets.host.run().report
    assert buckets.two.contents() == {"b": b"b"}
    assert exit_of(report, None) is Exit.ITEMS_FAILED
    assert {each.path: each.state for each in buckets.host.host.backlog.snapshot()} == {"one": "failed"}
    buckets.one.breaks = False
    assert exit_of(buckets.host.run().report, None) is Exit.OK
    assert buckets.one.contents() == {"z": b"the only copy"}
    assert buckets.host.host.backlog.snapshot() == ()
