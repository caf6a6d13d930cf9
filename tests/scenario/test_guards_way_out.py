"""The way out of a halt, by the real programs: the command that is shown, exactly those rows, over kills."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.processes import eventually
from support.site import AGO, Site

KEYS = {"mode": "bidirectional", "deletes": "propagate", "max_delete": 1, "interval": "1h", "watch": False}
COMMAND = re.compile(r"synctl resume logs --accept ([0-9a-f]{12})")


def filled(host: Site, count: int) -> Site:
    """That many files, in step on both sides."""
    for index in range(count):
        host.write(f"f{index:02}", b"%d" % index, mtime=AGO)
    done = host.once()
    assert done.code == 0, done.said
    return host


def halted(host: Site) -> str:
    """The plan's id, once the daemon halts."""
    eventually(lambda: host.status()["halted_plan_id"], within=30, what="halted")
    return str(host.status()["halted_plan_id"])


def planned(host: Site) -> dict[str, str]:
    """Action by path, as `synctl plan` shows it."""
    rows = json.loads(host.synctl("plan", "logs", "--json").out)["rows"]
    return {row["path"]: row["action"] for row in rows if row["action"] != "nothing"}


def logged(host: Site, event: str) -> list[dict[str, str]]:
    lines = (host.home / "daemon.log").read_text().splitlines()
    return [row for row in map(json.loads, (line for line in lines if line.startswith("{"))) if row["event"] == event]


def test_the_sentence_of_status_is_the_way_out_and_the_plan_shows_what_it_covers(site: Callable[..., Site]) -> None:
    host = filled(site(**KEYS), 6)
    host.remove("f00", "f01")
    host.put("f02", b"theirs, and newer")
    with host.daemon():
        plan = halted(host)
        shown = host.synctl("status")
        assert shown.code == 7
        (command,) = set(COMMAND.findall(" ".join(shown.out.split())))
        assert command == plan
        assert {row["plan_id"] for row in logged(host, "pair.halted")} == {plan}
        rows = planned(host)
        assert set(rows) == {"f00", "f01", "f02"}
        assert host.status()["halted_plan_id"] == plan  # looking changes no plan
        done = host.synctl("resume", "logs", "--accept", plan)
        assert done.code == 0, done.said
        eventually(lambda: host.status()["state"] == "idle", within=30, what="through")
    assert set(host.objects()) == {"f02", "f03", "f04", "f05"}
    assert host.tree()["f02"] == b"theirs, and newer"


@pytest.mark.parametrize("wrong", ["0" * 12, "root-00000000", "", "x" * 5000, "../../etc"])
def test_an_id_that_is_not_shown_accepts_nothing_and_says_where_to_look(site: Callable[..., Site], wrong: str) -> None:
    host = filled(site(**KEYS), 4)
    host.remove("f00", "f01")
    with host.daemon():
        plan = halted(host)
        refused = host.synctl("resume", "logs", "--accept", wrong)
        assert (refused.code, host.status()["halted_plan_id"]) == ((1, plan) if wrong else (refused.code, plan))
        if wrong:
            assert "no halted plan" in refused.said
            assert "synctl status" in refused.said
        host.synctl("force-sync", "logs", "--wait", "--timeout", "20s")
        assert host.status()["state"] == "halted"
    assert len(host.objects()) == 4


def test_what_is_overwritten_after_the_plan_was_shown_halts_again_under_another_id(site: Callable[..., Site]) -> None:
    host = filled(site(**KEYS), 8)
    host.remove("f00", "f01")
    host.put("f02", b"theirs")
    with host.daemon():
        plan = halted(host)
        host.put("f02", b"theirs, rewritten after it was shown")
        host.remove("f03", "f04")
        done = host.synctl("resume", "logs", "--accept", plan)
        assert done.code == 0, done.said
        eventually(lambda: not {"f00", "f01"} & host.listed(), within=30, what="the rows that were shown")
        eventually(lambda: host.status()["halted_plan_id"] not in {plan, None}, within=30, what="halted anew")
        newer = host.status()["halted_plan_id"]
        assert host.tree()["f02"] == b"2"
        assert {"f03", "f04"} <= host.listed()
        host.synctl("resume", "logs", "--accept", plan)  # once more: it covers nothing that is left
        passes = len(logged(host, "cycle.finished"))
        host.synctl("force-sync", "logs", "--wait", "--timeout", "30s")
        eventually(lambda: len(logged(host, "cycle.finished")) > passes, within=30, what="another pass")
        assert set(planned(host)) == {"f02", "f03", "f04"}
        assert host.status()["halted_plan_id"] == newer  # as long as nothing changes, the id is the one that was shown
        assert host.tree()["f02"] == b"2"
        assert {"f03", "f04"} <= host.listed()
        assert host.synctl("resume", "logs", "--accept", newer).code == 0
        eventually(lambda: host.status()["state"] == "idle", within=30, what="through")
        assert [row["plan_id"] for row in logged(host, "pair.halted")] == [plan, newer]
    assert set(host.objects()) == {"f02", "f05", "f06", "f07"}
    assert host.tree()["f02"] == b"theirs, rewritten after it was shown"


def test_an_accepted_plan_outlives_a_kill_before_it_ran_and_runs_once(site: Callable[..., Site]) -> None:
    """The word was given and is durable: the next start, a daemon or one run, does just those rows."""
    host = filled(site(**KEYS), 8)
    host.remove("f00", "f01")
    with host.daemon() as process:
        plan = halted(host)
        assert host.synctl("pause", "logs").code == 0  # accepted, and not yet carried out when it dies
        accepted = accept_without_a_pass(host, plan)
        process.kill()
    assert accepted
    assert len(host.objects()) == 8
    host.remove("f02", "f03")

    again = host.once()

    assert again.code == 7, again.said
    assert set(host.objects()) == {f"f{index:02}" for index in range(2, 8)}
    assert host.once().code == 7  # what was accepted is used up: the newer ones wait on
    assert set(host.objects()) == {f"f{index:02}" for index in range(2, 8)}


def accept_without_a_pass(host: Site, plan: str) -> bool:
    """Accept in the database, as the daemon does before it wakes the pass that a kill forestalls."""
    import sqlite3

    with sqlite3.connect(host.state / "syncd.db") as database:
        changed = database.execute("UPDATE plan SET state = 'accepted' WHERE plan_id = ?", (plan,)).rowcount
    database.close()
    return changed == 1


def test_a_single_run_halts_with_7_and_the_command_and_runs_what_was_accepted(
    site: Callable[..., Site], tmp_path: Path
) -> None:
    host = filled(site(**KEYS), 6)
    host.remove("f00", "f01")
    first = host.once()
    assert first.code == 7
    (plan,) = set(COMMAND.findall(" ".join(first.said.split()))) or {""}
    assert plan, first.said
    with host.daemon():
        assert host.synctl("resume", "logs", "--accept", plan).code == 0
        eventually(lambda: host.status()["state"] == "idle", within=30, what="through")
    done = host.once()
    assert done.code == 0, done.said
    assert set(host.objects()) == {"f02", "f03", "f04", "f05"}
