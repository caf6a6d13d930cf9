"""Pieces of one large file are worked on several at once, within bounds, and a failure ends all of them."""

from __future__ import annotations

import threading

import pytest

from support.processes import eventually
from syncd.engine.crew import Crew


class Seen:
    """How many were at it at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.done: list[int] = []
        self.gate = threading.Event()
        self._lock = threading.Lock()

    def work(self, task: int) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.gate.wait(timeout=60)
        with self._lock:
            self.now -= 1
            self.done.append(task)


def test_every_task_is_done_once_and_so_many_at_once() -> None:
    crew, seen = Crew(), Seen()
    caller = threading.Thread(target=lambda: crew.each(range(20), seen.work, most=4))
    caller.start()
    eventually(lambda: seen.now == 4, within=60, what="four are at it")
    seen.gate.set()
    caller.join(timeout=60)
    assert (sorted(seen.done), seen.most) == (list(range(20)), 4)


def test_helpers_are_shared_and_who_finds_none_works_alone() -> None:
    crew, busy, alone = Crew(streams=3), Seen(), Seen()
    caller = threading.Thread(target=lambda: crew.each(range(9), busy.work, most=4))
    caller.start()
    eventually(lambda: busy.now == 3, within=60, what="the caller and two helpers are at it")
    alone.gate.set()
    crew.each(range(3), alone.work, most=4)
    assert (alone.done, alone.most) == ([0, 1, 2], 1)
    busy.gate.set()
    caller.join(timeout=60)
    later = Seen()
    caller = threading.Thread(target=lambda: crew.each(range(9), later.work, most=4))
    caller.start()
    eventually(lambda: later.now == 3, within=60, what="the helpers are free again")
    later.gate.set()
    caller.join(timeout=60)
    assert (busy.most, len(busy.done), len(later.done)) == (3, 9, 9)


def test_who_works_alone_gets_helpers_when_others_are_through() -> None:
    crew, first, second = Crew(streams=3), Seen(), Seen()
    one = threading.Thread(target=lambda: crew.each(range(3), first.work, most=3))
    one.start()
    eventually(lambda: first.now == 3, within=60, what="all helpers are at the first file")
    step = threading.Event()

    def work(task: int) -> None:
        if task:
            second.work(task)
        else:
            assert step.wait(timeout=60)

    other = threading.Thread(target=lambda: crew.each(range(9), work, most=3))
    other.start()
    first.gate.set()
    one.join(timeout=60)
    step.set()
    eventually(lambda: second.now == 3, within=60, what="they are at the second")
    second.gate.set()
    other.join(timeout=60)
    assert sorted(second.done) == list(range(1, 9))


def test_helpers_make_room_for_callers() -> None:
    crew, second = Crew(streams=3), Seen()
    helpers, caller = threading.Event(), threading.Event()
    by: list[str] = []

    def work(task: int) -> None:
        name = threading.current_thread().name
        by.append(name)
        assert (caller if name == "caller" else helpers).wait(timeout=60)

    one = threading.Thread(target=lambda: crew.each(range(12), work, most=3), name="caller")
    one.start()
    eventually(lambda: len(by) == 3, within=60, what="two helpers")
    others = [threading.Thread(target=lambda: crew.each(range(1), second.work)) for _ in range(2)]
    for other in others:
        other.start()
    eventually(lambda: second.now == 2, within=60, what="two more callers")
    helpers.set()
    eventually(lambda: crew._busy == 3, within=60, what="each helper ended its piece and went")
    caller.set()
    one.join(timeout=60)
    assert (len(by), by[3:]) == (12, ["caller"] * 9)
    second.gate.set()
    for other in others:
        other.join(timeout=60)
    assert crew._busy == 0


def test_the_first_failure_is_raised_and_nothing_new_begins() -> None:
    begun: list[int] = []
    failing = threading.Event()

    def work(task: int) -> None:
        begun.append(task)
        if task == 0:
            failing.set()
            raise ValueError(task)
        assert failing.wait(timeout=60)

    with pytest.raises(ValueError, match="0"):
        Crew().each(range(200_000), work)
    assert len(begun) < 200_000


def test_where_no_thread_can_be_had_the_caller_goes_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    crew, done = Crew(), list[int]()
    crew.each(range(20), done.append)
    assert done == list(range(20))
    assert crew._busy == 0


def test_nobody_is_hired_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    hired: list[object] = []
    start, failed = threading.Thread.start, threading.Event()

    def starting(self: threading.Thread) -> None:
        hired.append(self)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", starting)

    def work(task: int) -> None:
        if task == 0:
            assert failed.wait(timeout=60)
        else:
            failed.set()
            raise ValueError("a helper's")

    with pytest.raises(ValueError, match="a helper's"):
        Crew().each(range(200), work, most=2)
    assert len(hired) == 1


def test_a_failure_of_a_helper_is_raised_too() -> None:
    caller = threading.get_ident()
    helping = threading.Event()

    def work(task: int) -> None:
        if threading.get_ident() == caller:
            assert helping.wait(timeout=60)
        else:
            helping.set()
            raise ValueError("a helper's")

    with pytest.raises(ValueError, match="a helper's"):
        Crew().each(range(8), work)
