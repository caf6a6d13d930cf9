"""The root's marker before a batch of removals: ahead of us, or not to be written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.lone_host import LoneHost, lone_host
from support.model_fuse import Trouble
from support.recorded import KeptEvents
from syncd import events
from syncd.core.model import Deletes, Mode
from syncd.core.paths import RelPath
from syncd.errors import ItemError, PairHalted


@pytest.fixture
def in_step(tmp_path: Path) -> LoneHost:
    """Two files on both sides; deletions propagate."""
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, deletes=Deletes.PROPAGATE)
    host.write("a", b"a")
    host.write("b", b"b")
    host.run()
    return host


def generation(host: LoneHost) -> int:
    marker = host.host.root.marker()
    assert marker is not None
    return marker.generation


def worked_on_by_another(host: LoneHost) -> None:
    """A second daemon, with a state folder of its own, has removed something in this root."""
    marker = host.host.root.marker()
    assert marker is not None
    host.host.root.write_marker(replace(marker, generation=50))


def test_a_marker_that_is_ahead_halts_removals_and_is_never_written_back_lower(in_step: LoneHost) -> None:
    worked_on_by_another(in_step)
    (in_step.host.path / "a").unlink()
    in_step.write("new", b"new")
    for _ in range(2):
        with pytest.raises(PairHalted, match="another syncd"):
            in_step.run()
        assert generation(in_step) == 50
    assert in_step.objects() == {"a": b"a", "b": b"b", "new": b"new"}


def test_a_marker_that_is_ahead_halts_deletions_that_come_down_too(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", deletes=Deletes.PROPAGATE)
    host.write("a", b"a")
    host.write("b", b"b")
    host.run()
    worked_on_by_another(host)
    host.bucket.take_away("p/a")
    with pytest.raises(PairHalted):
        host.run()
    assert host.files() == {"a": b"a", "b": b"b"}
    assert generation(host) == 50


def test_without_removals_a_marker_that_is_ahead_is_nobody_s_concern(in_step: LoneHost) -> None:
    worked_on_by_another(in_step)
    in_step.write("a", b"edited")
    in_step.run()
    assert in_step.objects()["a"] == b"edited"


def test_after_a_restart_both_sides_are_united(in_step: LoneHost) -> None:
    worked_on_by_another(in_step)
    (in_step.host.path / "a").unlink()
    in_step.host.restart()
    in_step.run()
    assert in_step.objects() == {"a": b"a", "b": b"b"}
    in_step.host.pair = replace(in_step.host.pair, mode=Mode.BIDIRECTIONAL)
    in_step.host.restart()
    in_step.run()
    assert in_step.files() == {"a": b"a", "b": b"b"}


def test_a_disk_too_full_for_the_marker_removes_nothing_and_uploads_go_on(in_step: LoneHost) -> None:
    said = KeptEvents()
    in_step.host.context = replace(in_step.host.context, events=said)
    before = generation(in_step)
    (in_step.host.path / "a").unlink()
    in_step.write("b", b"edited")
    in_step.write("new", b"new")

    def full() -> None:
        raise ItemError(".syncd/tmp", "No space left on device")

    in_step.host.fuse.arm(Trouble(frozenset({"write_marker"}), 1, True, full))
    report = in_step.run().report
    assert not report.halted_plan
    assert in_step.objects() == {"a": b"a", "b": b"edited", "new": b"new"}
    assert said.names().count(events.PAIR_DEGRADED) == 1
    assert generation(in_step) == before
    in_step.run()
    assert in_step.objects() == {"b": b"edited", "new": b"new"}
    assert generation(in_step) > before


def test_a_disk_too_full_for_the_marker_stages_nothing_either(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, cleanup=True)
    host.write("a", b"a")
    host.run()

    def full() -> None:
        raise ItemError(".syncd/tmp", "No space left on device")

    host.host.fuse.arm(Trouble(frozenset({"write_marker"}), 1, True, full))
    host.run()
    assert host.files() == {"a": b"a"}
    assert host.host.root.staged(RelPath("a")) is None
