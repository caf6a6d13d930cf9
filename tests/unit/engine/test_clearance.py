"""cleanup_after, cleanup_keep_newest and cleanup_pressure: which proven files a pass lets go, and what that costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.model_host import InlinePool
from support.trash_host import TrashHost, trash_host
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.backlog import Backlog
from syncd.engine.clearance import clearance_of
from syncd.engine.cycle import Cycle
from syncd.engine.explain import explain, row
from syncd.local.root import Root
from syncd.ports import Usage


class SmallDisk(Root):
    """A root on a file system of so many bytes, in which nothing but its own files lies."""

    capacity = 1000

    def usage(self) -> Usage:
        """The bytes of all files, ours too but for the marker."""
        files = [file for file in self.path.rglob("*") if file.is_file() and file.name != "root.json"]
        return Usage(used=sum(file.stat().st_size for file in files), size=self.capacity)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., TrashHost]]:
    """Make a pair that uploads and cleans, on a small disk."""
    with ExitStack() as stack:

        def made(**settings: Any) -> TrashHost:
            asked = {"mode": Mode.UPLOAD, "cleanup": True, **settings}
            host = stack.enter_context(trash_host(tmp_path / "host", **asked))
            host.context = replace(host.context, tree=SmallDisk.at(host.root, now=host.clock.now))
            return host

        yield made


def put(host: TrashHost, *names: str, size: int = 100) -> None:
    """Files of that size, the first the oldest."""
    for number, name in enumerate(names):
        file = host.write(name, name.encode().ljust(size, b"."))
        os.utime(file, ns=((1_000_000_000 + number) * 10**9,) * 2)


def here(host: TrashHost) -> list[str]:
    return sorted(file.name for file in host.root.iterdir() if file.is_file())


def staged(host: TrashHost) -> int:
    folder = host.root / ".syncd" / "cleaning"
    return len(list(folder.iterdir())) if folder.exists() else 0


# --- after a time ----------------------------------------------------------------------------------------


def test_a_file_stays_for_cleanup_after_and_goes_then_in_two_steps(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24))
    put(host, "a")
    host.pass_()
    host.pass_(23 * 3600)
    assert here(host) == ["a"]
    host.pass_(2 * 3600)
    assert (here(host), staged(host)) == ([], 1)
    host.pass_()
    assert (here(host), staged(host)) == ([], 0)
    assert host.bucket.contents()["p/a"].startswith(b"a.")


def test_a_file_that_is_not_due_costs_no_request_and_no_closer_look(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24), cleanup_keep_newest=3, cleanup_pressure=0.9)
    put(host, "a", "b", "c", "d")
    host.pass_()
    host.bucket.requests.clear()
    looks = 0

    class Counting(InlinePool):
        def submit(self, task: Callable[[], None]) -> Any:
            nonlocal looks
            looks += 1
            return super().submit(task)

    Cycle(host.context, Counting(), host.backlog, once=lambda *_: True).run()
    assert dict(host.bucket.requests) == {"list": 1}
    assert looks == 0
    assert here(host) == ["a", "b", "c", "d"]


def test_a_touch_begins_the_time_anew(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24))
    put(host, "a")
    host.pass_()
    os.utime(host.root / "a")
    host.pass_(23 * 3600)
    host.pass_(2 * 3600)
    assert here(host) == ["a"]
    host.pass_(23 * 3600)
    assert here(host) == []


# --- the newest ------------------------------------------------------------------------------------------


def test_the_newest_stay_and_the_others_go(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_keep_newest=2)
    put(host, "a", "b", "c", "d")
    for _ in range(4):
        host.pass_()
    assert here(host) == ["c", "d"]
    os.utime(host.write("e", b"newest of all"), ns=(2_000_000_000 * 10**9,) * 2)
    for _ in range(4):
        host.pass_()
    assert here(host) == ["d", "e"]


def test_where_the_newest_was_taken_away_the_next_one_takes_its_place(make: Callable[..., TrashHost]) -> None:
    """The records of the pass before still name it; the scan knows better."""
    host = make(cleanup_keep_newest=1)
    put(host, "a", "b")
    host.pass_()
    host.set(cleanup_keep_newest=2)
    host.pass_()
    assert here(host) == ["a", "b"]
    (host.root / "b").unlink()
    host.set(cleanup_keep_newest=1)
    for _ in range(4):
        host.pass_()
    assert here(host) == ["a"]


def test_a_file_that_is_not_up_yet_counts_among_the_newest(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_keep_newest=1)
    put(host, "a")
    host.pass_()
    host.context = replace(host.context, ready=lambda *_: False, quiet=lambda *_: False)
    os.utime(host.write("b", b"being written"), ns=(2_000_000_000 * 10**9,) * 2)
    host.pass_()
    host.pass_()
    assert here(host) == ["a", "b"]  # more than one, until the newer one is safe


# --- a full disk -----------------------------------------------------------------------------------------


def test_a_full_disk_takes_the_oldest_until_it_is_below_and_no_more(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24), cleanup_pressure=0.5)
    put(host, "a", "b", "c", "d", "e", "f", "g")
    host.pass_()
    assert len(here(host)) == 7
    host.pass_()
    assert (here(host), staged(host)) == (["c", "d", "e", "f", "g"], 2)
    for _ in range(4):  # what is staged frees its room only a pass later, and nothing goes for it meanwhile
        host.pass_()
    assert (here(host), staged(host)) == (["c", "d", "e", "f", "g"], 0)


def test_a_disk_that_is_not_over_it_takes_nothing(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24), cleanup_pressure=0.5)
    put(host, "a", "b", "c", "d", "e")
    for _ in range(4):
        host.pass_()
    assert here(host) == ["a", "b", "c", "d", "e"]


def test_a_full_disk_takes_none_of_the_newest_and_nothing_unproven(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24), cleanup_pressure=0.1, cleanup_keep_newest=2)
    put(host, "a", "b", "c", "d")
    host.pass_()
    record = host.context.records.get(RelPath("a"))
    assert record is not None
    host.bucket.plant("p/a", b"another tool's")
    for _ in range(4):
        host.pass_()
    assert here(host) == ["a", "c", "d"]


def test_a_file_that_is_open_does_not_stand_for_the_room_that_the_others_give(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24), cleanup_pressure=0.5)
    put(host, "a", "b", "c", "d", "e", "f", "g")
    host.pass_()
    with open(host.root / "a", "rb"):
        for _ in range(3):
            host.pass_()
        assert here(host) == ["a", "d", "e", "f", "g"]


def test_what_is_due_anyway_goes_first_and_counts(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=24))
    put(host, "a", "b", "c")
    host.pass_()
    host.pass_(23 * 3600)
    for name in ("x", "y", "z", "zz"):  # older by their mtime, sent a day later
        os.utime(host.write(name, name.encode().ljust(100, b".")), ns=(10**17, 10**17))
    host.pass_()
    host.set(cleanup_pressure=0.5)
    host.pass_(3600)
    assert here(host) == ["x", "y", "z", "zz"]


# --- what a person is told -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cleanup_after": timedelta(hours=24)}, "cleaned: after 1 d, in 23 h 59 min"),
        ({"cleanup_keep_newest": 100}, "kept: among the 100 newest"),
        ({"cleanup_after": timedelta(hours=24), "cleanup_pressure": 0.01}, "cleanup_pressure"),
    ],
)
def test_explain_names_the_reason(make: Callable[..., TrashHost], settings: dict[str, Any], words: str) -> None:
    host = make(**settings)
    put(host, "a")
    host.pass_()
    host.clock.seconds += 60
    assert words in explain(host.context, RelPath("a"))["next"]["reason"]


def test_a_plan_names_the_reason(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_after=timedelta(hours=1))
    put(host, "a")
    host.pass_()
    host.clock.seconds += 2 * 3600
    cycle = Cycle(host.context, InlinePool(), Backlog(), once=lambda *_: True, dry=True)
    cycle.run()
    (step,) = cycle.steps
    assert row("logs", step)["reason"].endswith("; cleaned: after 1 h")


def test_a_full_disk_is_looked_for_only_where_it_is_asked_for(make: Callable[..., TrashHost]) -> None:
    host = make(cleanup_pressure=None)
    put(host, "a")
    host.pass_()
    assert clearance_of(host.context).pressed == frozenset()
    host.set(cleanup_pressure=0.01)
    assert clearance_of(host.context).pressed == {"a"}
