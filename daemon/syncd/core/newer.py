"""Which of two contents is the newer: a total order, the same on every host (SEMANTICS.md, newer)."""

from __future__ import annotations

from syncd.core.model import LocalStat, ObjectFacts

NS = 1_000_000_000


def local_is_newer(stat: LocalStat, local_hex: str, facts: ObjectFacts, remote_hex: str, *, server_now: float) -> bool:
    """Compare whole seconds of mtime, clamped against clocks that run ahead, then the digests."""
    ours = min(stat.mtime_ns // NS, int(server_now))
    theirs = facts.last_modified_s
    if facts.mtime_ns is not None:
        theirs = min(facts.mtime_ns // NS, facts.last_modified_s)
    return (ours, local_hex) > (theirs, remote_hex)
