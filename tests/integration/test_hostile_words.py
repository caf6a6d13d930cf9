"""`synctl` on a real terminal, told hostile names by the daemon in every text of every answer."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control_socket import serve
from support.hostile import NAMES
from support.stub_daemon import (
    PLAN_ROW,
    StubDaemon,
    batch_row,
    found_answer,
    pair_row,
    reindexed_answer,
    restored_answer,
    status_row,
)
from support.terminal import harm_on_terminal, on_terminal
from syncd.control.port import BadRequest
from syncd.control.server import ControlServer
from syncd.errors import ConfigError, PairHalted

EVIL = "".join(NAMES.values()) + "\x1b[2J\udcff\x00"
KEPT = frozenset({"level", "state", "health", "direction", "watch", "source", "schema_version", "outcome", "class"})
"""Words that the client chooses by; they come from the daemon's own code."""
TIMES = ("_at", "at", "mtime", "paused_until")

VERBS = [
    ["status"], ["plan"], ["explain", "a"], ["history"], ["conflicts"], ["trash", "list"], ["doctor"],
    ["config", "show"], ["version"], ["force-sync", "--wait"], ["reload"], ["archive", "find", "x"],
    ["archive", "ls"], ["archive", "ls", "lab"], ["archive", "restore", "lab/a", "--to", "/back"],
    ["archive", "reindex"],
]  # fmt: skip


def spoilt(value: Any, name: str = "") -> Any:
    """The same answer with every text of it hostile."""
    match value:
        case dict():
            return {key: spoilt(inner, key) for key, inner in value.items()}
        case list() | tuple():
            return [spoilt(inner, name) for inner in value]
        case str() if name not in KEPT and not name.endswith(TIMES):
            return EVIL
        case _:
            return value


class EvilDaemon(StubDaemon):
    """Answers as the stub, and each answer is spoilt."""

    def explain(self, path: str) -> Any:
        told = spoilt(super().explain(path))
        return {**told, "agreed": {EVIL: EVIL}, "history": spoilt([HISTORY])}

    def reload(self) -> Any:
        return spoilt({"applied": ["x"], "needs_restart": ["y"], "notices": ["z"]})

    def config_show(self) -> str:
        one_line = EVIL.replace("\n", "\\n")  # as the daemon writes a value: a newline in it is escaped
        return f"[daemon]\n# {one_line}\n"

    def version(self) -> Any:
        return spoilt(super().version())


HISTORY = {
    "id": "1", "at": "2026-11-20T13:00:00Z", "pair": "p", "path": "a", "operation": "upload", "rule": "r",
    "result": "failed", "size": 3, "digest": "d", "etag": "e", "error": "x", "cycle": "c", "elapsed_seconds": 0.1,
}  # fmt: skip
CONFLICT = {"id": "1", "at": "2026-11-20T13:00:00Z", "pair": "p", "path": "a", "rule": "r", "winner": "local",
            "loser_digest": "d", "loser_at": "x", "resolved": None}  # fmt: skip
TRASH = {"id": "1", "at": "2026-11-20T13:00:00Z", "pair": "p", "path": "a", "where": "w", "reason": "r", "size": 1,
         "digest": "d"}  # fmt: skip


def evil_daemon() -> EvilDaemon:
    """Every answer of it, with at least one row in each."""
    daemon = EvilDaemon()
    pair = pair_row(last_error="x", state="halted", halted_plan_id="p-1", paused_until="2026-11-20T13:00:00Z")
    transfer = {"pair": "p", "path": "a", "direction": "up", "done_bytes": 1, "total_bytes": 2,
                "bytes_per_second": 3.0, "eta_seconds": 2.0}  # fmt: skip
    batch = batch_row(folders=[{"bucket": "b", "state": "waiting", "reason": "r"}], last_error="x")
    daemon.answer = spoilt(
        status_row(pairs=[pair], batches=[batch], transfers=[transfer], health="failing", health_reasons=["why"])
    )
    daemon.plan_rows = [spoilt(PLAN_ROW)]
    daemon.history_rows, daemon.conflict_rows, daemon.trash_rows = (
        [spoilt(HISTORY)],
        [spoilt(CONFLICT)],
        [spoilt(TRASH)],
    )
    check = {"check": "c", "class": "s3", "level": "fail", "message": "m", "remedy": "r"}
    daemon.checks = [spoilt(check)]
    daemon.sync_answer = spoilt({"cycles": [], "missing": [{"pair": "p", "path": "a", "reason": "r"}], "exit_code": 10})
    daemon.release.set()
    archives = daemon.archives
    archives.found, archives.listed = spoilt(found_answer(problems=["p"])), spoilt(archives.listed)
    archives.restored = spoilt(restored_answer(problems=["p"], failed=1))
    archives.reindexed = spoilt(reindexed_answer(problems=["p"]))
    archives.progress_rows = [{"doing": EVIL}]
    return daemon


@pytest.fixture(scope="module")
def server() -> Iterator[ControlServer]:
    with tempfile.TemporaryDirectory(prefix="hw") as folder, serve(evil_daemon(), Path(folder)) as server:
        yield server


def command(server: ControlServer, *words: str) -> list[str]:
    return [sys.executable, "-m", "synctl", "--socket", str(server.path), *words]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_answer_steers_the_terminal_that_it_is_shown_on(server: ControlServer, words: list[str]) -> None:
    _, said = on_terminal(command(server, *words))
    assert "one" in said  # the hostile text was there to be shown
    assert "\\n" in said
    assert harm_on_terminal(said) == []
    assert not any(line.startswith("logs: forged") for line in said.splitlines())


@pytest.mark.parametrize("words", [["plan"], ["history"], ["conflicts"], ["trash", "list"]], ids=" ".join)
def test_json_is_exact(server: ControlServer, words: list[str]) -> None:
    ran = subprocess.run(command(server, *words, "--json"), capture_output=True, timeout=60, check=True)
    (row,) = json.loads(ran.stdout)["rows"]
    assert row["path"] == EVIL.replace("\udcff", "\ufffd")  # no JSON can say half a character


@pytest.mark.parametrize(
    "error",
    [
        BadRequest(EVIL, hint=EVIL),
        PairHalted(EVIL, hint=EVIL, plan_id=EVIL),
        ConfigError([EVIL, EVIL], hint=EVIL),
        ValueError(EVIL),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_error_does_either(error: Exception) -> None:
    daemon = StubDaemon()
    daemon.error = error
    with tempfile.TemporaryDirectory(prefix="hw") as folder, serve(daemon, Path(folder)) as server:
        code, said = on_terminal(command(server, "status"))
        assert code in {1, 2, 7, 78}
        assert harm_on_terminal(said) == []
        _, usage = on_terminal(command(server, "plan", "pair\x1b[2J\nforged"))
        assert harm_on_terminal(usage) == []
