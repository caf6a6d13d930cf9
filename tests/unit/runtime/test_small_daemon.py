"""A whole small process under real signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import small_daemon
from support.processes import Process, eventually


class Small:
    """Starts small daemons and ends what is left of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.children: list[Process] = []

    def start(self, *words: str) -> Process:
        log = self.folder / f"log{len(self.children)}"
        log.touch()
        child = Process([sys.executable, small_daemon.__file__, self.folder, *words], log=log)
        self.children.append(child)
        return child

    def started(self, *words: str) -> Process:
        child = self.start(*words)
        eventually(lambda: "working" in child.said(), within=10, what=child.said)
        return child


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    daemons = Small(tmp_path)
    yield daemons
    for child in daemons.children:
        child.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_first_signal_drains_and_ends_with_zero(small: Small, number: signal.Signals) -> None:
    child = small.started()
    child.signal(number)
    assert child.wait(within=10) == 0
    assert child.said().splitlines()[-3:] == [
        f"daemon.stopping reason={number.name}",
        "closed",
        "daemon.stopped hung=()",
    ]


def test_a_second_signal_abandons_what_still_drains(small: Small) -> None:
    child = small.started("stubborn")
    child.signal(signal.SIGTERM)
    eventually(lambda: "daemon.stopping" in child.said(), within=10, what=child.said)
    assert child.running
    child.signal(signal.SIGTERM)
    assert child.wait(within=10) == 0
    assert "closed" in child.said()


def test_a_hangup_reloads_and_it_goes_on(small: Small) -> None:
    child = small.started()
    child.signal(signal.SIGHUP)
    eventually(lambda: "config.reloaded" in child.said(), within=10, what=child.said)
    assert child.running


def test_a_stuck_thread_does_not_keep_the_process(small: Small) -> None:
    child = small.started("stuck")
    child.signal(signal.SIGTERM)
    child.signal(signal.SIGINT)
    eventually(lambda: not child.running or child.signal(signal.SIGINT), within=20, what=child.said)
    assert child.wait(within=10) == 1
    assert "hung=('errands',)" in child.said()
    assert "closed" in child.said()


@pytest.mark.parametrize("word", ["crashing", "fatal"])
def test_what_cannot_go_on_ends_with_one_and_says_why(small: Small, word: str) -> None:
    child = small.start(word)
    assert child.wait(within=20) == 1
    assert {"crashing": "ValueError: a bug", "fatal": "the database is broken (restore it)"}[word] in child.said()


def test_a_broken_lease_does_not_end_it(small: Small) -> None:
    child = small.started()
    child.signal(signal.SIGIO)
    child.signal(signal.SIGHUP)
    eventually(lambda: "config.reloaded" in child.said(), within=10, what=child.said)
    assert child.running


def test_a_second_one_on_the_same_folder_says_who_holds_it_and_ends_with_one(small: Small) -> None:
    first = small.started()
    second = small.start()
    assert second.wait(within=10) == 1
    assert f"pid {first.pid}" in second.said()
    assert str(small.folder) in second.said()
    assert "--state-dir" in second.said()
    assert first.running
