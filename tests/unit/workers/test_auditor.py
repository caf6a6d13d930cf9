"""The rolling audit under a clock that tests move: in its period it reads everything, and what it finds stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.recorded import HandClock
from support.small_section import SmallSection, small_section
from syncd import events
from syncd.core.model import LocalState, Mode, ProofKind, Record
from syncd.core.paths import RelPath
from syncd.errors import RemoteError, RemoteKind
from syncd.lifecycle.stop import Stop
from syncd.ports import Commit
from syncd.workers.auditor import Auditor

PERIOD = timedelta(days=30)
DAY_S = 86400.0
LONG_AGO_NS = 1_700_000_000_000_000_000


@dataclass
class Desk:
    """A pair with its auditor, and the clock that both the round and the rests go by."""

    small: SmallSection
    clock: HandClock
    auditor: Auditor
    busy: list[bool] = field(default_factory=lambda: [False])

    def restart(self) -> None:
        """As the daemon does: another worker on the same database."""
        self.auditor = Auditor(
            self.small.section,
            self.small.database.audits("logs"),
            busy=lambda: self.busy[0],
            stop=self.small.stop.child(),
            events=self.small.said,
            clock=self.clock,
        )

    def step(self) -> float:
        delay = self.auditor.run_once(frozenset(), {})
        assert delay is not None
        return delay

    def go(self, days: float) -> None:
        """Let that time pass, with a round whenever one is asked for."""
        until = self.clock.now() + days * DAY_S
        while self.clock.now() < until:
            self.clock.tick(max(self.step(), 0.5))

    def record(self, path: str) -> Record:
        found = self.small.section.open().records.get(RelPath(path))
        assert found is not None
        return found

    @property
    def differed(self) -> dict[str, str]:
        return {str(row["path"]): str(row["reason"]) for row in self.small.said.of(events.AUDIT_DIFFERED)}


@contextmanager
def desk(folder: Path, **settings: Any) -> Iterator[Desk]:
    with small_section(folder, **{"mode": Mode.UPLOAD, "audit": PERIOD, **settings}) as small:
        made = Desk(small=small, clock=HandClock(2_000_000_000.0), auditor=None)  # type: ignore[arg-type]
        made.restart()
        yield made


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as made:
        yield made


def sent(desk: Desk, **files: bytes) -> None:
    for name, body in files.items():
        os.utime(desk.small.write(name, body), ns=(LONG_AGO_NS, LONG_AGO_NS))
    desk.small.section.run_pass()


def rotten_here(desk: Desk, path: str, body: bytes) -> None:
    """Other bytes under the recorded stat. The record takes the ctime, which nothing can set back."""
    file = desk.small.root / path
    file.write_bytes(body)
    os.utime(file, ns=(LONG_AGO_NS, LONG_AGO_NS))
    context = desk.small.section.open()
    stat = context.tree.lstat(RelPath(path))
    assert stat is not None
    hidden = replace(desk.record(path), stat=stat, looked_ns=stat.ctime_ns + 10**10)
    context.records.commit(Commit(path=RelPath(path), put=hidden)).result()


def test_everything_is_read_once_in_the_period_and_evenly(audited: Desk) -> None:
    sent(audited, **{f"{number:02}": b"x" * 100 for number in range(20)})
    reads = audited.small.bucket.requests
    reads.clear()
    audited.go(15)
    assert 8 <= reads["get"] <= 12
    audited.go(14)
    assert reads["get"] >= 20
    finished = audited.small.said.of(events.AUDIT_FINISHED)
    assert [(row["files"], row["differences"]) for row in finished] == [(20, 0)]
    assert audited.small.section.audit.finished_at is not None


def test_a_large_file_takes_its_share_of_the_time(audited: Desk) -> None:
    sent(audited, a=b"x" * 100_000, b=b"x", c=b"x", d=b"x")
    audited.step()
    assert audited.small.section.audit.done_share == pytest.approx((1 / 4 + 100_000 / 100_003) / 2)


def test_a_restart_goes_on_at_the_cursor(audited: Desk) -> None:
    sent(audited, **{f"{number:02}": b"x" for number in range(20)})
    audited.go(10)
    reads = audited.small.bucket.requests
    before = reads["get"]
    audited.restart()
    audited.go(18.9)
    assert reads["get"] - before <= 15
    assert len(audited.small.said.of(events.AUDIT_FINISHED)) == 1


def test_a_restart_every_hour_reads_no_more(audited: Desk) -> None:
    sent(audited, a=b"1", b=b"2", c=b"3")
    audited.small.bucket.requests.clear()
    for _ in range(24):
        audited.restart()
        audited.go(1 / 24)
    assert audited.small.bucket.requests["get"] == 1


def test_after_a_week_away_it_catches_up_without_a_rush_and_within_the_period(audited: Desk) -> None:
    sent(audited, **{f"{number:02}": b"x" for number in range(20)})
    audited.step()
    audited.clock.tick(7 * DAY_S)
    audited.small.bucket.requests.clear()
    audited.step()
    assert audited.small.bucket.requests["get"] == 1
    audited.go(22)
    assert len(audited.small.said.of(events.AUDIT_FINISHED)) == 1


def test_rot_on_s3_is_said_once_with_what_mends_it_and_takes_the_proof_back(audited: Desk) -> None:
    sent(audited, a=b"good bytes", b=b"others")
    assert audited.record("a").proof is ProofKind.CHECKSUM
    audited.small.bucket.rot("p/a", b"gOod bytes")
    audited.go(60)
    assert audited.record("a").proof is ProofKind.UNPROVEN
    assert audited.record("b").proof is ProofKind.CHECKSUM
    assert len(audited.small.said.of(events.AUDIT_DIFFERED)) == 1
    said = audited.small.said.of(events.AUDIT_DIFFERED)[0]
    assert said["path"] == "a"
    assert said["hint"] == f"put the good file there again: aws s3 cp {audited.small.root}/a s3://bucket/p/a"
    assert audited.small.section.audit.differences == 1
    assert audited.small.bucket.contents() == {"p/a": b"gOod bytes", "p/b": b"others"}


def test_a_file_whose_proof_was_refuted_is_never_cleaned(tmp_path: Path) -> None:
    with desk(tmp_path) as audited:
        sent(audited, a=b"good bytes", b=b"others")
        audited.small.bucket.rot("p/a", b"gOod bytes")
        audited.go(29)
        audited.small.section.reconfigure(replace(audited.small.section.pair, cleanup=True))
        audited.small.bucket.requests.clear()
        for _ in range(4):
            audited.small.section.run_pass()
        assert (audited.small.root / "a").read_bytes() == b"good bytes"
        assert not (audited.small.root / "b").exists()
        assert audited.small.bucket.requests["get"] == 0, "nor is it read again each pass"


def test_a_staged_file_whose_object_rots_comes_back(tmp_path: Path) -> None:
    with desk(tmp_path, cleanup=True) as audited:
        sent(audited, a=b"good bytes")
        audited.small.section.run_pass()
        assert audited.record("a").local is LocalState.CLEANING
        audited.small.bucket.rot("p/a", b"gOod bytes")
        audited.go(1)
        assert audited.differed.keys() == {"a"}
        for _ in range(3):
            audited.small.section.run_pass()
        assert (audited.small.root / "a").read_bytes() == b"good bytes"


def test_rot_here_is_said_and_never_goes_up_over_the_good_object(audited: Desk) -> None:
    sent(audited, a=b"good bytes")
    rotten_here(audited, "a", b"gOod bytes")
    audited.go(29)
    assert list(audited.differed) == ["a"]
    assert audited.differed["a"].startswith("the local file has other bytes")
    audited.small.section.reconfigure(replace(audited.small.section.pair, cleanup=True))
    for _ in range(3):
        audited.small.section.run_pass()
    assert audited.small.bucket.contents() == {"p/a": b"good bytes"}
    assert (audited.small.root / "a").exists()


def test_rot_of_a_cleaned_file_is_the_loudest(tmp_path: Path) -> None:
    with desk(tmp_path, cleanup=True) as audited:
        sent(audited, a=b"good bytes")
        for _ in range(3):
            audited.small.section.run_pass()
        assert audited.record("a").local is LocalState.CLEANED
        audited.small.bucket.rot("p/a", b"gOod bytes")
        audited.go(1)
        assert "this host has no good copy" in audited.differed["a"]


def test_what_was_mended_is_a_difference_no_more_and_may_be_proven_again(audited: Desk) -> None:
    sent(audited, a=b"good bytes")
    audited.small.bucket.rot("p/a", b"gOod bytes")
    audited.go(1)
    assert audited.small.section.audit.differences == 1
    headers = audited.small.bucket.live("p/a")
    assert headers is not None
    audited.small.bucket.plant("p/a", b"good bytes", metadata=headers.headers.metadata)
    os.utime(audited.small.root / "a")
    audited.small.section.run_pass()
    audited.go(0.1)
    assert audited.small.section.audit.differences == 0
    assert audited.record("a").proof is ProofKind.NONE


def test_bytes_that_the_way_spoilt_once_are_no_finding(audited: Desk) -> None:
    sent(audited, a=b"good bytes")
    audited.small.bucket.flip_next_read("p/a", times=2)  # both reads of one look
    audited.go(29)
    assert not audited.differed
    assert audited.record("a").proof is ProofKind.CHECKSUM


def test_a_change_that_a_pass_will_take_is_none_of_its_business(audited: Desk) -> None:
    sent(audited, a=b"one", b=b"two", c=b"three")
    audited.small.write("a", b"uno")
    audited.small.bucket.plant("p/b", b"zwo")
    audited.small.bucket.take_away("p/c")
    audited.go(29)
    assert not audited.differed
    assert audited.small.section.audit.differences == 0


def test_it_gives_way_to_transfers_until_it_is_late(tmp_path: Path) -> None:
    with desk(tmp_path, audit=timedelta(hours=1)) as audited:
        sent(audited, **{f"{number:02}": b"x" for number in range(20)})
        audited.busy[0] = True
        audited.small.bucket.requests.clear()
        audited.go(2 / 1440)
        assert audited.small.bucket.requests["get"] == 0
        audited.go(55 / 1440)
        assert audited.small.bucket.requests["get"] >= 15


@pytest.mark.parametrize("state", ["halted", "unreachable", "auth-expired", "draining"])
def test_it_rests_while_the_pair_does(audited: Desk, state: str) -> None:
    sent(audited, a=b"x")
    audited.small.section.state = state
    audited.small.bucket.requests.clear()
    audited.go(2)
    assert not audited.small.bucket.requests


def test_it_rests_while_paused(audited: Desk) -> None:
    sent(audited, a=b"x")
    audited.small.section.pause(float("inf"))
    audited.small.section.state = "scanning"  # a pass that a person forced all the same
    audited.small.bucket.requests.clear()
    audited.go(2)
    assert not audited.small.bucket.requests


def test_an_endpoint_that_is_away_costs_no_file_its_turn(audited: Desk) -> None:
    sent(audited, **{f"{number:02}": b"x" for number in range(5)})
    audited.small.bucket.down = RemoteError(RemoteKind.UNAVAILABLE, "away")
    audited.go(3)
    audited.small.bucket.down = None
    audited.small.bucket.requests.clear()
    audited.go(25)
    assert audited.small.bucket.requests["get"] == 5


def test_off_is_off(tmp_path: Path) -> None:
    with desk(tmp_path, audit=None) as audited:
        sent(audited, a=b"x")
        audited.small.bucket.requests.clear()
        assert audited.auditor.run_once(frozenset(), {}) is None
        assert not audited.small.bucket.requests
        assert audited.small.section.audit.period_s is None


def test_an_empty_pair_costs_nothing_and_has_no_age(audited: Desk) -> None:
    audited.small.section.run_pass()
    audited.go(0.1)
    assert audited.small.section.audit.finished_at is None
    assert not audited.small.said.of(events.AUDIT_FINISHED)


def test_a_pair_that_fills_up_during_a_round_is_not_read_in_a_rush(audited: Desk) -> None:
    sent(audited, a=b"x")
    audited.step()
    sent(audited, **{f"b{number:02}": b"x" for number in range(50)})
    audited.small.bucket.requests.clear()
    audited.go(3)
    assert audited.small.bucket.requests["get"] <= 8


def test_a_stop_ends_it_in_the_middle_of_an_object(audited: Desk) -> None:
    sent(audited, a=b"x" * 1_000_000)
    stop = audited.auditor.stop
    assert isinstance(stop, Stop)
    audited.small.bucket.intervene("get", stop.drain)
    audited.step()
    assert audited.small.section.audit.done_share == 0.0
