"""What a pass knows before it decides which proven files are due: the time, the newest, how full the disk is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from syncd.core.classify import local_changed
from syncd.core.clearing import ALL_DUE, Clearance, age_of, relief, to_free
from syncd.core.model import Record
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.errors import ItemError, Stale
from syncd.ports import Openness

SECOND = 1_000_000_000

PRESSED_AT_MOST = 50_000
"""So many files a full disk takes in one pass; a minute later the next pass takes more."""


def clearance_of(context: Context) -> Clearance:
    """What holds for a pass that begins now. Asks the records and the file system only where the pair asks for it."""
    pair = context.pair
    if not pair.cleanup:
        return ALL_DUE
    place = context.records.nth_newest(pair.cleanup_keep_newest) if pair.cleanup_keep_newest else None
    clearance = Clearance(
        now_ns=context.clock.now_ns(),
        after_ns=round(pair.cleanup_after.total_seconds() * SECOND),
        keep_newest=pair.cleanup_keep_newest,
        newest=None if place is None else age_of(*place),
    )
    if pair.cleanup_pressure is None:
        return clearance
    return replace(clearance, pressed=_pressed(context, clearance, pair.cleanup_pressure))


def _pressed(context: Context, clearance: Clearance, limit: float) -> frozenset[RelPath]:
    """What goes before its time. What is staged since the last pass frees its room in this one, so it counts."""
    try:
        usage = context.tree.usage()
    except ItemError:  # nobody can tell
        return frozenset()
    need = to_free(used=usage.used, size=usage.size, limit=limit, leaving=context.records.cleaning_bytes())
    return relief(_free_to_go(context, clearance), need) if need else frozenset()


def _free_to_go(context: Context, clearance: Clearance) -> Iterator[Record]:
    """Those due anyway, then the oldest; without those that would have to stay and never free any room."""
    due_ns = clearance.now_ns - clearance.after_ns
    for path in context.records.oldest_cleanable(PRESSED_AT_MOST, due_ns=due_ns):
        if context.stop.stopped():
            return
        record = context.records.get(path)
        if record is None or not context.wants(path) or clearance.among_newest(record):
            continue
        if _can_go(context, record):
            yield record


def _can_go(context: Context, record: Record) -> bool:
    """Whether its file is as recorded and nobody has it open, as the cleaning itself will ask again."""
    try:
        stat = context.tree.lstat(record.path)
        if stat is None or local_changed(record, stat):
            return False
        openness = context.tree.open_elsewhere(record.path, for_writing=False, max_age_s=1.0)
    except (Stale, ItemError):
        return False
    age_s = (context.clock.now_ns() - max(stat.mtime_ns, stat.ctime_ns)) / SECOND
    rested = age_s >= context.pair.cleanup_blind_age.total_seconds()
    return openness is Openness.CLOSED or (openness is Openness.UNKNOWN and rested)
