"""Lists and single answers: whole texts."""

from __future__ import annotations

from support.stub_daemon import PLAN_ROW, StubDaemon, pair_row
from synctl import render_rows
from synctl.screen import Look

LOOK = Look()
AT = "2026-11-20T13:00:00Z"


def test_a_plan() -> None:
    rows = [PLAN_ROW, {**PLAN_ROW, "pair": "longer", "path": "evil\x1b[2J"}]
    assert (
        render_rows.render_plan(rows, LOOK)
        == """\
PAIR     ACTION   SIZE     RULE           PATH
logs     upload   1.2 kB   create-local   a/one.gz
    it is new here
longer   upload   1.2 kB   create-local   evil\\x1b[2J
    it is new here

2 actions, 2.4 kB
"""
    )


def test_a_file_on_three_sides() -> None:
    assert (
        render_rows.render_explain(StubDaemon().explain("a/one.gz"), LOOK)
        == """\
a/one.gz in logs

local
  size   3
  mtime  2026-11-20T12:00:00Z

remote
  nothing

last agreed
  nothing

next: upload (rule create-local)
  it is new here
"""
    )


def test_history() -> None:
    row = {"id": 1, "at": AT, "pair": "logs", "path": "a", "operation": "upload", "rule": "r", "size": 2000}
    rows = [{**row, "result": "done"}, {**row, "result": "failed", "error": "disk\nfull"}]
    assert (
        render_rows.render_history(rows, LOOK)
        == """\
AT                     PAIR   DONE     RESULT   SIZE     PATH
2026-11-20T13:00:00Z   logs   upload   done     2.0 kB   a
2026-11-20T13:00:00Z   logs   upload   failed   2.0 kB   a: disk\\nfull
"""
    )


def test_conflicts() -> None:
    row = {"id": "logs-3", "at": AT, "pair": "logs", "path": "a", "rule": "r", "winner": "local", "resolved": ""}
    assert (
        render_rows.render_conflicts([{**row, "loser_at": "trash:x"}], LOOK)
        == """\
ID       AT                     PAIR   WINNER   STATE   PATH
logs-3   2026-11-20T13:00:00Z   logs   local    open    a (the other at trash:x)

`synctl conflicts resolve ID --keep local|remote|both` settles one.
"""
    )


def test_trash() -> None:
    row = {"id": "logs-4", "at": AT, "pair": "logs", "path": "a", "where": "local:x", "reason": "conflict", "size": 5}
    kept = {**row, "id": "logs-5", "expires": None, "kept": "kept: for 12"}
    assert (
        render_rows.render_trash([{**row, "expires": AT, "kept": ""}, kept], LOOK)
        == """\
ID       AT                     PAIR   WHY        SIZE   EXPIRES                PATH
logs-4   2026-11-20T13:00:00Z   logs   conflict   5 B    2026-11-20T13:00:00Z   a
logs-5   2026-11-20T13:00:00Z   logs   conflict   5 B    -                      a (kept: for 12)

`synctl trash restore ID` brings one back.
"""
    )


def test_checks_have_their_remedy_where_one_is_needed() -> None:
    rows = [
        {"check": "bucket", "class": "s3", "level": "ok", "message": "it answers", "remedy": "none"},
        {"check": "watches", "class": "install", "level": "warn", "message": "few", "remedy": "raise the limit"},
        {"check": "profile", "class": "credentials", "level": "fail", "message": "no profile 'x'", "remedy": ""},
    ]
    assert (
        render_rows.render_checks(rows, LOOK)
        == """\
OK    s3           bucket: it answers
WARN  install      watches: few
                   → raise the limit
FAIL  credentials  profile: no profile 'x'

3 checks: 1 ok, 1 to look at, 1 failed
"""
    )


def test_a_sync_that_was_done() -> None:
    answer = {"cycles": [{**pair_row()["last_cycle"], "pair": "logs"}, {"pair": "b"}], "missing": [], "exit_code": 0}
    assert render_rows.render_sync(answer, LOOK) == "logs: 12 uploaded (41.2 MB) in 1 s\nb: nothing to do\n"


def test_a_sync_that_left_something() -> None:
    missing = [{"pair": "logs", "path": "a\n", "reason": "still written"}]
    text = render_rows.render_sync({"cycles": [], "missing": missing, "exit_code": 10}, LOOK)
    assert text == "not on the other side yet: 1 file\n  logs: a\\n: still written\n"


def test_a_sync_that_was_halted_says_who_must_decide() -> None:
    answer = {"cycles": [{**pair_row()["last_cycle"], "pair": "logs"}], "missing": [], "exit_code": 7}
    assert render_rows.render_sync(answer, LOOK) == f"{render_rows.HALTED}\n"


def test_facts_are_words_and_times() -> None:
    agreed = {
        "local": "present",
        "stat": {"mtime_ns": 1795225387_000000001},
        "last_modified_s": 1795225387,
        "kept": False,
        "restored": True,
        "version": None,
        "looked_ns": 10**30,
    }
    text = render_rows.render_explain({"path": "a", "pair": "logs", "agreed": agreed}, LOOK)
    assert (
        text.split("last agreed\n")[1]
        == """\
  local          present
  last modified  2026-11-21T01:43:07Z
  restored       yes
  looked ns      1000000000000000000000000000000
  mtime          2026-11-21T01:43:07Z
"""
    )


def test_nothing_has_its_own_sentence() -> None:
    empty = [
        render_rows.render_plan([], LOOK),
        render_rows.render_history([], LOOK),
        render_rows.render_conflicts([], LOOK),
        render_rows.render_trash([], LOOK),
    ]
    assert empty == [
        "Nothing to do: both sides agree.\n",
        "Nothing was done in that time.\n",
        "No conflicts.\n",
        "The trash is empty.\n",
    ]
