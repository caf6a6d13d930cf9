"""How many threads, against simulated servers: far away, on this machine, refusing, collapsing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from syncd.core.concurrency import LEAST, MOST, Concurrency, Sample

Server = Callable[[int], tuple[float, float, float]]
"""By the number of threads: tasks a second, cores used, refusals a second."""


def far(latency: float, cpu: float = 0.0002) -> Server:
    """Each task waits so long, and costs so much of the one interpreter."""

    def server(threads: int) -> tuple[float, float, float]:
        rate = min(threads / (latency + cpu), 1 / cpu)
        return rate, rate * cpu, 0.0

    return server


def capped(most: float, latency: float) -> Server:
    """A link or a server that does so much and no more, whoever asks."""

    def server(threads: int) -> tuple[float, float, float]:
        rate = min(threads / latency, most)
        return rate, rate * 0.0001, 0.0

    return server


def throttling(most: float, latency: float) -> Server:
    """One that refuses what is too much."""

    def server(threads: int) -> tuple[float, float, float]:
        rate = threads / latency
        return min(rate, most), 0.05, max(0.0, rate - most)

    return server


def collapsing(best: int, latency: float) -> Server:
    """One that does less the more come at once."""

    def server(threads: int) -> tuple[float, float, float]:
        rate = threads / latency if threads <= best else best / latency * (best / threads) ** 2
        return rate, 0.05, 0.0

    return server


def settled(server: Server, *, seconds: float, noise: float = 0.05, start: int = LEAST, **more: int) -> list[int]:
    """The number of threads over the time."""
    chance, pool, now, seen = random.Random(7), Concurrency(threads=start, **more), 0.0, []
    while now < seconds:
        rate, cores, refused = server(pool.threads)
        span = max(0.1, 2 * pool.threads / rate)
        rate *= 1 + chance.uniform(-noise, noise)
        sample = Sample(
            seconds=span,
            tasks=round(rate * span),
            bytes=0,
            cpu=cores * span,
            refused=round(refused * span),
            busy=True,
        )
        now += span
        seen.append(pool.take(sample, now))
    return seen


def test_far_away_it_grows_to_the_most_within_two_seconds() -> None:
    assert settled(far(0.05), seconds=2.0)[-1] == MOST


def test_with_twenty_milliseconds_it_takes_what_fills_one_core_and_no_more() -> None:
    seen = settled(far(0.02), seconds=30)
    assert 64 <= max(seen[-20:]) <= 110
    assert min(seen[-20:]) >= 64


def test_on_this_machine_the_processor_is_the_limit_and_a_few_threads_do() -> None:
    assert max(settled(far(0.0002, cpu=0.0005), seconds=30)) <= 8


def test_too_many_for_the_processor_become_few() -> None:
    def busy(threads: int) -> tuple[float, float, float]:
        return 2000.0, 1.05, 0.0

    assert settled(busy, seconds=30, start=64)[-1] == LEAST


def test_where_the_link_is_full_no_more_threads_are_added_for_long() -> None:
    seen = settled(capped(1000, 0.02), seconds=60)
    assert sorted(seen[-50:])[25] <= 32
    assert max(seen) <= 64


def test_one_that_refuses_gets_fewer_at_once() -> None:
    seen = settled(throttling(400, 0.02), seconds=60)
    assert seen[-1] <= 16
    assert max(seen[20:]) <= 16


def test_one_that_collapses_under_many_gets_about_as_many_as_it_bears() -> None:
    seen = settled(collapsing(24, 0.05), seconds=60)
    late = sorted(seen[-50:])
    assert 12 <= late[25] <= 32


def test_a_pool_that_waits_for_work_stays_as_it_is() -> None:
    pool = Concurrency(threads=10)
    idle = Sample(seconds=1.0, tasks=5, bytes=0, cpu=0.01, refused=0, busy=False)
    assert pool.take(idle, 1.0) == 10


@pytest.mark.parametrize(("least", "most", "limit", "threads"), [(16, 16, 1000, 16), (16, 16, 5, 5), (4, 128, 3, 3)])
def test_a_fixed_number_stays_and_a_limit_on_the_rate_lowers_any(
    least: int, most: int, limit: int, threads: int
) -> None:
    pool = Concurrency(least=least, most=most, threads=least)
    for second in range(20):
        rate, cores, _ = far(0.05)(pool.threads)
        sample = Sample(seconds=1.0, tasks=round(rate), bytes=0, cpu=cores, refused=0, busy=True)
        pool.take(sample, float(second), most=limit)
    assert pool.threads == threads


def test_large_files_are_measured_by_their_bytes() -> None:
    pool = Concurrency()
    assert not pool.due(0.5, 0)
    assert pool.due(2.0, 0)
    for second in range(1, 11):
        moved = pool.threads * 5_000_000
        pool.take(Sample(seconds=1.0, tasks=0, bytes=moved, cpu=0.1, refused=0, busy=True), float(second))
    assert pool.threads >= 32
