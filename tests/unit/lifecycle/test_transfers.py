"""The board of running transfers."""

from __future__ import annotations

import threading

import pytest

from support.recorded import HandClock
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.transfers import TransferBoard

MB = 1_000_000


def test_a_steady_transfer_shows_its_rate_and_what_is_left() -> None:
    clock = HandClock()
    board = TransferBoard(clock)
    transfer = board.begin(pair="logs", path="a.gz", direction="up", total_bytes=20 * MB)
    for _ in range(20):
        clock.tick(0.5)
        transfer.advance(MB // 2)
    assert board.snapshot() == [
        {
            "pair": "logs",
            "path": "a.gz",
            "direction": "up",
            "done_bytes": 10 * MB,
            "total_bytes": 20 * MB,
            "bytes_per_second": MB,
            "eta_seconds": 10.0,
        }
    ]


def test_the_rate_is_right_from_the_first_second_and_follows_a_change() -> None:
    clock = HandClock()
    board = TransferBoard(clock)
    transfer = board.begin(pair="logs", path="a", direction="up", total_bytes=1000 * MB)
    clock.tick(1)
    transfer.advance(10 * MB)
    assert board.snapshot()[0]["bytes_per_second"] == 10 * MB
    for _ in range(30):
        clock.tick(1)
        transfer.advance(MB)
    assert board.snapshot()[0]["bytes_per_second"] == pytest.approx(MB, rel=0.05)


def test_a_stalled_transfer_slows_down_to_no_estimate() -> None:
    clock = HandClock()
    board = TransferBoard(clock)
    transfer = board.begin(pair="logs", path="a", direction="up", total_bytes=10 * MB)
    clock.tick(1)
    transfer.advance(MB)
    clock.tick(120)
    row = board.snapshot()[0]
    assert row["bytes_per_second"] == 0
    assert row["eta_seconds"] is None


def test_what_ends_leaves_the_board_and_the_totals_stay() -> None:
    clock = HandClock()
    board = TransferBoard(clock)
    with board.begin(pair="logs", path="a", direction="up", total_bytes=5) as transfer:
        transfer.advance(5)
    transfer.end()
    with pytest.raises(OSError, match="gone"), board.begin(pair="logs", path="b", direction="up", total_bytes=5):
        raise OSError("gone")
    assert board.snapshot() == []
    assert board.totals() == {"moved_bytes": 5, "ended": 2, "running": 0, "bytes_per_second": 0}


def test_a_retry_takes_bytes_back() -> None:
    board = TransferBoard(HandClock())
    transfer = board.begin(pair="logs", path="a", direction="up", total_bytes=10)
    transfer.advance(8)
    transfer.advance(-8)
    assert board.snapshot()[0]["done_bytes"] == 0


def test_many_threads_lose_no_byte() -> None:
    board = TransferBoard(SystemClock())
    transfer = board.begin(pair="logs", path="a", direction="up", total_bytes=40_000)

    def send() -> None:
        for _ in range(5000):
            transfer.advance(2)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert board.snapshot()[0]["done_bytes"] == 40_000
