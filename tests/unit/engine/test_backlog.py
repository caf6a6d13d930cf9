"""What is not yet safe on the other side stays known until it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.lone_host import LoneHost, lone_host
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.errors import RemoteError, RemoteKind

PATH = RelPath("big")


@pytest.fixture
def host(tmp_path: Path) -> LoneHost:
    return lone_host(tmp_path / "root", mode=Mode.UPLOAD)


def waiting(host: LoneHost) -> dict[str, str]:
    return {each.path: each.state for each in host.host.backlog.snapshot()}


def test_a_file_that_the_hot_path_has_in_its_hands_keeps_its_place_over_a_whole_pass(host: LoneHost) -> None:
    host.write(PATH, b"x" * 100)
    assert host.host.context.claims.take(PATH)
    host.host.backlog.note(PATH, 100, host.clock.now(), "queued")
    since = host.host.backlog.snapshot()[0].since
    for _ in range(2):
        report = host.run().report
        assert (report.waiting, waiting(host)) == (1, {PATH: "queued"})
    assert host.host.backlog.snapshot()[0].since == since
    host.host.context.claims.release(PATH)
    host.run()
    assert (waiting(host), host.objects()) == ({}, {PATH: b"x" * 100})


def test_a_file_that_went_leaves_with_the_next_whole_pass(host: LoneHost) -> None:
    host.host.backlog.note(PATH, 100, host.clock.now(), "queued")
    host.run()
    assert waiting(host) == {}


def test_all_of_more_than_a_thousand_failed_files_stay(host: LoneHost) -> None:
    for number in range(1200):
        host.write(f"f{number:04}", b"%d" % number)
    for _ in range(2):
        host.bucket.fail_next("put", RemoteError(RemoteKind.REJECTED, "no"), times=1200)
        assert host.run().report.errors == 1200
        assert waiting(host) == {f"f{number:04}": "failed" for number in range(1200)}
    host.run()
    assert waiting(host) == {}


def test_a_clock_that_steps_back_during_a_pass_takes_nothing_off(host: LoneHost) -> None:
    host.write("fails", b"1")

    def step_back() -> None:
        host.clock.seconds -= 86400
        raise RemoteError(RemoteKind.REJECTED, "no")

    host.bucket.intervene("put", step_back)
    host.run()
    assert waiting(host) == {"fails": "failed"}


def test_a_dry_pass_keeps_nobody_off_a_path(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL)
    host.write(PATH, b"ours")
    host.bucket.plant(f"p/{PATH}", b"theirs")
    free = []
    host.bucket.intervene("head", lambda: free.append(host.host.free(PATH)))
    host.host.run_pass(dry=True)
    assert free == [True]


def test_a_dry_pass_looks_at_a_path_that_another_has_in_its_hands(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD)
    host.write(PATH, b"ours")
    assert host.host.context.claims.take(PATH)
    assert host.host.run_pass(dry=True).steps == [(PATH, "upload.new")]


def test_a_dry_pass_that_meets_failures_leaves_no_history_of_them(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.BIDIRECTIONAL)
    host.write(PATH, b"ours")
    host.bucket.plant(f"p/{PATH}", b"theirs")
    host.bucket.fail_next("head", RemoteError(RemoteKind.REJECTED, "no"))
    before = host.host.records.commits
    report = host.host.run_pass(dry=True).report
    assert report.errors == 1
    assert (host.host.records.history, host.host.records.commits) == ([], before)
