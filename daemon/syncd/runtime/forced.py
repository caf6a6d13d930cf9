"""force-sync: run now, and, where asked, wait until every file present at the call is durable on the other side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.backlog import Waiting
from syncd.ports import Clock
from syncd.runtime.status import cycle_row
from syncd.workers.reconciler import Reconciler
from syncwire.exits import Exit, gravest

SLICE_S = 0.2
LOST = {"unreachable", "auth-expired", "throttled"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked. `path`: one file or folder of the one pair. `timeout`: seconds, None for as long as it takes."""

    wait: bool
    timeout: float | None
    path: RelPath | None
    progress: Callable[[dict[str, Any]], None]
    gone: Callable[[], bool]
    rest: Callable[[float], object]  # an interruptible sleep


def force_sync(reconcilers: Sequence[Reconciler], request: Request, clock: Clock) -> dict[str, Any]:
    """Wake the passes; without `wait` that is all. The answer is that of `control.port.Daemon.force_sync`."""
    folder = None if request.path is None else _folder(request.path)
    began = clock.now()
    tickets = {each: each.ask(folder) for each in reconcilers}
    if not request.wait:
        return {"cycles": [], "missing": [], "exit_code": int(Exit.OK)}
    deadline = None if request.timeout is None else clock.monotonic() + request.timeout
    codes: list[Exit] = []
    missing: list[dict[str, Any]] = []
    for each, ticket in tickets.items():
        code, left = _wait_one(each, ticket, folder, request, clock, deadline)
        codes.append(code)
        missing += [{"pair": each.section.name, "path": one.path, "reason": one.reason or one.state} for one in left]
    return {
        "cycles": [cycle_row(each.section) for each in reconcilers if _has_run(each, began)],
        "missing": missing,
        "exit_code": int(gravest(codes)),
    }


def _has_run(reconciler: Reconciler, since: float) -> bool:
    """Whether a full pass began after the call and ended: an older one's counts are no answer to it."""
    report = reconciler.section.last_report
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
                return Exit.TEMPORARY, _waiting(reconciler, request.path, wanted)
            if deadline is not None and clock.monotonic() >= deadline:
                return Exit.TIMED_OUT, _waiting(reconciler, request.path, wanted)
        _tell(reconciler, request)
        if request.gone() or reconciler.stop.stopped():
            return Exit.TEMPORARY, _waiting(reconciler, request.path, wanted)
        left = _waiting(reconciler, request.path, wanted)
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
        if _pause(request, clock, deadline):
            return Exit.TIMED_OUT, left
        if request.gone():
            return Exit.TEMPORARY, left
        ticket = reconciler.ask(folder)


def _pause(request: Request, clock: Clock, deadline: float | None) -> bool:
    """A breath between two passes over what is still being written. True when the time is up."""
    until = clock.monotonic() + 1.0
    while clock.monotonic() < until and not request.gone():
        if deadline is not None and clock.monotonic() >= deadline:
            return True
        request.rest(SLICE_S)
    return False


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


def _waiting(reconciler: Reconciler, path: RelPath | None, wanted: frozenset[RelPath] | None) -> list[Waiting]:
    """What waits of what was asked for (or a folder above it that was not seen): on its way up, or whatever failed."""
    downloads = reconciler.section.pair.mode is Mode.DOWNLOAD
    return [
        each
        for each in reconciler.section.backlog.snapshot()
        if (wanted is None or each.path in wanted)
        and (path is None or f"{each.path}/".startswith(f"{path}/") or path.startswith(f"{each.path}/"))
        and (not downloads or each.state == "failed")
    ]
