"""The hot folder over hints that lead nowhere, keys that are denied, and a stop."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from support.fake_store import FakeObjects
from support.processes import eventually
from support.recorded import HandClock
from support.small_section import WITHIN, Gate, SmallSection, small_section
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.hot import MOST_TOGETHER
from syncd.engine.pool import Pool
from syncd.errors import RemoteError, RemoteKind
from syncd.local import inotify_events as hints
from syncd.workers.hotfolder import AGAIN_S, EVENT, HotFolder


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallSection]:
    """An upload pair after its first pass, its hot folder running."""
    with small_section(tmp_path, mode=Mode.UPLOAD) as made:
        made.section.run_pass()
        made.hot.start()
        yield made


def hear(small: SmallSection, *heard: hints.HotEvent) -> None:
    for hint in heard:
        small.hot.wake(EVENT, hint)


def lead_astray(small: SmallSection, kind: str) -> RelPath:
    """A path whose parent cannot be looked into."""
    if kind == "symlink":
        small.write("real/f", b"1")
        (small.root / "astray").symlink_to("real")
    else:
        small.write("astray/f", b"1")
        small.shut.add("astray")
    return RelPath("astray/f")


@pytest.mark.parametrize("state", ["idle", "unreachable", "halted"])
@pytest.mark.parametrize("kind", ["symlink", "unreadable"])
@pytest.mark.parametrize("hint", [hints.Touched, hints.Closed, hints.FolderAppeared, hints.Gone])
def test_a_hint_below_what_cannot_be_looked_into_harms_nobody(
    small: SmallSection, kind: str, state: str, hint: type[hints.Touched]
) -> None:
    astray = lead_astray(small, kind)
    small.section.state = state
    hear(small, hint(astray))
    small.write("fine", b"fine")
    hear(small, hints.Closed(RelPath("fine")))
    eventually(lambda: met(small), within=WITHIN, what="the other file")
    assert not small.hot.crashed, small.hot.last_error


def met(small: SmallSection) -> bool:
    """`fine` is on S3, or waits for the pass."""
    waits = [each.path for each in small.section.backlog.snapshot()]
    return small.hot.crashed or "fine" in small.objects() or (not small.section.working and "fine" in waits)


def test_a_key_that_is_denied_fails_its_file_and_the_hot_folder_goes_on(small: SmallSection) -> None:
    small.bucket.fail_next("put", RemoteError(RemoteKind.DENIED, "403"))
    small.write("denied", b"denied")
    hear(small, hints.Closed(RelPath("denied")))
    eventually(lambda: states(small).get("denied") == "failed", within=WITHIN, what="the denial")
    assert small.section.state == "idle"
    small.write("fine", b"fine")
    hear(small, hints.Closed(RelPath("fine")))
    eventually(lambda: "fine" in small.objects(), within=WITHIN, what="the other file")


def test_an_endpoint_that_is_gone_makes_the_section_unreachable(small: SmallSection) -> None:
    small.bucket.fail_next("put", RemoteError(RemoteKind.UNAVAILABLE, "no route"))
    small.write("a", b"a")
    hear(small, hints.Closed(RelPath("a")))
    eventually(lambda: small.section.state == "unreachable", within=WITHIN, what="the outage")


def states(small: SmallSection) -> dict[str, str]:
    return {each.path: each.state for each in small.section.backlog.snapshot()}


def test_large_files_that_take_all_threads_for_hours_are_no_silence(tmp_path: Path) -> None:
    """Silence withholds the watchdog's ping: the service would be killed in the middle of every large file."""
    bucket, gate, hand = FakeObjects(), Gate(), HandClock()
    with small_section(tmp_path, bucket=bucket, mode=Mode.UPLOAD) as small:
        small.section.run_pass()
        pool = Pool(1)
        hot = HotFolder(
            small.section, pool=pool, stop=small.stop.child(), events=small.said, clock=hand, rescan=lambda: None
        )
        hot.start()
        bucket.intervene("put", gate.pass_through)
        files = 8 * MOST_TOGETHER
        for number in range(files):
            small.write(f"f{number}", b"large")
            hot.wake(EVENT, hints.Closed(RelPath(f"f{number}")))
        assert gate.reached.wait(WITHIN)
        eventually(lambda: pool.full, within=WITHIN, what="a full pool")
        hand.tick(3600)
        assert not hot.silent
        gate.opened.set()
        eventually(lambda: len(small.objects()) == files, within=WITHIN, what="all of them")
        small.stop.abandon()
        assert hot.join(WITHIN)
        pool.close()


