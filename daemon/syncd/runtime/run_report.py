"""The run report: what monitoring reads, field for field as the old tool wrote it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd import checkpoint
from syncd.config.types import Batch, Pair
from syncd.core.model import Mode
from syncd.engine.report import CycleReport
from syncd.errors import SyncdError
from syncd.local.translate import words

if TYPE_CHECKING:
    from syncd.workers.batch_report import BatchReport
    from syncd.workers.waiting import Waiting

UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


def run_report(
    pair: Pair, report: CycleReport | None, error: SyncdError | None, *, now: float, dry: bool
) -> dict[str, Any]:
    """One section's run. Without a report the run failed, by `error`."""
    counts = {} if report is None else report.counts
    moved = 0 if report is None else report.bytes_up + report.bytes_down
    seconds = 0.0 if report is None else report.duration_s
    size = 0 if report is None else report.local_bytes
    ends = [str(pair.local), pair.remote]
    if pair.mode is Mode.DOWNLOAD:
        ends.reverse()
    synced = counts.get("uploaded", 0) + counts.get("downloaded", 0)
    return {
        "timestamp": datetime.fromtimestamp(now, timezone.utc).astimezone().isoformat(timespec="seconds"),
        "tool": "syncd",
        "name": pair.name,
        "source": ends[0],
        "destination": ends[1],
        "status": _status(report, error, dry),
        "duration_seconds": round(seconds, 3),
        "files_synced": synced,
        "bytes_transferred": moved,
        "throughput_mbps": round(moved / 1e6 / seconds, 3) if seconds else 0.0,
        "source_size": human_size(size),
        "source_size_bytes": size,
        "s3_objects": 0 if report is None else report.remote_objects,
        "checksum_verification": {
            "enabled": pair.s3.checksum != "none",
            "algorithm": pair.s3.checksum.upper(),
            "verified": synced,
            "errors": counts.get("errors", 0),
        },
        "errors": _errors(report, error),
    }


def batch_run_report(
    batch: Batch, report: BatchReport | None, waiting: Waiting, *, now: float, dry: bool
) -> dict[str, Any]:
    """One batch's run: the fields of a pair's, and what an archiver counts. Objects are those that the run made."""
    counts = dict[str, int]() if report is None else report.counts
    seconds = 0.0 if report is None else report.duration_s
    moved = 0 if report is None else report.bytes_up
    synced = counts.get("archived", 0) + counts.get("uploaded", 0)
    size = moved + waiting.bytes
    return {
        "timestamp": datetime.fromtimestamp(now, timezone.utc).astimezone().isoformat(timespec="seconds"),
        "tool": "syncd",
        "name": batch.name,
        "source": str(batch.root),
        "destination": "s3://",
        "status": "dry-run" if dry else batch_status(report),
        "duration_seconds": round(seconds, 3),
        "files_synced": synced,
        "bytes_transferred": moved,
        "throughput_mbps": round(moved / 1e6 / seconds, 3) if seconds else 0.0,
        "source_size": human_size(size),
        "source_size_bytes": size,
        "s3_objects": counts.get("archives", 0) + counts.get("uploaded", 0),
        "checksum_verification": {
            "enabled": batch.s3.checksum != "none",
            "algorithm": batch.s3.checksum.upper(),
            "verified": synced,
            "errors": counts.get("errors", 0),
        },
        "archives": counts.get("archives", 0),
        "unlinked": counts.get("unlinked", 0),
        "waiting_files": waiting.files,
        "waiting_bytes": waiting.bytes,
        "errors": [] if report is None else _batch_errors(report),
    }


def batch_status(report: BatchReport | None) -> str:
    """In one word. What waits for min_files or for its age is as it should be."""
    if report is None or report.failure is not None:
        return "failed"
    incomplete = report.errors or report.left or report.stopped or report.counts["open"]
    return "partial" if incomplete else "success"


def _batch_errors(report: BatchReport) -> list[dict[str, str]]:
    rows = [] if report.failure is None else [{"path": "", "error": str(report.failure)}]
    rows += [{"path": f"{left.bucket}/", "error": left.reason} for left in report.left]
    return rows + [{"path": problem.where, "error": problem.reason} for problem in report.problems]


def _status(report: CycleReport | None, error: SyncdError | None, dry: bool) -> str:
    if report is None or error is not None:
        return "failed"
    if dry:
        return "dry-run"
    return (
        "partial"
        if report.errors or report.unseen or report.waiting or report.halted_plan or report.stopped
        else "success"
    )


def _errors(report: CycleReport | None, error: SyncdError | None) -> list[dict[str, str]]:
    rows = [] if error is None else [{"path": "", "error": str(error)}]
    for outcome in () if report is None else report.unfinished:
        reason = str(outcome.error) if outcome.error is not None else outcome.reason
        rows.append({"path": outcome.step.path, "error": reason})
    return rows


def human_size(size: float) -> str:
    """As the old tool wrote it: "150GB", "1.5MB"."""
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            break
        size /= 1000
    text = f"{size:.1f}".rstrip("0").rstrip(".")
    return f"{text}{unit}"


class ReportLost(SyncdError):
    """A run report could not be written; the run itself is as it is."""


def write_json(path: Path, value: dict[str, Any] | Sequence[dict[str, Any]]) -> None:
    """Write it whole or not at all. ReportLost where it cannot be: the one before stays."""
    temporary = path.with_name(f".{path.name}.partial")  # one name: a killed run's half is written over
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with checkpoint.STATE_REPORT:
                temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
            with checkpoint.STATE_REPORT_RENAME:
                temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        message, hint = words(error)
        raise ReportLost(f"the run report {path} was not written: {message}", hint=hint) from error
