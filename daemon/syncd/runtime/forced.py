"""force-sync: run now, and, where asked, wait until every file present at the call is durable on the other side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.backlog import Waiting
from syncd.ports import Clock
from syncd.runtime.force_request import LOST, SLICE_S
from syncd.runtime.force_request import Request as Request
from syncd.runtime.forced_batch import batch_cycle, wait_batch
from syncd.runtime.status import cycle_row
from syncd.workers.archiver import Archiver
from syncd.workers.reconciler import Reconciler
from syncwire.exits import Exit, gravest


def force_sync(
    reconcilers: Sequence[Reconciler], request: Request, clock: Clock, archivers: Sequence[Archiver] = ()
) -> dict[str, Any]:
    """Wake the workers; without `wait` that is all. The answer is that of `control.port.Daemon.force_sync`."""
    folder = None if request.path is None else _folder(request.path)
    began = clock.now()
    tickets = {each: each.ask(folder) for each in reconcilers}
    runs = {each: each.ask(plans=request.wait) for each in archivers}
    if not request.wait:
        return {"cycles": [], "missing": [], "exit_code": int(Exit.OK)}
    deadline = None if request.timeout is None else clock.monotonic() + request.timeout
    codes: list[Exit] = []
    missing: list[dict[str, Any]] = []
    for each, ticket in tickets.items():
        code, left = _wait_one(each, ticket, folder, request, clock, deadline)
        codes.append(code)
        missing += [{"pair": each.section.name, "path": one.path, "reason": one.reason or one.state} for one in left]
    for archiver, ticket in runs.items():
        code, absent = wait_batch(archiver, ticket, request, clock, deadline)
        codes.append(code)
        missing += [{"pair": archiver.section.name, "path": one.path, "reason": one.reason} for one in absent]
    return {
        "cycles": [
            *(cycle_row(each.section) for each in reconcilers if _has_run(each, began)),
            *(batch_cycle(each.section) for each in archivers if _has_run(each, began)),
        ],
        "missing": missing,
        "exit_code": int(gravest(codes)),
    }


def _has_run(worker: Reconciler | Archiver, since: float) -> bool:
    """Whether a full pass began after the call and ended: an older one's counts are no answer to it."""
    report = worker.section.last_report
    return report is not None and report.started_at >= since


def _folder(path: RelPath) -> RelPath | None:
    parent = path.rpartition("/")[0]
    return RelPath(parent) if parent else None


def _wait_one(
    reconciler: Reconciler,
    ticket: int,
    folder: RelPath | None,
    request: Request,
    clock: Clock,
    deadline: float | None,
) -> tuple[Exit, list[Waiting]]:
    """Passes until what the first one met is on the other side, or no pass can mend what is left of it."""
    section = reconciler.section
    wanted: frozenset[RelPath] | None = None
    while True:
        while not reconciler.wait_for(ticket, SLICE_S):
            _tell(reconciler, request)
            if request.gone() or reconciler.stop.stopped():  # then that pass may never begin
                return Exit.TEMPORARY, _waiting(reconciler, request, wanted)
            if deadline is not None and clock.monotonic() >= deadline:
                return Exit.TIMED_OUT, _waiting(reconciler, request, wanted)
        _tell(reconciler, request)
        if request.gone() or reconciler.stop.stopped():
            return Exit.TEMPORARY, _waiting(reconciler, request, wanted)
        left = _waiting(reconciler, request, wanted)
        if section.state == "halted":
            return Exit.HALTED, left
        if section.state in LOST and deadline is None:
            return Exit.TEMPORARY, left
        if section.state not in LOST and reconciler.failed:
            return Exit.FAILED, left
        # A pass that began after the call met every file that was there then: from now on only these count.
        if wanted is None and section.state not in LOST:
            wanted = frozenset(each.path for each in left)
        moving = [each for each in left if each.state in {"queued", "writing", "contended"}]
        if section.state not in LOST and not moving:
            return (Exit.ITEMS_FAILED if left else Exit.OK), left
        if request.pause(clock, 1.0, deadline, reconciler.stop):
            return Exit.TIMED_OUT, left
        if request.gone():
            return Exit.TEMPORARY, left
        ticket = reconciler.ask(folder)


def _tell(reconciler: Reconciler, request: Request) -> None:
    waiting = reconciler.section.backlog.snapshot()
    request.progress(
        {
            "pair": reconciler.section.name,
            "state": reconciler.section.state,
            "pending_files": len(waiting),
            "pending_bytes": sum(each.size for each in waiting),
        }
    )


def _waiting(reconciler: Reconciler, request: Request, wanted: frozenset[RelPath] | None) -> list[Waiting]:
    """What waits of what was asked for (or a folder above it that was not seen): on its way up, or whatever failed."""
    downloads = reconciler.section.pair.mode is Mode.DOWNLOAD
    return [
        each
        for each in reconciler.section.backlog.snapshot()
        if (wanted is None or each.path in wanted)
        and request.covers(each.path)
        and (not downloads or each.state == "failed")
    ]
