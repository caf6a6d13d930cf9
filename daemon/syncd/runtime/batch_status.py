"""What status shows of a batch, and when it is a reason to worry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from syncd.archive.indexing import Health
from syncd.runtime.canaries import doubt, proven_at
from syncd.runtime.plane import plane_of
from syncd.runtime.times import rfc3339
from syncd.workers.batch import BatchSection
from syncd.workers.batch_report import BatchReport

FAILING_AFTER_S = 900.0
STALE_INTERVALS = 3


def batch_row(section: BatchSection, *, transferring: bool) -> dict[str, Any]:
    """One batch as INTERFACE.md has it. `transferring`: something of it is on its way now."""
    folders, waiting, totals, indexed = section.folders(), section.waiting, section.totals, section.indexed
    moves = transferring and section.state in {"idle", "scanning"}
    return {
        "name": section.name,
        "root": str(section.batch.root),
        "state": "transferring" if moves else section.state,
        "waiting_files": waiting.files,
        "waiting_bytes": waiting.bytes,
        "oldest_unprotected_seconds": None,  # an age: added when it is asked for
        "archived_files": totals.files,
        "archives": totals.archives,
        "unlinking": sum(folder.unlinking for folder in folders),
        "index": {
            "state": indexed.health.value,
            "queued": indexed.queued,
            "dead": indexed.dead,
            "error": indexed.error or None,
        },
        "folders": [
            {"bucket": folder.bucket, "state": folder.state, "reason": folder.reason or None} for folder in folders
        ],
        "last_run": None if section.last_report is None else run_row(section.last_report),
        "last_success_at": rfc3339(section.last_success_at),
        "next_run_at": rfc3339(section.next_run_at),
        "paused_until": rfc3339(section.paused_until),
        "endpoint_proven_at": rfc3339(_proven_at(section)),
        **plane_of(section.contexts()),
        "last_error": section.last_error or None,
    }


def run_row(report: BatchReport) -> dict[str, Any]:
    """One run of a batch."""
    return {
        "started_at": rfc3339(report.started_at),
        "duration_seconds": round(report.duration_s, 3),
        **report.counts,
        "bytes_up": report.bytes_up,
        "requests": dict(report.requests),
    }


def batch_health(section: BatchSection, now: float, started: float) -> tuple[list[str], list[str]]:
    """Why it is failing, and why it is degraded, in words. `started`: when the daemon began."""
    name, batch, failing = section.name, section.batch, list[str]()
    degraded = [f"{name}: {folder.bucket}: {folder.reason}" for folder in section.folders() if folder.reason]
    interval = batch.interval.total_seconds()
    unsuccessful = now - (section.last_success_at or started)
    if section.state == "halted":
        failing.append(f"{name} is halted: {section.last_error}")
    elif section.paused_until is None and unsuccessful > max(FAILING_AFTER_S, STALE_INTERVALS * interval):
        failing.append(f"{name} had no success for {unsuccessful / 60:.0f} min: {section.last_error}")
    elif section.last_error and not _told(section.last_error, degraded):
        degraded.append(f"{name}: {section.last_error}")
    for context in section.contexts():
        unproven = doubt(context)
        if unproven:
            degraded.append(f"{context.pair.name}: {unproven}")
    indexed = section.indexed
    if indexed.health is Health.DOWN:
        queued = f"{indexed.queued} archives wait for it, nothing is lost"
        degraded.append(f"{name}: the index is down: {indexed.error or 'no answer'}; {queued}")
    patience = batch.max_age.total_seconds() + STALE_INTERVALS * interval
    since = section.waiting.since
    if since is not None and now - since > patience and section.paused_until is None:
        degraded.append(f"{name}: the oldest file that is not archived waits for {now - since:.0f} s")
    return failing, degraded


def _proven_at(section: BatchSection) -> float | None:
    """Of the bucket that has gone longest without a canary; None where one is not proven."""
    found = [proven_at(context) for context in section.contexts()]
    return None if None in found else min((at for at in found if at is not None), default=None)


def _told(error: str, reasons: Sequence[str]) -> bool:
    return any(reason.endswith(error) for reason in reasons)
