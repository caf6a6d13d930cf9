"""When an original may go as far as others are concerned: nobody has it open, or it was left alone for long."""

from __future__ import annotations

from syncd.core.model import LocalStat
from syncd.ports import Openness

RECENT_S = 1.0
"""How old a look at all processes may be where leases are refused: one a second, not one a file."""


def may_go(openness: Openness, stat: LocalStat, now_ns: int, blind_s: float) -> bool:
    """Whether nobody has it open. Where that cannot be known: whether it was not touched for `blind_s` seconds."""
    match openness:
        case Openness.CLOSED:
            return True
        case Openness.OPEN:
            return False
        case Openness.UNKNOWN:
            return untouched_s(stat, now_ns) >= blind_s


def untouched_s(stat: LocalStat, now_ns: int) -> float:
    """Seconds since it was touched. An mtime in the future was set by hand: the ctime, which nobody can set, tells."""
    touched_ns = stat.ctime_ns if stat.mtime_ns > now_ns else max(stat.mtime_ns, stat.ctime_ns)
    return (now_ns - touched_ns) / 1e9
