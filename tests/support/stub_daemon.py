"""A daemon without work: it answers the control socket from plain values and remembers what it was told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from syncd.control.port import NotFound, Row

PLAN_ROW = {
    "pair": "logs",
    "path": "a/one.gz",
    "action": "upload",
    "rule": "create-local",
    "reason": "it is new here",
    "size": 1200,
}


def pair_row(**changed: Any) -> Row:
    """One pair as status shows it, quiet and well."""
    row: Row = {
        "name": "logs",
        "mode": "upload",
        "local": "/var/log/loadtest",
        "remote": "s3://bucket/lt-07/",
        "endpoint_proven_at": "2026-11-20T07:00:00Z",
        "state": "idle",
        "tracked_files": 4000,
        "pending_files": 0,
        "pending_bytes": 0,
        "oldest_unprotected_seconds": 14.2,
        "watch": "inotify",
        "halted_plan_id": None,
        "counts": {
            "conflicts": 0,
            "held": 0,
            "contended": 0,
            "unrepresentable": 0,
            "superseded": 0,
            "diverged": 0,
            "archived": 0,
            "unproven": 0,
        },
        "last_cycle": {
            "id": "c-12",
            "started_at": "2026-11-20T13:00:00Z",
            "duration_seconds": 1.5,
            "uploaded": 12,
            "downloaded": 0,
            "skipped": 4000,
            "deleted": 0,
            "cleaned": 0,
            "conflicts": 0,
            "errors": 0,
            "bytes_up": 41_200_000,
            "bytes_down": 0,
            "requests": {"put": 12, "list": 4},
        },
        "last_success_at": "2026-11-20T13:00:39Z",
        "last_error": None,
        "audit": {
            "enabled": False,
            "period_seconds": None,
            "done_share": 0.0,
            "oldest_seconds": None,
            "differences": 0,
        },
    }
    return {**row, **changed}


def batch_row(**changed: Any) -> Row:
    """One batch as status shows it, quiet and well."""
    row: Row = {
        "name": "small",
        "root": "/srv/s3_buckets/batch",
        "endpoint_proven_at": "2026-11-20T07:00:00Z",
        "state": "idle",
        "waiting_files": 812,
        "waiting_bytes": 1_600_000,
        "oldest_unprotected_seconds": 40.0,
        "archived_files": 1204,
        "archives": 9,
        "unlinking": 0,
        "index": {"state": "ok", "queued": 0, "dead": 0, "error": None},
        "folders": [{"bucket": "lab", "state": "idle", "reason": None}],
        "last_run": {"started_at": "2026-11-20T12:56:30Z", "duration_seconds": 2.5, "archived": 600, "errors": 0},
        "last_success_at": "2026-11-20T12:56:40Z",
        "last_error": None,
    }
    return {**row, **changed}


def status_row(**changed: Any) -> Row:
    """The whole status, with one pair, healthy."""
    row: Row = {
        "schema_version": 1,
        "version": "0.3.0",
        "pid": 812,
        "started_at": "2026-11-17T09:00:00Z",
        "uptime_seconds": 3 * 86400 + 4 * 3600 + 40.0,
        "host": "lt-07",
        "health": "ok",
        "health_reasons": [],
        "workers": {
            "reconciler-logs": {
                "state": "waiting",
                "heartbeat_age_seconds": 0.4,
                "restarts": 0,
                "last_error": None,
            }
        },
        "pairs": [pair_row()],
        "batches": [],
        "copies": [],
        "mirrors": [],
        "transfers": [],
        "s3": {
            "requests": {"put": 41230, "get": 0, "list": 980, "head": 12, "delete": 0, "copy": 0},
            "bytes_up": 10,
            "bytes_down": 20,
            "throttled": 0,
            "retried": 0,
        },
    }
    return {**row, **changed}


VERIFIED_ROW = {
    "pair": "logs",
    "path": "a/one.gz",
    "sign": "*",
    "finding": "rotted.there",
    "reason": "S3 gives other bytes under the recorded ETag; the local file is good",
    "size": 1200,
    "intended": False,
}
VERIFY_PROGRESS = {
    "pair": "logs",
    "pairs": 1,
    "done": 40,
    "expected": 1204,
    "differences": 1,
    "errors": 0,
    "bytes_read": 48000,
    "eta_seconds": 12.5,
}
VERIFIED_SUMMARY = {
    "seed": None,
    "sample": 1.0,
    "download": True,
    "files": 1204,
    "same": 1203,
    "cleaned": 3,
    "claimed": 2,
    "only_here": 0,
    "only_on_s3": 0,
    "different": 1,
    "errors": 0,
    "intended": 0,
    "differences": 1,
    "skipped": 0,
    "bytes_read": 1_200_000,
    "elapsed_seconds": 3.25,
    "problems": [],
    "exit_code": 4,
}
FOUND_ROW = {
    "bucket": "lab",
    "key": "run-1/a.log",
    "size": 1200,
    "mtime": "2026-11-20T12:00:00.123456789Z",
    "archive": "s3://lab/run-1/01932f0a-0000-7000-8000-000000000001.tar",
    "archived_at": "2026-11-20T13:00:00Z",
    "offset": 512,
    "sha256": "ab" * 32,
    "host": "lt-07",
}
ARCHIVE_ROW = {
    "bucket": "lab",
    "key": "run-1/01932f0a-0000-7000-8000-000000000001.tar",
    "size": 102400,
    "files": 40,
    "bytes": 48000,
    "created_at": "2026-11-20T13:00:00Z",
}


def found_answer(**changed: Any) -> Row:
    """What a search answers that found one file."""
    return {"rows": [FOUND_ROW], "source": "records", "more": False, "problems": [], "exit_code": 0, **changed}


def restored_answer(**changed: Any) -> Row:
    """What a restore answers that brought one file back."""
    row = {"name": "lab/run-1/a.log", "path": "/back/lab/run-1/a.log", "outcome": "restored", "size": 1200}
    answer: Row = {
        "to": "/back",
        "restored": 1,
        "present": 0,
        "failed": 0,
        "bytes": 1200,
        "rows": [{**row, "reason": None}],
        "sources": ["records"],
        "problems": [],
        "exit_code": 0,
    }
    return {**answer, **changed}


def reindexed_answer(**changed: Any) -> Row:
    """What a reindex answers that indexed one archive."""
    return {"archives": 1, "documents": 40, "refused": 0, "problems": [], "exit_code": 0, **changed}


@dataclass
class StubArchives:
    """Set its answers before a call; `asked` holds what was asked for."""

    found: Row = field(default_factory=found_answer)
    listed: Row = field(default_factory=lambda: {**found_answer(archives=[ARCHIVE_ROW]), "rows": None})
    restored: Row = field(default_factory=restored_answer)
    reindexed: Row = field(default_factory=reindexed_answer)
    progress_rows: Iterable[Row] = ()
    error: Exception | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def find(
        self,
        pattern: str,
        *,
        versions: bool,
        source: str | None,
        limit: int,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        return self._answer(self.found, progress, "find", pattern, versions, source, limit)

    def listing(
        self, place: str | None, *, limit: int, progress: Callable[[Row], None], gone: Callable[[], bool]
    ) -> Row:
        answer = self._answer(self.listed, progress, "listing", place, limit)
        return {name: value for name, value in answer.items() if value is not None}

    def restore(
        self,
        keys: Sequence[str],
        *,
        to: str,
        view: str | None,
        versions: bool,
        source: str | None,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        return self._answer(self.restored, progress, "restore", list(keys), to, view, versions, source)

    def reindex(
        self, batch: str | None, bucket: str | None, *, progress: Callable[[Row], None], gone: Callable[[], bool]
    ) -> Row:
        return self._answer(self.reindexed, progress, "reindex", batch, bucket)

    def _answer(self, answer: Row, progress: Callable[[Row], None], *what: Any) -> Row:
        self.asked.append(what)
        if self.error is not None:
            raise self.error
        for row in self.progress_rows:
            progress(row)
        return answer


@dataclass
class StubVerified:
    """A verification of these rows."""

    found: Iterable[Row]
    total: Row

    def __iter__(self) -> Iterator[Row]:
        return iter(self.found)

    def summary(self) -> Row:
        return self.total


@dataclass
class StubDaemon:
    """Set its fields before a call; `told` holds every change that was asked for."""

    answer: Row = field(default_factory=status_row)
    plan_rows: Iterable[Row] = (PLAN_ROW,)
    verified_rows: Iterable[Row] = (VERIFIED_ROW,)
    verified_summary: Row = field(default_factory=lambda: {**VERIFIED_SUMMARY})
    history_rows: Iterable[Row] = ()
    conflict_rows: Iterable[Row] = ()
    trash_rows: Iterable[Row] = ()
    checks: Iterable[Row] = ()
    sync_answer: Row = field(default_factory=lambda: {"cycles": [], "missing": [], "exit_code": 0})
    progress_rows: Iterable[Row] = ()
    archives: StubArchives = field(default_factory=StubArchives)
    error: Exception | None = None
    told: list[tuple[Any, ...]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    left: threading.Event = field(default_factory=threading.Event)
    asked: list[Any] = field(default_factory=list)

    def status(self) -> Row:
        self._fail()
        return self.answer

    def force_sync(
        self,
        pair: str | None,
        path: str | None,
        wait: bool,
        timeout: float | None,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        self._change("force_sync", pair, path, wait, timeout)
        for row in self.progress_rows:
            progress(row)
        self.entered.release()
        while wait and not self.release.wait(0.01):
            if gone():
                self.left.set()
                return {"cycles": [], "missing": [], "exit_code": 5}
        return self.sync_answer

    def stop(self, now: bool) -> None:
        self._change("stop", now)

    def pause(self, name: str | None, seconds: float | None) -> None:
        self._known(name)
        self._change("pause", name, seconds)

    def resume(self, name: str | None, accept: str | None) -> None:
        self._known(name)
        self._change("resume", name, accept)

    def plan(self, pair: str | None) -> Iterable[Row]:
        self._known(pair)
        self._fail()
        return self.plan_rows

    def verify(
        self,
        pair: str | None,
        path: str | None,
        *,
        share: float,
        seed: str | None,
        download: bool,
        differences: bool,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> StubVerified:
        self._known(pair)
        self._fail()
        self.asked.append((pair, path, share, seed, download, differences))
        for row in self.progress_rows:
            progress(row)
        return StubVerified(self.verified_rows, self.verified_summary)

    def explain(self, path: str) -> Row:
        self.asked.append(path)
        self._fail()
        return {
            "pair": "logs",
            "path": path,
            "local": {"size": 3, "mtime": "2026-11-20T12:00:00Z"},
            "remote": None,
            "agreed": None,
            "next": {"action": "upload", "rule": "create-local", "reason": "it is new here"},
            "history": [],
        }

    def history(self, path: str | None, since: float | None, limit: int, pair: str | None) -> Iterable[Row]:
        self.asked.append((path, since, limit, pair))
        return self.history_rows

    def conflicts(self) -> Iterable[Row]:
        return self.conflict_rows

    def resolve_conflict(self, id: str, keep: str) -> None:
        self._change("resolve_conflict", id, keep)

    def trash(self, pair: str | None) -> Iterable[Row]:
        return self.trash_rows

    def trash_restore(self, id: str, to: str | None) -> None:
        self._change("trash_restore", id, to)

    def doctor(self) -> Iterable[Row]:
        return self.checks

    def reload(self) -> Row:
        self._change("reload")
        return {"applied": ["pair.logs.interval"], "needs_restart": [], "notices": []}

    def config_show(self) -> str:
        return '[daemon]\nlog_level = "info"\n'

    def set_log_level(self, level: str) -> None:
        self._change("set_log_level", level)

    def version(self) -> Row:
        return {"version": "0.3.0", "pid": 812, "python": "3.11.7"}

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error

    def _change(self, *what: Any) -> None:
        self._fail()
        self.told.append(what)

    def _known(self, name: str | None) -> None:
        if name not in {None, "logs"}:
            raise NotFound(f"no section is named {name}", hint="`synctl status` lists them")
