"""force-sync --wait says ok only when what was there at the call is on the other side. Real threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.processes import eventually
from support.recorded import HandClock
from support.small_section import WITHIN, Gate, SmallSection, small_section
from syncd.config.types import MaxDelete
from syncd.core.model import Deletes, Mode
from syncd.core.paths import RelPath
from syncd.errors import ItemError, RemoteError, RemoteKind
from syncd.ports import ListPage
from syncd.workers.progress import Progress
from syncd.workers.reconciler import LOST_EVENTS
from syncwire.exits import Exit


class Listed(FakeObjects):
    """A bucket whose next listing does something first: waits, fails, or runs into a bug of ours."""

    before: Callable[[], object] | None = None

    def list(self, prefix: str) -> Iterator[ListPage]:
        before, self.before = self.before, None
        if before is not None:
            before()
        yield from super().list(prefix)


def failing(error: Exception) -> Callable[[], object]:
    def fail() -> None:
        raise error

    return fail


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallSection]:
    """An upload pair on such a bucket."""
    with small_section(tmp_path, bucket=Listed(), mode=Mode.UPLOAD) as made:
        yield made


def held_at_listing(small: SmallSection) -> Gate:
    """The reconciler runs, and its pass has come to the listing."""
    assert isinstance(small.bucket, Listed)
    gate = Gate()
    small.bucket.before = gate.pass_through
    if not small.reconciler.alive:
        small.reconciler.start()
    assert gate.reached.wait(WITHIN)
    return gate


def waiting(small: SmallSection, path: str | None = None) -> Callable[[], int]:
    """A call of force-sync that waits by now; call it for the exit code."""
    asked = small.force_sync(path)
    assert asked.waits.wait(WITHIN)
    return lambda: int(asked.answered()["exit_code"])


def test_a_whole_pass_that_brings_all_up_answers_ok(small: SmallSection) -> None:
    small.write("a", b"a")
    small.reconciler.start()
    assert waiting(small)() == Exit.OK
    assert small.objects() == {"a": b"a"}


def test_a_stop_before_the_asked_pass_begins_answers_at_once_and_not_ok(small: SmallSection) -> None:
    gate = held_at_listing(small)
    code = waiting(small)
    small.write("a", b"a")
    small.drain()
    gate.opened.set()
    assert code() == Exit.TEMPORARY
    assert small.objects() == {}


def test_a_stop_in_the_middle_of_the_asked_pass_is_not_ok(small: SmallSection) -> None:
    small.write("a", b"a")
    assert isinstance(small.bucket, Listed)
    gate = Gate()
    small.bucket.before = gate.pass_through
    code = small.force_sync()
    small.reconciler.start()
    assert gate.reached.wait(WITHIN)
    small.drain()
    gate.opened.set()
    assert code.answered()["exit_code"] != Exit.OK
    assert small.section.last_success_at is None


def test_a_pass_whose_transfers_were_stopped_is_not_ok_though_the_worker_runs_on(small: SmallSection) -> None:
    gate = held_at_listing(small)
    small.write("a", b"a")
    code = waiting(small)
    small.transfers_stop.drain()
    gate.opened.set()
    assert code() == Exit.FAILED


@pytest.mark.parametrize("error", [ValueError("a bug"), ItemError("a", "the disk is full")])
def test_a_pass_that_crashed_is_not_ok(small: SmallSection, error: Exception) -> None:
    gate = held_at_listing(small)
    small.write("a", b"a")
    code = waiting(small)
    assert isinstance(small.bucket, Listed)
    small.bucket.before = failing(error)
    gate.opened.set()
    assert code() == Exit.FAILED
    assert small.objects() == {}


def test_a_pass_that_failed_without_an_outage_is_told_as_failed_and_the_next_is_ok(small: SmallSection) -> None:
    small.bucket.fail_next("list", RemoteError(RemoteKind.CORRUPT, "the listing is out of order"))
    code = small.force_sync()
    small.reconciler.start()
    assert code.answered()["exit_code"] == Exit.FAILED
    assert waiting(small)() == Exit.OK


def test_one_large_file_that_takes_hours_is_no_silence(small: SmallSection) -> None:
    """Silence withholds the watchdog's ping: the service would be killed in the middle of every large file."""
    hand = HandClock()
    small.reconciler.progress = Progress(hand, small.reconciler.deadline)
    small.write("large", b"a lot")
    gate = Gate()
    small.bucket.intervene("put", gate.pass_through)
    small.reconciler.start()
    assert gate.reached.wait(WITHIN)
    hand.tick(3600)
    assert not small.reconciler.silent
    assert small.reconciler.health().waiting_on
    gate.opened.set()
    assert waiting(small)() == Exit.OK


# --- what is asked while a pass runs ------------------------------------------------------------------------


def held_at_put(small: SmallSection, path: str) -> Gate:
    """The reconciler runs, and its pass, which has seen the root's names, has come to the PUT of that file."""
    small.write(path, b"x")
    gate = Gate()
    small.bucket.intervene("put", gate.pass_through)
    small.reconciler.start()
    assert gate.reached.wait(WITHIN)
    return gate


@pytest.mark.parametrize("folder_first", [True, False])
def test_a_folder_and_everything_asked_during_a_pass_run_as_everything(small: SmallSection, folder_first: bool) -> None:
    gate = held_at_put(small, "d/x")
    small.write("new", b"only copy")
    asked = [waiting(small, path) for path in (("d/x", None) if folder_first else (None, "d/x"))]
    gate.opened.set()
    assert [code() for code in asked] == [Exit.OK, Exit.OK]
    assert small.objects() == {"d/x": b"x", "new": b"only copy"}