def test_after_a_stop_no_hot_file_that_is_queued_begins_its_upload(tmp_path: Path) -> None:
    bucket, gate = FakeObjects(), Gate()
    with small_section(tmp_path, bucket=bucket, mode=Mode.UPLOAD) as small:
        small.section.run_pass()
        pool = Pool(1)
        hot = HotFolder(
            small.section,
            pool=pool,
            stop=small.stop.child(),
            events=small.said,
            clock=small.clock,
            rescan=lambda: None,
        )
        hot.start()
        bucket.intervene("put", gate.pass_through)
        small.write("a", b"a")
        hot.wake(EVENT, hints.Closed(RelPath("a")))
        assert gate.reached.wait(WITHIN)
        for number, name in enumerate(("b", "c"), 1):
            small.write(name, name.encode())
            hot.wake(EVENT, hints.Closed(RelPath(name)))
            eventually(lambda number=number: pool.queued >= number, within=WITHIN, what="it in the queue")  # type: ignore[misc]
        small.drain()
        gate.opened.set()
        assert pool.idle(WITHIN)
        pool.close()
        small.stop.abandon()
        assert hot.join(WITHIN)
        assert len(small.objects()) == 1
        assert bucket.requests["put"] == 1


def test_a_path_that_somebody_has_waits_its_time_and_holds_up_no_other(tmp_path: Path) -> None:
    hand = HandClock()
    with small_section(tmp_path, mode=Mode.UPLOAD, watch=False) as small:
        small.section.run_pass()
        tries: list[int] = []
        pool = Counting(tries)
        hot = HotFolder(
            small.section, pool=pool, stop=small.stop.child(), events=small.said, clock=hand, rescan=lambda: None
        )
        claims = small.section.open().claims
        assert claims.take(RelPath("held"))
        hot.start()
        small.write("held", b"held")
        hot.wake(EVENT, hints.Closed(RelPath("held")))
        eventually(lambda: tries == [1], within=WITHIN, what="a try")
        for name in ("fine", "as well"):  # the second shows that the round of the first is over
            small.write(name, b"fine")
            hot.wake(EVENT, hints.Closed(RelPath(name)))
            eventually(lambda name=name: name in small.objects(), within=WITHIN, what="the other file")
        assert tries == [1, 1, 1], "it is not tried again and again"
        claims.release(RelPath("held"))
        hand.tick(AGAIN_S)
        eventually(lambda: "held" in small.objects(), within=WITHIN, what="the file that was held")
        tried = len(tries)
        small.write("last", b"last")
        hot.wake(EVENT, hints.Closed(RelPath("last")))
        eventually(lambda: "last" in small.objects(), within=WITHIN, what="one more")
        assert len(tries) == tried + 1, "it is done with"


def test_a_file_of_a_new_folder_that_somebody_has_is_looked_at_again(tmp_path: Path) -> None:
    """No event told of it, so that nothing else would bring it back before a pass."""
    with small_section(tmp_path, mode=Mode.UPLOAD, watch=False) as small:
        small.section.run_pass()
        claims = small.section.open().claims
        assert claims.take(RelPath("new/held"))
        small.hot.start()
        small.write("new/held", b"held")
        small.write("new/fine", b"fine")
        hear(small, hints.FolderAppeared(RelPath("new")))
        eventually(lambda: "new/fine" in small.objects(), within=WITHIN, what="the other file")
        claims.release(RelPath("new/held"))
        eventually(lambda: "new/held" in small.objects(), within=WITHIN, what="the file that was held")


class Counting(Pool):
    """Two threads, and how many paths they were given at once."""

    def __init__(self, given: list[int]) -> None:
        super().__init__(2)
        self._given = given

    def submit(self, task: Any) -> Future[None]:
        self._given.append(len(task.args[0]))
        return super().submit(task)
