"""The run report: what monitoring reads, field for field as the old tool wrote it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from syncd.config.types import Pair
from syncd.core.model import Mode
from syncd.engine.report import CycleReport
from syncd.errors import SyncdError

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


def write_json(path: Path, value: dict[str, Any] | Sequence[dict[str, Any]]) -> None:
    """Write it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    temporary.replace(path)
