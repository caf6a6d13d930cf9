"""Progress: only silence is silence."""

from __future__ import annotations

from support.recorded import HandClock
from syncd.workers.progress import Activity, Progress


def test_between_rounds_it_is_idle_however_long() -> None:
    clock = HandClock()
    progress = Progress(clock, 10)
    clock.tick(1000)
    assert progress.mark().activity is Activity.IDLE


def test_in_a_round_it_works_until_the_deadline_and_is_silent_after() -> None:
    clock = HandClock()
    progress = Progress(clock, 10)
    with progress.round():
        clock.tick(10)
        assert progress.mark().activity is Activity.WORKING
        clock.tick(1)
        assert progress.mark().activity is Activity.SILENT
        progress.moved()
        assert progress.mark().activity is Activity.WORKING
    assert progress.mark().activity is Activity.IDLE


def test_waiting_is_never_silence_and_says_on_what_since_when() -> None:
    clock = HandClock()
    progress = Progress(clock, 10)
    with progress.round():
        clock.tick(2)
        with progress.waiting("s3 logs"):
            clock.tick(500)
            mark = progress.mark()
            assert (mark.activity, mark.on, mark.waiting_s) == (Activity.WAITING, "s3 logs", 500)
        clock.tick(9)
        assert progress.mark().activity is Activity.WORKING
        clock.tick(2)
        assert progress.mark().activity is Activity.SILENT


def test_a_worker_that_moves_while_one_of_its_threads_waits_is_working() -> None:
    clock = HandClock()
    progress = Progress(clock, 10)
    with progress.round(), progress.waiting("s3"):
        clock.tick(1)
        progress.moved()
        clock.tick(1)
        assert progress.mark().activity is Activity.WORKING
        clock.tick(100)
        assert progress.mark().activity is Activity.WAITING


def test_of_several_waits_the_oldest_is_named() -> None:
    clock = HandClock()
    progress = Progress(clock, 10)
    with progress.round(), progress.waiting("nfs"):
        clock.tick(1)
        with progress.waiting("s3"):
            assert progress.mark().on == "nfs"
