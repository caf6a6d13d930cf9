"""What passes a lane by a clock of our own: so much a second, in the order of asking, and at once where all stops."""

from __future__ import annotations

import threading

import pytest

from support.processes import eventually
from support.recorded import HandClock
from syncd.s3.lane import Lane

WITHIN = 20.0


def hand_lane(hand: HandClock, rate: float | None) -> Lane:
    """Whoever waits moves the clock."""

    def rest(seconds: float) -> bool:
        hand.tick(seconds)
        return False

    return Lane(lambda _: rate, burst_s=0.0, clock=hand.monotonic, rest=rest)


def test_what_passes_takes_the_time_that_the_rate_says() -> None:
    hand = HandClock()
    lane, began = hand_lane(hand, 1000.0), hand.now()
    for _ in range(51):
        lane.pass_through(100)
    assert hand.now() - began == pytest.approx(5.0)


def test_without_a_rate_no_time_passes() -> None:
    hand = HandClock()
    lane, began = hand_lane(hand, None), hand.now()
    for _ in range(50):
        lane.pass_through(1e12)
    assert hand.now() == began


class Crowd:
    """Threads before a lane that lets nobody pass until the gate opens."""

    def __init__(self) -> None:
        self.hand, self.gate, self.abandoned = HandClock(), threading.Event(), threading.Event()
        self.passed: list[int] = []
        self.rate: float | None = 1.0
        self.lane = Lane(lambda _: self.rate, burst_s=0.0, clock=self.hand.monotonic, rest=self.rest)
        self.threads: list[threading.Thread] = []
        self.lane.pass_through(1)  # now one is owed

    def rest(self, seconds: float) -> bool:
        if not self.abandoned.is_set() and seconds:
            self.gate.wait(0.02)
            if self.gate.is_set():
                self.hand.tick(seconds)
        return self.abandoned.is_set()

    def come(self, number: int) -> None:
        def ask() -> None:
            self.lane.pass_through(1)
            self.passed.append(number)

        self.threads.append(threading.Thread(target=ask))
        self.threads[-1].start()
        eventually(lambda: len(self.lane._queue) == number + 1, within=WITHIN, what="in the queue")

    def over(self) -> list[int]:
        for thread in self.threads:
            thread.join(WITHIN)
        return self.passed


def test_who_asks_first_passes_first() -> None:
    crowd = Crowd()
    for number in range(6):
        crowd.come(number)
    crowd.gate.set()
    assert crowd.over() == [0, 1, 2, 3, 4, 5]


def test_once_all_is_abandoned_nobody_waits_any_more() -> None:
    crowd = Crowd()
    for number in range(4):
        crowd.come(number)
    crowd.abandoned.set()
    assert sorted(crowd.over()) == [0, 1, 2, 3]
    assert crowd.hand.now() == HandClock().now()


def test_who_waits_for_a_slow_rate_passes_when_the_limit_goes() -> None:
    crowd = Crowd()
    crowd.come(0)
    crowd.rate = None
    assert crowd.over() == [0]
