"""Stop: two levels, children, and waits that end at once."""

from __future__ import annotations

import threading
import time

from syncd.lifecycle.stop import Stop


def test_draining_stops_without_abandoning() -> None:
    stop = Stop()
    stop.drain()
    assert (stop.stopped(), stop.abandoned()) == (True, False)


def test_abandoning_also_stops() -> None:
    stop = Stop()
    stop.abandon()
    assert (stop.stopped(), stop.abandoned()) == (True, True)


def test_a_parents_stop_reaches_every_descendant() -> None:
    parent = Stop()
    child = parent.child()
    grandchild = child.child()
    parent.drain()
    assert child.stopped()
    assert grandchild.stopped()
    assert not grandchild.abandoned()
    parent.abandon()
    assert grandchild.abandoned()


def test_a_childs_stop_leaves_its_parent_and_its_sister_alone() -> None:
    parent = Stop()
    child, sister = parent.child(), parent.child()
    child.abandon()
    assert not parent.stopped()
    assert not sister.stopped()


def test_a_child_of_a_stopped_token_is_born_stopped() -> None:
    drained, abandoned = Stop(), Stop()
    drained.drain()
    abandoned.abandon()
    assert drained.child().stopped()
    assert not drained.child().abandoned()
    assert abandoned.child().abandoned()


def test_a_long_wait_ends_when_another_thread_stops_it() -> None:
    stop = Stop()
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(stop.child().wait(600)))
    waiting.start()
    began = time.monotonic()
    stop.drain()
    waiting.join(5)
    assert answers == [True]
    assert time.monotonic() - began < 5


def test_a_wait_that_nobody_stops_says_so() -> None:
    stop = Stop()
    assert stop.wait(0.001) is False
    assert stop.wait(-1) is False
    stop.drain()
    assert stop.wait_abandoned(0.001) is False
    stop.abandon()
    assert stop.wait_abandoned(600) is True


def test_callbacks_run_once_and_at_once_when_late() -> None:
    stop = Stop()
    calls: list[str] = []
    stop.on_stop(lambda: calls.append("early"))
    forget = stop.on_stop(lambda: calls.append("forgotten"))
    forget()
    stop.drain()
    stop.abandon()
    stop.on_stop(lambda: calls.append("late"))
    assert calls == ["early", "late"]
