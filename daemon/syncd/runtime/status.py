"""The status of the whole daemon as one immutable snapshot, made when something changed, at most every 250 ms."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from syncd import __version__
from syncd.engine.backlog import Waiting
from syncd.engine.report import CycleReport
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.syslog import SyslogState
from syncd.lifecycle.transfers import TransferBoard
from syncd.ports import Clock, Events
from syncd.runtime.batch_status import FAILING_AFTER_S, STALE_INTERVALS, batch_health, batch_row
from syncd.runtime.canaries import doubt, proven_at
from syncd.runtime.plane import plane_of
from syncd.runtime.times import rfc3339
from syncd.s3.counts import REQUEST_KINDS
from syncd.workers.audited import AuditStanding
from syncd.workers.base import Worker
from syncd.workers.batch import BatchSection
from syncd.workers.section import SKEW_SAID_S, Section

CHANGED = "changed"
PAUSE_S = 0.25
RECENT_RESTART_S = 600.0

COUNTS = ("conflicts", "held", "contended", "unrepresentable", "superseded", "diverged", "archived", "unproven")
CYCLE_COUNTS = ("uploaded", "downloaded", "skipped", "deleted", "cleaned", "conflicts", "errors")


class StatusBoard(Worker):
    """Keeps the snapshot fresh. `snapshot` takes no lock and no SQL; ages are added to a copy when it is asked for."""

    def __init__(
        self,
        sections: Sequence[Section],
        batches: Sequence[BatchSection] = (),
        *,
        hostname: str,
        transfers: TransferBoard,
        totals: Callable[[], dict[str, int]],
        unresolved: Callable[[str], int],
        syslog: Callable[[], SyslogState | None] = lambda: None,
        pace: Callable[[], dict[str, Any] | None] = lambda: None,
        stop: Stop,
        events: Events,
        clock: Clock,
    ) -> None:
        super().__init__("status", deadline=60.0, stop=stop, events=events, clock=clock)
        self.workers: Sequence[Worker] = ()
        self._sections = sections
        self._batches = batches
        self._hostname = hostname
        self._transfers = transfers
        self._totals = totals
        self._unresolved = unresolved
        self._syslog = syslog
        self._pace = pace
        self._started = clock.now()
        self._snapshot: dict[str, Any] = {}
        self._waiting: dict[str, float | None] = {}
        for section in (*sections, *batches):
            section.changed = lambda: self.wake(CHANGED)

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """Make the snapshot anew, then rest, so that a storm of changes costs four a second at most."""
        self.refresh()
        self.stop.wait(PAUSE_S)
        return PAUSE_S if self._transfers.totals()["running"] else 5.0

    def refresh(self) -> None:
        """Make the snapshot now."""
        rows, oldest = list[dict[str, Any]](), dict[str, float | None]()
        for section in self._sections:
            waiting = section.backlog.snapshot()
            rows.append(self._pair(section, waiting))
            oldest[section.name] = waiting[0].since if waiting else None
        moving = {str(row["pair"]).partition("/")[0] for row in self._transfers.snapshot()}
        batches = [batch_row(each, transferring=each.name in moving) for each in self._batches]
        oldest |= {each.name: each.waiting.since for each in self._batches}
        snapshot = {
            "schema_version": 1,
            "version": __version__,
            "pid": os.getpid(),
            "started_at": rfc3339(self._started),
            "host": self._hostname,
            "workers": {worker.name: _worker(worker) for worker in self.workers},
            "pairs": rows,
            "batches": batches,
            "copies": [],
            "mirrors": [],
            "transfers": self._transfers.snapshot(),
            "s3": self._s3([*rows, *batches]),
            "syslog": _syslog(self._syslog()),
            "pace": self._pace(),
        }
        health, reasons = self._health(rows, oldest)
        snapshot["health"], snapshot["health_reasons"] = health, reasons
        self._waiting, self._snapshot = oldest, snapshot

    def snapshot(self) -> dict[str, Any]:
        """The last snapshot, with the ages as they are now."""
        if not self._snapshot:
            self.refresh()
        now, oldest = self.clock.now(), self._waiting
        aged: dict[str, Any] = {"uptime_seconds": round(now - self._started, 1)}
        for kind in ("pairs", "batches"):
            ages = [(row, oldest.get(row["name"])) for row in self._snapshot[kind]]
            aged[kind] = [
                row | {"oldest_unprotected_seconds": None if since is None else round(now - since, 1)}
                for row, since in ages
            ]
        return self._snapshot | aged

    def line(self) -> str:
        """One line for systemd's STATUS=."""
        snapshot = self.snapshot()
        parts = [f"health {snapshot['health']}"]
        for pair in snapshot["pairs"]:
            parts.append(
                f"{pair['name']}: {pair['state']}, {pair['tracked_files']} tracked, {pair['pending_files']} pending"
            )
        for batch in snapshot["batches"]:
            counts = f"{batch['archived_files']} archived, {batch['waiting_files']} waiting"
            parts.append(f"{batch['name']}: {batch['state']}, {counts}")
        return "; ".join(parts)

    # --- the rows ---

    def _pair(self, section: Section, waiting: Sequence[Waiting]) -> dict[str, Any]:
        report = section.last_report
        counts = _counts(section, waiting)
        counts["conflicts"] = self._unresolved(section.name)
        uploading = [row for row in self._transfers.snapshot() if row["pair"] == section.name]
        state = "transferring" if uploading and section.state in {"idle", "scanning"} else section.state
        return {
            "name": section.name,
            "mode": section.pair.mode.value,
            "local": str(section.pair.local),
            "remote": section.pair.remote,
            "state": state,
            "tracked_files": section.tracked,
            "pending_files": len(waiting),
            "pending_bytes": sum(each.size for each in waiting),
            "oldest_unprotected_seconds": None,
            "watch": section.watch,
            "halted_plan_id": section.halted_plan or None,
            "counts": counts,
            "held": [each.path for each in waiting if each.state == "held"][:20],
            "last_cycle": None if report is None else _cycle(report),
            "last_success_at": rfc3339(section.last_success_at),
            "last_full_pass_at": rfc3339(section.last_pass_at),
            "next_full_pass_at": rfc3339(section.next_pass_at),
            "paused_until": rfc3339(section.paused_until),
            "endpoint_proven_at": rfc3339(proven_at(section.context)),
            **plane_of([section.context]),
            "last_error": section.last_error or None,
            "audit": _audit(section.audit, self.clock.now()),
        }

    def _s3(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """What was sent since the start; `proven_at` of the endpoint that has gone longest without a canary."""
        totals = self._totals()
        return {
            "since": rfc3339(self._started),
            "requests": {kind: totals[kind] for kind in REQUEST_KINDS},
            "bytes_up": totals["bytes_up"],
            "bytes_down": totals["bytes_down"],
            "throttled": totals["throttled"],
            "retried": totals["retried"],
            "proven_at": min((row["endpoint_proven_at"] for row in rows if row["endpoint_proven_at"]), default=None),
        }

    def _health(self, rows: Sequence[dict[str, Any]], oldest: dict[str, float | None]) -> tuple[str, list[str]]:
        now = self.clock.now()
        failing, degraded = [], []
        for section, row in zip(self._sections, rows):
            bad, poor = _pair_health(section, row, oldest[section.name], now, self._started)
            failing += bad
            degraded += poor
        for batch in self._batches:
            bad, poor = batch_health(batch, now, self._started)
            failing += bad
            degraded += poor
        for worker in self.workers:
            health = worker.health()
            if health.last_restart_age_s is not None and health.last_restart_age_s < RECENT_RESTART_S:
                degraded.append(
                    f"worker {worker.name} was restarted {health.last_restart_age_s:.0f} s ago: {health.last_error}"
                )
        if failing:
            return "failing", failing + degraded
        return ("degraded", degraded) if degraded else ("ok", [])


def _pair_health(
    section: Section, row: dict[str, Any], oldest: float | None, now: float, started: float
) -> tuple[list[str], list[str]]:
    name, failing, degraded = section.name, [], []
    unsuccessful = now - (section.last_success_at or started)
    if section.state == "halted":
        failing.append(f"{name} is halted: {section.last_error}")
    elif section.paused_until is None and unsuccessful > FAILING_AFTER_S:
        failing.append(f"{name} had no success for {unsuccessful / 60:.0f} min: {section.last_error}")
    elif section.last_error:
        degraded.append(f"{name}: {section.last_error}")
    limit = STALE_INTERVALS * section.pair.interval.total_seconds()
    if oldest is not None and now - oldest > limit and section.paused_until is None:
        degraded.append(f"{name}: the oldest unprotected file waits for {now - oldest:.0f} s")
    if abs(section.clock_skew_s) > SKEW_SAID_S:
        degraded.append(f"{name}: the server's clock is {section.clock_skew_s:+.0f} s from ours: set the time (chrony)")
    unproven = doubt(section.context)
    if unproven:
        degraded.append(f"{name}: {unproven}")
    if section.audit.differences:
        found = "a path whose bytes are" if section.audit.differences == 1 else "paths whose bytes are"
        number = "" if section.audit.differences == 1 else f"{section.audit.differences} "
        degraded.append(
            f"{name}: the audit found {number}{found} no longer the recorded ones, {section.audit.first} first: "
            f"`synctl verify {name} --download --path {section.audit.first}` shows it, the log says what mends it"
        )
    if section.watch == "polling":
        degraded.append(f"{name} is watched by polling: changes are found once an interval only")
    if row["counts"]["held"]:
        degraded.append(f"{name}: {row['counts']['held']} files are still being written after settle_max")
    return failing, degraded


def _counts(section: Section, waiting: Sequence[Waiting]) -> dict[str, int]:
    by_state = Counter(each.state for each in waiting)
    shown = {} if section.last_report is None else section.last_report.shown
    counts = {name: shown.get(name, 0) for name in COUNTS}
    counts["held"], counts["contended"] = by_state["held"], by_state["contended"]
    return counts


def _cycle(report: CycleReport) -> dict[str, Any]:
    return {
        "id": report.id,
        "started_at": rfc3339(report.started_at),
        "duration_seconds": round(report.duration_s, 3),
        **{name: report.counts.get(name, 0) for name in CYCLE_COUNTS},
        "bytes_up": report.bytes_up,
        "bytes_down": report.bytes_down,
        "requests": report.requests,
    }


def _audit(audit: AuditStanding, now: float) -> dict[str, Any]:
    age = None if audit.finished_at is None else round(max(now - audit.finished_at, 0.0), 1)
    return {
        "enabled": audit.period_s is not None,
        "period_seconds": audit.period_s,
        "done_share": round(audit.done_share, 4),
        "oldest_seconds": age,
        "differences": audit.differences,
    }


def _syslog(state: SyslogState | None) -> dict[str, Any] | None:
    return None if state is None else asdict(state) | {"last_error": state.last_error or None}


def _worker(worker: Worker) -> dict[str, Any]:
    health = worker.health()
    return {
        "state": health.state,
        "heartbeat_age_seconds": round(health.heartbeat_age_s, 1),
        "restarts": health.restarts,
        "last_error": health.last_error or None,
        "waiting_on": health.waiting_on or None,
    }


def cycle_row(section: Section) -> dict[str, Any]:
    """The last pass of a section, for the answer of a force-sync."""
    report = section.last_report
    return {"pair": section.name} | ({} if report is None else _cycle(report))
