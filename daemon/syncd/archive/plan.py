"""What a run would do, file by file."""

from __future__ import annotations

from collections.abc import Iterator

from syncd.archive.report import PlanRow
from syncd.archive.selection import Selection
from syncd.archive.world import BatchFolder
from syncd.core.batching import Choice, Waits, Why
from syncd.core.paths import order

BUSY = "it is in an archive already, and goes from here once that is proven"
OPEN = "somebody has it open"
ALONE = "it went up as it is, and goes from here once that is proven"


def plan(folder: BatchFolder, selection: Selection, choice: Choice) -> Iterator[PlanRow]:
    """A row for each file, in key order."""
    rows = [*_moves(choice), *_waits(folder, choice), *_left(selection)]
    rows.sort(key=lambda row: order(row.path))
    return iter(rows)


def _moves(choice: Choice) -> Iterator[PlanRow]:
    for pack in choice.packs:
        where = (
            f"with {len(pack.members)} of its key folder" if pack.folder else f"with {len(pack.members)} at the root"
        )
        for one in pack.members:
            yield PlanRow(path=one.path, action="archive", reason=where, size=one.stat.size, folder=pack.folder)
    for one in choice.alone:
        reason = "no archive takes it (max_size, spool_max, or the length of its folder's name): it goes up as it is"
        yield PlanRow(path=one.path, action="upload", reason=reason, size=one.stat.size)


def _waits(folder: BatchFolder, choice: Choice) -> Iterator[PlanRow]:
    for waits in choice.waiting:
        reason = _why(folder, waits)
        for one in waits.members:
            yield PlanRow(path=one.path, action="wait", reason=reason, size=one.stat.size, folder=waits.folder)


def _why(folder: BatchFolder, waits: Waits) -> str:
    batch, due = folder.batch, f"due in {waits.due_s:.0f} s"
    match waits.why:
        case Why.YOUNG:
            return f"touched less than min_age or settle ago; {due}"
        case Why.FEW:
            return f"its folder has fewer than {batch.min_files} files and none older than max_age; {due}"
        case Why.ROOM:
            return "the spool takes no more in this run; the next one takes it"


def _left(selection: Selection) -> Iterator[PlanRow]:
    for one in selection.candidates:
        if one.path in selection.opened:
            yield PlanRow(path=one.path, action="leave", reason=OPEN, size=one.stat.size)
        elif one.path in selection.unreadable:
            yield PlanRow(path=one.path, action="leave", reason=selection.unreadable[one.path], size=one.stat.size)
    for path, size in selection.busy.items():
        yield PlanRow(path=path, action="leave", reason=BUSY, size=size)
    for path, size in selection.up_already.items():
        yield PlanRow(path=path, action="leave", reason=ALONE, size=size)
