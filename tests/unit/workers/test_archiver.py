"""The archiver's rounds: when it runs, when it only looks, who may ask, and how one waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from support.processes import eventually
from support.small_batch import SmallBatch, lost, no_such_bucket, small_batch
from support.small_section import WITHIN
from syncd import events
from syncd.engine.pool import Pool
from syncd.errors import Stale
from syncd.workers.archiver import FORCE, NUDGE, SECOND_PHASE_S
from syncd.workers.base import DUE

INTERVAL = timedelta(minutes=5)
MINUTE_S = 60.0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallBatch]:
    with small_batch(tmp_path, "lab-one", interval=INTERVAL) as made:
        yield made


# --- when it runs ------------------------------------------------------------------------------------------------


def test_a_run_that_took_originals_aside_is_followed_by_another_soon(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    delay = small.round()
    assert delay is not None
    assert delay <= SECOND_PHASE_S
    assert small.staged("lab-one") == 1
    small.round()
    assert small.staged("lab-one") == 0


def test_otherwise_it_looks_every_minute_and_runs_every_interval(small: SmallBatch) -> None:
    delay = small.round()
    assert delay is not None
    assert MINUTE_S - 5 < delay <= MINUTE_S
    assert small.section.next_run_at is not None
    assert small.section.next_run_at - small.clock.now() > INTERVAL.total_seconds() - 5
    runs = len(small.reports)
    small.write("lab-one/a.log")
    small.round(DUE)
    assert len(small.reports) == runs, "it is not time for a run"


def test_more_than_one_spool_full_goes_on_soon(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", spool_max=200_000, max_size=60_000, interval=INTERVAL) as small:
        for number in range(12):
            small.write(f"lab-one/{number}/f", b"x" * 50_000)
        delays = [small.round(NUDGE) for _ in range(8)]
        assert delays[0] is not None
        assert delays[0] <= SECOND_PHASE_S
        assert len(small.archives("lab-one")) == 12
        assert small.here() == []
        assert delays[-1] is not None
        assert delays[-1] > SECOND_PHASE_S


def test_enough_new_bytes_call_for_a_run_before_its_time(tmp_path: Path) -> None:
    with small_batch(
        tmp_path, "lab-one", interval=timedelta(seconds=0.05), max_size=1000, min_files=99, max_age=timedelta(hours=1)
    ) as small:
        small.write("lab-one/d/a.log", b"x" * 600)
        small.round()
        assert small.section.waiting.bytes == 600
        small.archiver._run_due = float("inf")  # as if the interval were long
        small.write("lab-one/d/b.log", b"x" * 600)
        small.stop.wait(0.1)
        small.round(DUE)
        assert len(small.reports) == 1, "600 bytes came since: no archive is full"
        small.write("lab-one/d/c.log", b"x" * 600)
        small.stop.wait(0.1)
        small.round(DUE)
        assert len(small.reports) == 2
        assert small.archives("lab-one") != []


def test_what_the_last_run_left_calls_for_no_run_by_itself(tmp_path: Path) -> None:
    with small_batch(
        tmp_path, "lab-one", interval=timedelta(seconds=0.05), max_size=1000, min_files=99, max_age=timedelta(hours=1)
    ) as small:
        for folder in "abcd":
            small.write(f"lab-one/{folder}/a.log", b"x" * 600)
        small.round()
        assert small.section.waiting.bytes == 2400
        small.archiver._run_due = float("inf")
        for _ in range(3):
            small.stop.wait(0.06)
            small.round(DUE)
        assert len(small.reports) == 1


def test_a_failed_run_is_tried_again_soon_then_less_often(small: SmallBatch) -> None:
    small.endpoint.fail(lost())
    waits = []
    for _ in range(7):
        small.round(NUDGE)
        assert small.section.next_run_at is not None
        waits.append(round(small.section.next_run_at - small.clock.now()))
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert small.archiver.failed
    small.endpoint.mend()
    small.round(NUDGE)
    assert not small.archiver.failed


def test_while_it_is_paused_it_only_looks_unless_somebody_forces_it(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.section.pause(small.clock.now() + 3600)
    delay = small.round(NUDGE)
    assert delay is not None
    assert delay <= MINUTE_S
    assert small.reports == []
    assert small.section.waiting.files == 1
    assert small.section.state == "paused"
    small.round(FORCE)
    assert small.archives("lab-one") == [""]
    assert small.section.state == "paused"


def test_a_pause_that_is_over_is_over(small: SmallBatch) -> None:
    small.section.pause(small.clock.now() - 1)
    small.write("lab-one/a.log")
    small.round(NUDGE)
    assert small.archives("lab-one") == [""]
    assert small.section.state == "idle"


def test_who_forces_it_waits_for_no_min_files(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", min_files=20, max_age=timedelta(hours=1)) as small:
        small.write("lab-one/a.log")
        small.round()
        assert small.here() == ["lab-one/a.log"]
        assert small.section.run().counts["waiting"] == 1
        small.round(FORCE)
        assert small.here() == []


def test_each_run_is_one_line_of_the_log(small: SmallBatch) -> None:
    small.write("lab-one/a.log", b"12345")
    small.write("lab-one/b.log", b"12345")
    small.round()
    (line,) = small.said.of(events.CYCLE_FINISHED)
    counts = {name: line[name] for name in ("archives", "archived", "bytes_up", "cleaned", "errors", "waiting")}
    assert counts == {"archives": 1, "archived": 2, "bytes_up": 10, "cleaned": 0, "errors": 0, "waiting": 0}


def test_a_crash_in_a_run_is_no_success(small: SmallBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object, **__: object) -> object:
        raise ValueError("a bug")

    monkeypatch.setattr(type(small.section), "run", crash)
    ticket = small.archiver.ask()
    small.archiver.start()
    assert small.archiver.wait_for(ticket, WITHIN)
    eventually(lambda: small.archiver.crashed, within=WITHIN, what="no crash")
    assert small.archiver.failed
    assert small.section.last_run_failed


def test_it_stops_at_once_between_runs(small: SmallBatch) -> None:
    small.archiver.start()
    eventually(lambda: small.reports, within=WITHIN, what="no run")
    small.stop.drain()
    assert small.archiver.join(WITHIN)
    assert not small.archiver.crashed


# --- force-sync --wait ----------------------------------------------------------------------------------------------


def test_a_wait_ends_when_every_file_is_in_a_proven_archive(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", min_files=20, max_age=timedelta(hours=1), interval=INTERVAL) as small:
        small.archiver.start()
        eventually(lambda: small.reports, within=WITHIN, what="no run")
        small.write("lab-one/d/a.log")
        small.write("lab-one/e/a.log")
        answer = small.force_sync().answered()
        assert (answer["exit_code"], answer["missing"]) == (0, [])
        (cycle,) = answer["cycles"]
        assert (cycle["pair"], cycle["archived"], cycle["archives"]) == ("small", 2, 2)
        assert small.archives("lab-one") == ["d", "e"]


def test_a_wait_lasts_until_a_young_file_is_old_enough(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", min_age=timedelta(seconds=1.5), interval=INTERVAL) as small:
        small.archiver.start()
        small.write("lab-one/a.log")
        assert small.force_sync().answered()["exit_code"] == 0
        assert small.archives("lab-one") == [""]


@pytest.mark.parametrize("path", [None, "lab-one/d/a.log", "lab-one/d"])
def test_a_wait_lasts_while_an_archive_is_sealed_and_not_proven(small: SmallBatch, path: str | None) -> None:
    small.round()
    small.write("lab-one/d/a.log")
    small.endpoint.buckets["lab-one"].fail_next("put", Stale("another was faster"), times=2)
    small.archiver.start()
    assert small.force_sync(path).answered()["exit_code"] == 0
    assert small.archives("lab-one") == ["d"]
    assert small.section.store.totals().archives == 1


def test_a_wait_ends_where_the_spool_has_no_room(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", room=0) as small:
        small.archiver.start()
        small.write("lab-one/d/a.log")
        asked = small.force_sync()
        assert asked.answered()["exit_code"] == 4
        assert "lab-one/d/a.log" in asked.missing
        assert small.here() == ["lab-one/d/a.log"]


def test_a_wait_names_what_somebody_has_open_and_goes_home(small: SmallBatch) -> None:
    small.archiver.start()
    small.write("lab-one/shut.log")
    with small.write("lab-one/open.log").open("rb"):
        asked = small.force_sync()
        assert asked.missing == {"lab-one/open.log": "somebody has it open"}
        assert asked.answer["exit_code"] == 4
    assert small.force_sync().answered()["exit_code"] == 0


def test_a_wait_names_folders_that_wait(small: SmallBatch) -> None:
    small.archiver.start()
    small.write("absent/a.log")
    small.write("No Bucket!/a.log")
    small.write("lab-one/a.log")
    asked = small.force_sync()
    assert set(asked.missing) == {"absent", "No Bucket!"}
    assert asked.answer["exit_code"] == 4
    assert small.archives("lab-one") == [""]


def test_a_wait_for_one_path_is_about_that_path(small: SmallBatch) -> None:
    small.archiver.start()
    small.write("absent/a.log")
    small.write("lab-one/d/a.log")
    assert small.force_sync("lab-one/d/a.log").answered()["exit_code"] == 0
    assert small.force_sync("absent").answered()["exit_code"] == 4


def test_a_wait_gives_up_on_a_lost_endpoint_unless_it_has_time(small: SmallBatch) -> None:
    small.archiver.start()
    small.write("lab-one/a.log")
    small.endpoint.fail(lost())
    assert small.force_sync().answered()["exit_code"] == 5
    asked = small.force_sync(timeout=1.5)
    assert asked.answered()["exit_code"] == 10
    assert asked.answer["missing"], "who waited in vain is told why"
    patient = small.force_sync(timeout=WITHIN)
    assert patient.waits.wait(WITHIN)
    small.endpoint.mend()
    assert patient.answered()["exit_code"] == 0


def test_a_wait_ends_where_a_person_must_decide(small: SmallBatch, tmp_path: Path) -> None:
    small.root.rename(tmp_path / "away")
    small.archiver.start()
    asked = small.force_sync()
    assert asked.answered()["exit_code"] == 7
    assert str(small.root) in asked.answer["missing"][0]["reason"]


def test_a_wait_whose_caller_hangs_up_ends(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", min_age=timedelta(hours=1)) as small:
        small.archiver.start()
        small.write("lab-one/a.log")
        asked = small.force_sync()
        assert asked.waits.wait(WITHIN)
        asked.gone.set()
        assert asked.answered()["exit_code"] == 5


def test_a_wait_ends_when_the_daemon_stops(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", min_age=timedelta(hours=1)) as small:
        small.archiver.start()
        small.write("lab-one/a.log")
        asked = small.force_sync()
        assert asked.waits.wait(WITHIN)
        small.stop.drain()
        assert asked.answered()["exit_code"] == 5


def test_a_bucket_that_vanished_while_one_waits_is_named(small: SmallBatch) -> None:
    small.round()
    small.endpoint.buckets["lab-one"].down = no_such_bucket("lab-one")
    small.write("lab-one/a.log")
    small.archiver.start()
    assert small.force_sync().answered()["exit_code"] == 4


# --- beside others ----------------------------------------------------------------------------------------------------


def test_settings_may_change_while_it_works(small: SmallBatch) -> None:
    small.archiver.start()
    halt = threading.Event()

    def change() -> None:
        while not halt.wait(0.005):
            small.section.reconfigure(replace(small.section.batch, max_files=small.section.batch.max_files + 1))
            small.archiver.nudge()

    changing = threading.Thread(target=change, daemon=True)
    changing.start()
    try:
        for number in range(40):
            small.write(f"lab-one/d/{number}")
            small.stop.wait(0.01)
    finally:
        halt.set()
        changing.join(WITHIN)
    assert small.force_sync().answered()["exit_code"] == 0
    eventually(
        lambda: small.here() == [] and small.staged("lab-one") == 0, within=WITHIN, what=lambda: str(small.here())
    )
    assert not small.archiver.crashed, small.archiver.last_error


def test_a_pool_that_is_shared_is_enough_with_one_thread(tmp_path: Path) -> None:
    """The archiver waits for its tasks outside of the pool: one thread of it suffices."""
    with small_batch(tmp_path, "lab-one") as small:
        pool = Pool(1)
        try:
            object.__setattr__(small.section._world, "pool", pool)
            small.section.reconfigure(small.section.batch)
            for number in range(30):
                small.write(f"lab-one/{number}/f")
            assert small.section.run().counts["archives"] == 30
        finally:
            pool.close()
