"""force-sync of a batch: run now, and wait until every file present at the call is in an archive that is proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from syncd.archive.plan import BUSY
from syncd.core.archive import ArchiveState
from syncd.ports import Clock
from syncd.runtime.batch_status import run_row
from syncd.runtime.force_request import LOST, SLICE_S, Request
from syncd.workers.archiver import Archiver
from syncd.workers.batch import BatchSection
from syncwire.exits import Exit

BREATH_S, LONG_BREATH_S = 1.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One file (or bucket folder) that is not on S3 yet. `moving`: time or another run may mend it."""

    path: str
    reason: str
    moving: bool


def wait_batch(
    archiver: Archiver, ticket: int, request: Request, clock: Clock, deadline: float | None
) -> tuple[Exit, list[Missing]]:
    """Runs until what the first one met is on S3, or no run can mend what is left of it.

    Originals are removed afterwards: that nobody waits for.
    """
    section = archiver.section
    left: list[Missing] = []
    wanted: frozenset[str] | None = None
    while True:
        while not archiver.wait_for(ticket, SLICE_S):
            _tell(section, request)
            if request.gone() or archiver.stop.stopped():  # then that run may never begin
                return Exit.TEMPORARY, left
            if deadline is not None and clock.monotonic() >= deadline:
                return Exit.TIMED_OUT, left or [_unknown(section)]
        _tell(section, request)
        if request.gone() or archiver.stop.stopped():
            return Exit.TEMPORARY, left
        ended = _ended(archiver, waits=deadline is not None)
        if ended is not None:
            return ended, left or [_unknown(section)]
        if section.state not in LOST:
            seen = _left(archiver, ticket, request, wanted)
            if seen is not None:
                # A run that began after the call met every file that was there then: from now on only these count.
                left, wanted = seen, frozenset(each.path for each in seen) if wanted is None else wanted
                if not any(each.moving for each in left):
                    return (Exit.ITEMS_FAILED if left else Exit.OK), left
        if request.pause(clock, _breath(section), deadline, archiver.stop):
            return Exit.TIMED_OUT, left or [_unknown(section)]
        if request.gone():
            return Exit.TEMPORARY, left
        ticket = archiver.ask(plans=True)


def batch_cycle(section: BatchSection) -> dict[str, Any]:
    """The last run of a batch, for the answer of a force-sync."""
    report = section.last_report
    if report is None:
        return {"pair": section.name}
    told, archived = run_row(report), sum(each.bytes for each in report.folders)
    kept = ("started_at", "duration_seconds", "archives", "archived", "uploaded", "errors", "requests")
    return {
        "pair": section.name,
        **{name: told[name] for name in kept},
        "cleaned": told["unlinked"],
        "bytes_archived": archived,
        "bytes_up": report.bytes_up - archived,
    }


def _ended(archiver: Archiver, *, waits: bool) -> Exit | None:
    """Why waiting longer makes no sense; None where it does."""
    state = archiver.section.state
    if state == "halted":
        return Exit.HALTED
    if state in LOST:
        return None if waits else Exit.TEMPORARY
    return Exit.FAILED if archiver.failed else None


def _left(archiver: Archiver, ticket: int, request: Request, wanted: frozenset[str] | None) -> list[Missing] | None:
    """What another run would still have to do, and what the last one failed in. None: it cannot be seen."""
    section, planned = archiver.section, archiver.planned(ticket)
    if planned is None:
        return None

    def counts(path: str) -> bool:
        return request.covers(path) and (wanted is None or path in wanted)

    found: dict[str, Missing] = {}
    for bucket, row in planned:
        path = f"{bucket}/{row.path}" if row.path else bucket
        if row.reason != BUSY and counts(path):
            found[path] = Missing(path=path, reason=row.reason, moving=bool(row.path) and row.action != "leave")
    waiting = {bucket for bucket, row in planned if not row.path}
    found |= {each.path: each for each in _sealed(section, request, but=waiting)}
    report = section.last_report
    for problem in () if report is None else report.problems:
        if problem.where in found or counts(problem.where):
            found[problem.where] = Missing(path=problem.where, reason=problem.reason, moving=False)
        if problem.where.endswith("/spool"):  # there is no room to seal anything: no run mends that
            found = {path: replace(each, reason=problem.reason, moving=False) for path, each in found.items()}
    return list(found.values())


def _sealed(section: BatchSection, request: Request, *, but: set[str]) -> Iterator[Missing]:
    """Archives that are not on S3 yet, for all that is known; any of them may hold what is waited for."""
    for bucket in set(section.buckets()) - but:
        for archive in section.store.unfinished(bucket):
            path = f"{bucket}/{archive.key}"
            folder = path.rpartition("/")[0]
            if archive.state is ArchiveState.SEALED and (request.covers(path) or request.covers(folder)):
                yield Missing(path=path, reason="sealed, and not proven on S3 yet", moving=True)


def _breath(section: BatchSection) -> float:
    report = section.last_report
    due = None if report is None else report.next_due_s
    return BREATH_S if due is None else min(max(due, BREATH_S), LONG_BREATH_S)


def _unknown(section: BatchSection) -> Missing:
    reason = section.last_error or "the run is not through yet"
    return Missing(path="", reason=reason, moving=True)


def _tell(section: BatchSection, request: Request) -> None:
    request.progress(
        {
            "pair": section.name,
            "state": section.state,
            "pending_files": section.waiting.files,
            "pending_bytes": section.waiting.bytes,
        }
    )
