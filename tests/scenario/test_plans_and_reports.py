"""The dry run and the run after it, the run report, and the exit codes."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import datetime

import pytest

from support.processes import free_port
from support.site import AGO, Site

EVERY_CASE = (
    "new-here",
    "new-there",
    "same",
    "edited-here",
    "edited-there",
    "both",
    "gone-here",
    "gone-there",
    "twice",
)


def every_case(host: Site) -> Site:
    """A tree in which each name says what happened to it."""
    for path in EVERY_CASE[3:]:
        host.write(path, b"base " + path.encode(), mtime=AGO)
    host.write("still", b"still")
    assert host.once().code == 0
    host.write("new-here", b"1")
    host.put("new-there", b"2")
    host.write("same", b"3")
    host.put("same", b"3")
    host.write("edited-here", b"4")
    host.put("edited-there", b"5")
    host.write("both", b"6", mtime=AGO)
    host.put("both", b"six")
    host.remove("gone-here", "twice")
    host.delete("gone-there", "twice")
    return host


@pytest.mark.parametrize(
    ("mode", "deletes"), [("bidirectional", "propagate"), ("upload", "keep"), ("download", "leave")]
)
def test_a_dry_run_changes_nothing_and_the_next_run_does_its_plan_row_by_row(
    site: Callable[..., Site], mode: str, deletes: str
) -> None:
    host = every_case(site(mode="bidirectional", deletes=deletes, interval="1h", watch=False))
    host.keys["mode"] = mode
    before = (host.tree(), host.objects())

    plan = host.plan()

    assert plan.code == 0, plan.said
    assert not plan.writes
    assert plan.requests["GET"] == 0
    assert (host.tree(), host.objects()) == before
    assert plan.report["status"] == "dry-run"
    assert "still" not in plan.rules
    assert host.plan().out == plan.out
    with host.daemon():
        host.synctl("force-sync", "--wait", "--timeout", "20")
        done = json.loads(host.synctl("history", "--json").out)
    rows = done if isinstance(done, list) else next(value for value in done.values() if isinstance(value, list))
    rules = {row["path"]: row["rule"] for row in reversed(rows) if row["result"] == "done"}
    told = {path: rule for path, rule in plan.rules.items() if rule not in {"gone", "diverged"}}  # no history of these
    assert {path: rules.get(path) for path in told} == told


def test_a_dry_run_of_a_first_run_leaves_no_trace_of_itself(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional")
    host.write("a", b"a")

    run = host.plan()

    assert run.rules == {"a": "upload.new"}
    assert not run.writes
    assert set(run.requests) <= {"LIST", "HEAD"}
    assert not (host.root / ".syncd").exists()
    assert host.once().code == 0
    assert host.objects() == {"a": b"a"}


def test_a_dry_run_against_another_prefix_does_not_forget_the_records_of_this_one(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    for name in "abc":
        host.write(name, name.encode(), mtime=AGO)
    host.once()
    host.prefix = "elsewhere/"
    host.plan()
    host.prefix = ""
    host.remove("a")

    host.once()

    assert set(host.objects()) == {"b", "c"}


def test_the_report_has_the_fields_and_types_of_the_old_tool(site: Callable[..., Site]) -> None:
    host = site(mode="upload", prefix="p/")
    host.write("a", bytes(1500))
    host.write("b", b"x" * 500)

    report = host.once().report

    assert datetime.fromisoformat(report["timestamp"]).tzinfo is not None
    assert isinstance(report["duration_seconds"], (int, float))
    assert report["files_synced"] == 2
    assert report["bytes_transferred"] == report["source_size_bytes"] == 2000
    assert report["source_size"] == "2KB"
    assert isinstance(report["throughput_mbps"], (int, float))
    assert (report["status"], report["tool"]) == ("success", "syncd")
    assert (report["source"], report["destination"]) == (str(host.root), f"s3://{host.bucket}/p/")
    assert report["checksum_verification"] == {
        "enabled": True,
        "algorithm": "CRC64NVME",
        "verified": 2,
        "errors": 0,
    }
    assert json.loads((host.state / "last-run" / "logs.json").read_text()) == report


def test_the_report_counts_the_objects_that_are_there_after_the_run(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate", prefix="p/")
    for name in "abc":
        host.write(name, name.encode(), mtime=AGO)
    assert host.once().report["s3_objects"] == 3
    assert host.once().report["s3_objects"] == 3
    host.write("a", b"changed")
    host.write("d", b"d")
    host.write("e", b"e")
    host.remove("b")
    assert host.once().report["s3_objects"] == len(host.objects()) == 4


def test_a_report_of_two_pairs_is_an_array_and_the_gravest_code_wins(site: Callable[..., Site]) -> None:
    host = site(mode="upload", prefix="1/")
    host.write("a", b"a")
    config = host.configured()
    missing = f'[[pair]]\nname = "second"\nlocal = "{host.home}/not-there"\nremote = "s3://{host.bucket}/2/"\n'
    config.write_text(config.read_text() + missing + 'mode = "upload"\n')
    report = host.home / "both.json"

    run = host.run([sys.executable, "-m", "syncd", "--config", str(config), "--once", "--report", str(report)], report)

    assert run.code == 7, run.said
    assert [row["status"] for row in run.report] == ["success", "failed"]
    assert host.objects() == {"a": b"a"}


def test_a_missing_bucket_fails_with_what_to_do(site: Callable[..., Site]) -> None:
    host = site(bucket="no-such-bucket", mode="upload")
    host.write("a", b"a")

    run = host.once()

    assert run.code == 1, run.said
    assert "no-such-bucket" in run.said
    assert run.report["status"] == "failed"


def test_a_bucket_that_goes_away_later_fails_and_deletes_nothing(site: Callable[..., Site], bucket: str) -> None:
    host = site(mode="bidirectional", deletes="propagate", max_delete="off")
    host.write("a", b"a")
    host.once()
    host.delete("a")
    host.client.delete_bucket(Bucket=bucket)

    run = host.once()

    assert run.code == 1, run.said
    assert host.tree() == {"a": b"a"}


def test_an_endpoint_that_is_down_is_temporary_and_deletes_nothing(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate", s3={"retries": 0})
    host.write("a", b"a")
    host.once()
    host.s3["endpoint_url"] = f"http://127.0.0.1:{free_port()}"

    run = host.once()

    assert run.code == 5, run.said
    assert host.tree() == {"a": b"a"}
    assert run.report["status"] == "failed"


@pytest.mark.parametrize(
    ("key", "value"),
    [("mode", "sideways"), ("conflict", "eldest"), ("deletes", "often"), ("hash", "sha1"), ("inclide", ["*"])],
)
def test_a_bad_configuration_is_78_and_names_the_key(site: Callable[..., Site], key: str, value: object) -> None:
    host = site(**{key: value})

    run = host.once()

    assert run.code == 78
    assert key in run.said
    assert not run.log


def test_no_bucket_at_all_is_78_and_a_bad_flag_is_2(site: Callable[..., Site]) -> None:
    host = site()

    assert host.run([sys.executable, "-m", "syncd", "--once", "--state-dir", str(host.state)]).code == 78
    assert host.run([sys.executable, "-m", "syncd", "--once", "--no-such-flag"]).code == 2
    assert host.run([sys.executable, "-m", "syncd", "--dry-run"]).code == 2


def test_a_second_run_beside_a_daemon_says_who_holds_the_state_folder(site: Callable[..., Site]) -> None:
    host = site(mode="upload")
    with host.daemon() as daemon:
        run = host.once()

        assert run.code not in {0, 78}, run.said
        assert re.search(rf"\b{daemon.pid}\b", run.said)
