"""From what was seen of a path to the cell of the table it stands in."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.model import (
    Digest,
    ListedObject,
    LocalStat,
    LocalState,
    Mode,
    Origin,
    ProofKind,
    Record,
    RemoteState,
    racy,
)
from syncd.core.reconcile import Cell, Local, Remote, Same


@dataclass(frozen=True, slots=True)
class Sides:
    """What the cheap look (row, lstat, LIST) saw of one path. `staged`: its file lies under .syncd/cleaning."""

    record: Record | None
    stat: LocalStat | None
    listed: ListedObject | None
    staged: LocalStat | None = None


def local_changed(record: Record, stat: LocalStat) -> bool:
    """Whether the stat asks for a look at the content. A file touched within 2 s of the last look always does."""
    return record.stat != stat or racy(stat, record.looked_ns)


def settled(sides: Sides, *, mode: Mode, cleans: bool) -> bool:
    """Whether the cheap look alone shows that nothing is to be done: the common case of a cycle, kept cheap."""
    record, stat, listed = sides.record, sides.stat, sides.listed
    if record is None:
        return (mode is Mode.UPLOAD and stat is None) or (mode is Mode.DOWNLOAD and listed is None)
    if record.remote is RemoteState.ABSENT:
        remote_still = listed is None
    else:
        remote_still = listed is not None and listed.etag == record.etag
    if not remote_still:
        return False
    if record.local is LocalState.PRESENT:
        still = stat is not None and record.digest is not None and not local_changed(record, stat)
        return still and not (cleans and record.remote is RemoteState.PRESENT and cleanable(record))
    return stat is None and record.local is not LocalState.CLEANING and record.remote is RemoteState.PRESENT


def cleanable(record: Record) -> bool:
    """Whether this host may clean it: uploaded here, provable, and not back after a cleaning."""
    return record.origin is Origin.UPLOADED and record.proof is not ProofKind.UNPROVEN and not record.kept


def _provable(record: Record, listed: ListedObject | None) -> bool:
    """Whether there is proof already, or the object can be read to find it."""
    return record.proof is not ProofKind.NONE or listed is None or not listed.archived


def local_side(sides: Sides, digest: Digest | None) -> Local:
    """The local change by content. `digest` is the file's own, in the record's type, where its stat moved."""
    record, stat = sides.record, sides.stat
    if record is None:
        return Local.ABSENT if stat is None else Local.MODIFIED
    if record.local is LocalState.CLEANING and sides.staged is not None:
        return Local.STAGED  # whatever lies at the path by now is looked at once the cleaning is over
    if stat is None:
        return _missing(record)
    if record.local in {LocalState.ABSENT, LocalState.CLEANED} or record.digest is None:
        return Local.MODIFIED
    if not local_changed(record, stat):
        return Local.UNCHANGED
    return Local.UNCHANGED if digest == record.digest else Local.MODIFIED


def _missing(record: Record) -> Local:
    match record.local:
        case LocalState.PRESENT:
            return Local.DELETED if record.digest is not None else Local.ABSENT
        case LocalState.ABSENT:
            return Local.ABSENT
        case LocalState.CLEANED | LocalState.CLEANING:
            return Local.CLEANED


def remote_side(record: Record | None, listed: ListedObject | None) -> Remote:
    """The remote change by ETag. A new ETag is a question that one HEAD answers (see `cell`)."""
    if record is None:
        return Remote.ABSENT if listed is None else Remote.MODIFIED
    if listed is None:
        return Remote.ABSENT if record.remote is RemoteState.ABSENT else Remote.DELETED
    if record.remote is RemoteState.PRESENT and listed.etag == record.etag:
        return Remote.UNCHANGED
    return Remote.SEEN if listed.etag == record.seen else Remote.MODIFIED


def cell(
    sides: Sides,
    digest: Digest | None,
    *,
    same_as_record: bool,
    same: Same,
    local_wins: bool,
    ours: bool,
    stays: bool = False,
) -> Cell:
    """Put what was learnt together. `same_as_record`: the object under a new ETag has the recorded content.

    `stays`: a file that may be cleaned is not due (`core.clearing`).
    """
    record = sides.record
    local, remote = local_side(sides, digest), remote_side(record, sides.listed)
    refreshed = record is not None and sides.stat is not None and local_changed(record, sides.stat)
    cleans = record is not None and cleanable(record) and _provable(record, sides.listed) and not stays
    if remote in {Remote.MODIFIED, Remote.SEEN} and same_as_record and record is not None:
        cleans = False  # the proof is of the recorded ETag: the record takes the new one first
        if record.remote is RemoteState.ABSENT:
            same = Same.SAME if local is Local.UNCHANGED else same  # really back, with what we still have
        elif local is not Local.STAGED:  # what is staged comes back: only the recorded ETag lets it go
            remote, refreshed = Remote.UNCHANGED, True
    return Cell(
        local=local,
        remote=remote,
        same=same,
        local_wins=local_wins,
        restored=record is not None and record.restored,
        cleanable=cleans,
        cleaning=record is not None and record.local is LocalState.CLEANING,
        after_cleaning=record is not None and record.local in {LocalState.CLEANED, LocalState.CLEANING},
        refreshed=refreshed,
        ours=ours and record is None,
        archived=sides.listed is not None and sides.listed.archived,
        staged_changed=_staged_changed(sides),
    )


def _staged_changed(sides: Sides) -> bool:
    record, staged = sides.record, sides.staged
    if record is None or record.stat is None or staged is None:
        return False
    if record.proof is ProofKind.UNPROVEN:  # an audit took its proof back: nothing of it goes
        return True
    return not staged.same_file(record.stat)
