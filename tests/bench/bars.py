"""What is to be reached, and whether it was: the bars are written down once, here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.measure import Middle, better

PEERS = ("s5cmd", "rclone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """At most `limit` of what the best of `against` needs by `metric`, or (against nobody) at most `limit` itself.

    `times`: the other way round; they need at least so many times as much.
    """

    metric: str  # wall_s cpu_s peak_mib, or a figure of the row
    limit: float
    against: tuple[str, ...] = ()
    times: bool = False
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A bar held against what was measured. `value` is None where there was nothing to measure."""

    what: str
    value: float | None
    limit: float
    verdict: str  # ok short absent


WORDS = {"wall_s": "wall", "cpu_s": "CPU", "peak_mib": "RSS"}


def ratio(metric: str, limit: float, against: tuple[str, ...] = PEERS) -> Bar:
    return Bar(metric=metric, limit=limit, against=against)


def judged(bars: Iterable[Bar], middles: list[Middle], figures: dict[str, float]) -> list[Verdict]:
    """Each bar, held against the medians and the row's own figures."""
    return [_judged(bar, middles, figures) for bar in bars]


def _judged(bar: Bar, middles: list[Middle], figures: dict[str, float]) -> Verdict:
    word = WORDS.get(bar.metric, bar.metric)
    mine = better(middles, ("syncd",), bar.metric) if bar.metric in WORDS else None
    own = mine[0] if mine else figures.get(bar.metric)
    if not bar.against:
        what = f"{word}, {bar.unit}".removesuffix(", ")
        return _verdict(what, own, bar.limit, own is not None and own <= bar.limit)
    its = better(middles, bar.against, bar.metric)
    if own is None or its is None:
        return _verdict(f"{word} of {' or '.join(bar.against)}", None, bar.limit, False)
    value = its[0] / own if bar.times else own / its[0]
    what = f"{its[1]}'s {word} of ours" if bar.times else f"{word} of {its[1]}"
    return _verdict(what, value, bar.limit, value >= bar.limit if bar.times else value <= bar.limit)


def _verdict(what: str, value: float | None, limit: float, good: bool) -> Verdict:
    verdict = "absent" if value is None else "ok" if good else "short"
    return Verdict(what=what, value=None if value is None else round(value, 3), limit=limit, verdict=verdict)