def test_lost_events_during_a_pass_are_made_up_for_though_a_folder_is_asked_too(small: SmallSection) -> None:
    gate = held_at_put(small, "d/x")
    small.write("new", b"only copy")
    small.reconciler.wake(LOST_EVENTS)
    code = waiting(small, "d/x")
    gate.opened.set()
    assert code() == Exit.OK
    assert small.objects() == {"d/x": b"x", "new": b"only copy"}


def test_a_folder_asked_before_the_start_does_not_take_the_place_of_the_first_pass(small: SmallSection) -> None:
    small.write("d/x", b"x")
    small.write("new", b"only copy")
    code = waiting(small, "d/x")
    small.reconciler.start()
    assert code() == Exit.OK
    assert small.objects() == {"d/x": b"x", "new": b"only copy"}


def test_a_folder_alone_is_a_pass_over_that_folder(small: SmallSection) -> None:
    small.reconciler.start()
    assert waiting(small)() == Exit.OK
    small.write("d/x", b"x")
    small.write("new", b"new")
    assert waiting(small, "d/x")() == Exit.OK
    assert small.objects() == {"d/x": b"x"}


def test_folders_asked_for_again_and_again_do_not_put_off_the_whole_pass(small: SmallSection) -> None:
    whole = small.reconciler.run_once(frozenset({"start"}), {})
    assert whole is not None
    assert small.section.next_pass_at is not None
    due = small.section.next_pass_at
    for _ in range(3):
        small.write("d/x", b"x")
        small.reconciler.run_once(frozenset({"force-folder"}), {"force-folder": ("d",)})
        assert small.section.next_pass_at <= due + 0.01


# --- what is not on the other side is named -----------------------------------------------------------------


@pytest.mark.parametrize("path", [None, "shut", "shut/inner"])
def test_a_folder_that_may_not_be_read_is_named(small: SmallSection, path: str | None) -> None:
    small.write("shut/inner/x", b"x")
    small.write("fine", b"fine")
    small.shut.add("shut")
    small.reconciler.start()
    eventually(lambda: small.section.last_report is not None, within=WITHIN, what="the first pass")
    asked = small.force_sync(path)
    assert asked.answered()["exit_code"] == Exit.ITEMS_FAILED
    assert list(asked.missing) == ["shut"]
    assert "denied" in asked.missing["shut"] or "may not" in asked.missing["shut"]
    assert small.objects() == {"fine": b"fine"}
    small.shut.clear()
    assert waiting(small)() == Exit.OK
    assert small.objects() == {"fine": b"fine", "shut/inner/x": b"x"}


def test_a_new_file_at_the_place_of_a_staged_one_is_waited_for(tmp_path: Path) -> None:
    with small_section(tmp_path, mode=Mode.UPLOAD, cleanup=True) as small:
        small.write("a.log", b"the first day")
        small.section.run_pass()
        small.section.run_pass()
        assert not (small.root / "a.log").exists()
        small.write("a.log", b"the next day, the only copy")
        asked = small.force_sync()
        small.reconciler.start()
        assert asked.answered()["exit_code"] == Exit.OK
        assert small.objects() == {"a.log": b"the next day, the only copy"}


# --- a halt -------------------------------------------------------------------------------------------------


@pytest.fixture
def halted(tmp_path: Path) -> Iterator[SmallSection]:
    """Six files and a folder of two in step; more than three deletions need a person, and five are to be done."""
    limit = MaxDelete(share=None, count=3)
    with small_section(tmp_path, deletes=Deletes.PROPAGATE, max_delete=limit) as small:
        for number in range(6):
            small.write(f"f{number}", b"body %d" % number)
        small.write("d/x", b"x")
        small.write("d/y", b"y")
        small.section.run_pass()
        for number in range(4):
            (small.root / f"f{number}").unlink()
        (small.root / "d/y").unlink()
        small.section.run_pass()
        assert small.section.state == "halted"
        yield small


def test_a_pass_over_a_folder_does_not_end_the_halt_of_its_pair(halted: SmallSection) -> None:
    plan, why = halted.section.halted_plan, halted.section.last_error
    halted.write("d/new", b"new")
    halted.section.run_pass(under=RelPath("d"))
    assert (halted.section.state, halted.section.halted_plan, halted.section.last_error) == ("halted", plan, why)
    assert halted.objects()["d/new"] == b"new"


def test_a_pass_over_a_folder_removes_nothing_of_a_halted_pair(halted: SmallSection) -> None:
    """A plan that waits for a person is not carried out by instalments."""
    before = halted.objects()
    halted.write("d/x", b"edited")
    halted.section.run_pass(under=RelPath("d"))
    assert halted.objects() == before


def test_the_plan_of_a_halt_can_be_accepted_after_a_pass_over_a_folder(halted: SmallSection) -> None:
    plan = halted.section.halted_plan
    halted.section.run_pass(under=RelPath("d"))
    context = halted.section.context
    assert context is not None
    assert context.records.accept_plan(plan)
    halted.section.run_pass()
    assert halted.section.state == "idle"
    assert sorted(halted.objects()) == ["d/x", "f4", "f5"]


def test_force_sync_of_a_folder_of_a_halted_pair_answers_halted(halted: SmallSection) -> None:
    halted.reconciler.start()
    eventually(lambda: halted.section.next_pass_at is not None, within=WITHIN, what="the first pass")
    assert halted.force_sync("d/x").answered()["exit_code"] == Exit.HALTED


def test_reconfiguring_does_not_end_a_halt(halted: SmallSection) -> None:
    halted.section.reconfigure(replace(halted.section.pair, exclude=("*.tmp",)))
    halted.section.run_pass()
    assert halted.section.state == "halted"
