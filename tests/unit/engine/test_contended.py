"""A path that somebody else writes faster than we look: three looks in a pass, then it waits for the next one."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from support.lone_host import LoneHost, lone_host
from syncd.core.model import ConflictPolicy, KeepVersions, Mode

KEY = "p/a.log"


def raced(tmp_path: Path) -> LoneHost:
    """A host whose edit meets another edit on S3 right before each of its writes."""
    host = lone_host(
        tmp_path / "root", mode=Mode.BIDIRECTIONAL, conflict=ConflictPolicy.LOCAL, keep_versions=KeepVersions.ALL
    )
    host.write("a.log", b"agreed")
    host.run()
    host.write("a.log", b"edited here")
    return host


def test_a_path_is_looked_at_three_times_in_a_pass_and_then_shown_as_contended(tmp_path: Path) -> None:
    host, numbers = raced(tmp_path), count()

    def rival() -> None:
        host.bucket.plant(KEY, b"edited there %d" % next(numbers))
        host.bucket.intervene("put", rival)

    host.bucket.intervene("put", rival)
    before = host.bucket.requests["put"]
    report = host.run().report
    assert host.bucket.requests["put"] - before == 3
    (waiting,) = host.host.backlog.snapshot()
    assert (waiting.path, waiting.state) == ("a.log", "contended")
    assert report.errors == 0, "a lost race is no error"
    assert host.files() == {"a.log": b"edited here"}


def test_once_the_rival_rests_the_next_pass_settles_it_and_every_version_is_kept(tmp_path: Path) -> None:
    host, numbers = raced(tmp_path), count()

    def rival() -> None:
        if (number := next(numbers)) < 3:
            host.bucket.plant(KEY, b"edited there %d" % number)
            host.bucket.intervene("put", rival)

    host.bucket.intervene("put", rival)
    host.run()
    host.run()
    assert host.host.backlog.snapshot() == ()
    kept = set(host.bucket.contents().values()) | set(host.host.everything().values())
    assert {b"agreed", b"edited here", b"edited there 2"} <= kept
    assert host.objects()["a.log"] == b"edited here"
