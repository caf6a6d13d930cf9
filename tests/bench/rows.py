"""All rows of the bench by name, with their bars."""

from __future__ import annotations

from typing import Protocol

from bench.bars import Bar, ratio
from bench.hot import Latency, QuietHost
from bench.own_cost import SinkCost
from bench.packed import Archiver
from bench.transfers import Transfer
from bench.unchanged import Million, Unchanged
from bench.wire import Wire
from bench.world import Result, World


class Row(Protocol):
    @property
    def name(self) -> str: ...

    def run(self, world: World) -> Result: ...


SMALL_UP = (
    ratio("cpu_s", 0.5),
    ratio("wall_s", 0.7),
    Bar(metric="peak_mib", limit=96, unit="MiB"),
)
LARGE_UP = (ratio("cpu_s", 0.4), Bar(metric="peak_mib", limit=64, unit="MiB"))
SMALL_DOWN = (ratio("cpu_s", 0.7), ratio("wall_s", 0.7))
LARGE_DOWN = (ratio("wall_s", 1.05), Bar(metric="peak_mib", limit=64, unit="MiB"))  # it needs no rare call
AWS = ("aws",)


def _aws(times: float) -> tuple[Bar, ...]:
    return tuple(Bar(metric=metric, limit=times, against=AWS, times=True) for metric in ("wall_s", "cpu_s"))


ROWS: tuple[Row, ...] = (
    Transfer(name="small-up", way="up", size="small", bars=SMALL_UP),
    Transfer(name="large-up", way="up", size="large", bars=(*LARGE_UP, ratio("wall_s", 0.5))),
    Transfer(name="small-down", way="down", size="small", bars=SMALL_DOWN),
    Transfer(name="large-down", way="down", size="large", bars=LARGE_DOWN),
    Unchanged(),
    Million(),
    Latency(name="latency", cleanup=False),
    Latency(name="latency-cleanup", cleanup=True),
    QuietHost(),
    Wire(name="wire-up", way="up"),
    Wire(name="wire-down", way="down"),
    Transfer(name="small-up-rclone", way="up", size="small", server="rclone serve s3", quick_share=0.5, bars=SMALL_UP),
    Transfer(
        name="large-up-rclone", way="up", size="large", server="rclone serve s3", bars=(*LARGE_UP, ratio("wall_s", 0.8))
    ),
    Transfer(
        name="small-down-rclone", way="down", size="small", server="rclone serve s3", quick_share=0.5, bars=SMALL_DOWN
    ),
    Transfer(name="large-down-rclone", way="down", size="large", server="rclone serve s3", bars=LARGE_DOWN),
    Transfer(name="small-up-20ms", way="up", size="small", delay_ms=20, once=True, quick_share=0.25),
    Transfer(name="small-up-https", way="up", size="small", transport="https", once=True, quick_share=0.5),
    Transfer(name="large-up-https", way="up", size="large", transport="https", once=True),
    Transfer(name="small-down-https", way="down", size="small", transport="https", once=True, quick_share=0.5),
    Transfer(name="large-down-https", way="down", size="large", transport="https", once=True),
    Transfer(
        name="aws-small-up", way="up", size="small", peers=AWS, bars=_aws(8), share=0.25, once=True, quick_share=0.25
    ),
    Transfer(name="aws-large-up", way="up", size="large", peers=AWS, bars=_aws(4), once=True),
    Archiver(),
    SinkCost(),
)
