"""The mailbox: a hundred wakes are one, and nothing posted is lost."""

from __future__ import annotations

import threading
import time

from syncd.lifecycle.mailbox import Mailbox, Wake
from syncd.lifecycle.stop import Stop


def test_a_hundred_posts_are_one_wake() -> None:
    mailbox = Mailbox(Stop())
    for _ in range(100):
        mailbox.post("timer")
    assert mailbox.take(0).reasons == {"timer"}
    assert mailbox.take(0) == Wake()


def test_payloads_come_by_reason_in_order_and_equal_ones_once() -> None:
    mailbox = Mailbox(Stop())
    for path in ("b", "a", "b", "c"):
        mailbox.post("dirty", path)
    mailbox.post("sync", 7)
    mailbox.post("timer")
    wake = mailbox.take(0)
    assert wake.reasons == {"dirty", "sync", "timer"}
    assert dict(wake.payloads) == {"dirty": ("b", "a", "c"), "sync": (7,)}


def test_too_many_payloads_of_one_reason_are_dropped_and_said() -> None:
    mailbox = Mailbox(Stop(), most=3)
    for number in range(10):
        mailbox.post("dirty", number)
    mailbox.post("sync", 1)
    wake = mailbox.take(0)
    assert wake.overflowed == {"dirty"}
    assert dict(wake.payloads) == {"sync": (1,)}
    mailbox.post("dirty", 1)
    assert mailbox.take(0).overflowed == frozenset()


def test_what_is_put_back_is_taken_again_with_what_came_meanwhile() -> None:
    mailbox = Mailbox(Stop())
    mailbox.post("dirty", "a")
    taken = mailbox.take(0)
    mailbox.post("dirty", "b")
    mailbox.put_back(taken)
    assert set(mailbox.take(0).payloads["dirty"]) == {"a", "b"}


def test_a_post_ends_a_wait_without_end() -> None:
    mailbox = Mailbox(Stop())
    taken: list[Wake] = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take(None)))
    taker.start()
    mailbox.post("sync")
    taker.join(5)
    assert [wake.reasons for wake in taken] == [{"sync"}]


def test_a_stop_ends_a_wait_and_what_is_there_is_still_given() -> None:
    stop = Stop()
    mailbox = Mailbox(stop)
    taken: list[Wake] = []
    taker = threading.Thread(target=lambda: taken.append(mailbox.take(None)))
    taker.start()
    stop.drain()
    taker.join(5)
    assert taken == [Wake()]
    mailbox.post("late")
    assert mailbox.take(600).reasons == {"late"}
    assert mailbox.take(600) == Wake()


def test_posts_from_many_threads_all_arrive() -> None:
    mailbox = Mailbox(Stop())

    def post(start: int) -> None:
        for number in range(start, start + 500):
            mailbox.post("dirty", number)

    posters = [threading.Thread(target=post, args=(start,)) for start in range(0, 4000, 500)]
    for poster in posters:
        poster.start()
    seen: set[object] = set()
    until = time.monotonic() + 10
    while len(seen) < 4000 and time.monotonic() < until:
        seen.update(mailbox.take(0.1).payloads.get("dirty", ()))
    for poster in posters:
        poster.join(5)
    assert seen == set(range(4000))
