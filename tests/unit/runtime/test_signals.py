"""Signals, in the process that gets them."""

from __future__ import annotations

import os
import signal
import threading
import time

from syncd.runtime.signals import Signals


def test_signals_come_out_in_order_and_wake_the_wait_at_once() -> None:
    with Signals() as signals:
        began = time.monotonic()
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGHUP)).start()
        signals.wait(600)
        assert time.monotonic() - began < 60
        os.kill(os.getpid(), signal.SIGTERM)
        assert [signals.take(), signals.take(), signals.take()] == [signal.SIGHUP, signal.SIGTERM, None]


def test_a_poke_of_another_thread_wakes_it_too_also_one_that_came_before() -> None:
    with Signals() as signals:
        poker = threading.Thread(target=lambda: [signals.poke() for _ in range(100_000)][:0])
        poker.start()
        poker.join(30)
        began = time.monotonic()
        signals.wait(600)
        assert time.monotonic() - began < 60
        began = time.monotonic()
        signals.wait(0.05)  # all the bytes were drained at once, so this one lasts
        assert time.monotonic() - began >= 0.05
        assert signals.take() is None


def test_an_interrupt_is_queued_and_raises_nothing() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        signals.wait(5)
        assert signals.take() is signal.SIGINT


def test_a_broken_lease_does_not_end_the_process() -> None:
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGIO)
        assert signals.take() is None


def test_everything_is_as_before_afterwards() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGIO)
    before = [signal.getsignal(number) for number in numbers]
    with Signals() as signals:
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    signals.poke()
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    assert wakeup == -1
