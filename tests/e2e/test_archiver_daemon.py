"""The archiver as a part of the real daemon: what goes in, what is told of it, and what survives its end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.archive_reader import BucketReader
from support.archiver_host import AT_ONCE, ArchiverHost
from support.daemon_process import Answer, Host, objects
from support.moto import MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy

LATER = """\
interval = "1h"
min_files = 20
max_age = "1h"
min_age = "0s"
settle = "0s"
"""
"""A batch that waits for everything."""

MakeArchiver = Callable[..., ArchiverHost]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeArchiver]:
    """`make(endpoint, **parts)`: an archiver in a folder of its own."""
    with ExitStack() as stack:
        made: list[ArchiverHost] = []

        def host(endpoint: str, **parts: Any) -> ArchiverHost:
            made.append(ArchiverHost(tmp_path / f"host{len(made)}", endpoint, **parts))
            stack.callback(made[-1].close)
            return made[-1]

        yield host


def fill(host: Host, folder: str, count: int) -> dict[str, bytes]:
    """So many files of different content below that folder; by key in the bucket."""
    files = {f"{folder}/{number}.log": f"{folder} {number}\n".encode() * number for number in range(count)}
    for path, body in files.items():
        host.write(path, body)
    return {path.partition("/")[2]: body for path, body in files.items()}


def archived(s3: MotoServer, bucket: str) -> dict[str, int]:
    """How many proven archives hold each original."""
    reader = BucketReader(s3.client(), bucket)
    reader.look()
    return {key: len(copies) for key, copies in reader.copies().items()}


def good(answer: Answer) -> dict[str, Any]:
    assert answer.code == 0, answer.said
    return json.loads(answer.out) if answer.out.startswith("{") else {}


# --- a day of it ---------------------------------------------------------------------------------------------


def test_files_dropped_are_archived_now_when_asked_and_everything_tells_of_it(
    s3: MotoServer, bucket: str, make: MakeArchiver
) -> None:
    host = make(s3.endpoint, batch=LATER)
    host.start()
    files = fill(host, f"{bucket}/runs/a", 5)
    (row,) = good(host.ctl("force-sync", "small", "--wait", "--json"))["cycles"]
    assert (row["pair"], row["archived"], row["archives"]) == ("small", 5, 1)
    assert archived(s3, bucket) == dict.fromkeys(files, 1)
    seen = host.batch()
    assert (seen["archived_files"], seen["archives"], seen["index"]["state"]) == (5, 1, "off")
    assert [folder["bucket"] for folder in seen["folders"]] == [bucket]
    assert seen["last_success_at"] is not None
    eventually(lambda: host.left(bucket) == {} and host.staged(bucket) == [], within=20, what=lambda: str(host.batch()))
    eventually(lambda: host.batch()["unlinking"] == 0, within=20, what=lambda: str(host.batch()))
    assert host.spooled() == []
    status = host.ctl("status")
    assert status.code == 0
    assert "BATCH" in status.out
    assert "5 in 1" in status.out
    (line,) = [each for each in good(host.ctl("history", "--json"))["rows"] if each["operation"] == "archive"]
    assert line["path"].endswith(".tar")
    report = json.loads((host.state / "last-run" / "small.json").read_text())
    assert (report["name"], report["status"], report["source"]) == ("small", "success", str(host.root))
    assert host.stop() == 0


def test_few_files_wait_and_the_plan_says_why(s3: MotoServer, bucket: str, make: MakeArchiver) -> None:
    host = make(s3.endpoint, batch=LATER)
    host.write(f"{bucket}/few/a.log", b"12345")
    host.write("No Bucket!/a.log", b"1")
    host.start()
    rows = good(host.ctl("plan", "small", "--json"))["rows"]
    told = {(row["pair"], row["path"], row["action"], row["size"]) for row in rows}
    assert told == {("small", f"{bucket}/few/a.log", "wait", 5), ("small", "No Bucket!/", "wait", 0)}
    assert "fewer than 20 files" in next(row["reason"] for row in rows if row["size"])
    assert host.left(bucket).keys() == {"few/a.log"}
    eventually(lambda: host.batch()["waiting_files"] == 2, within=20, what=lambda: str(host.batch()))
    assert host.batch()["oldest_unprotected_seconds"] is not None


def test_a_bucket_that_is_not_there_stops_no_other_and_is_found_when_it_comes(
    s3: MotoServer, bucket: str, make: MakeArchiver
) -> None:
    host = make(s3.endpoint)
    absent = f"{bucket}-absent"
    host.write(f"{absent}/a.log", b"1")
    host.write(f"{bucket}/a.log", b"2")
    host.start()
    eventually(lambda: archived(s3, bucket) == {"a.log": 1}, within=20, what=host.process.said)  # type: ignore[union-attr]
    eventually(lambda: host.status()["health"] == "degraded", within=20, what=lambda: str(host.status()))
    assert f"small: {absent}: there is no bucket of this name" in " ".join(host.status()["health_reasons"])
    assert {each["bucket"]: each["state"] for each in host.batch()["folders"]}[absent] == "waiting"
    assert host.ctl("status").code == 6
    said = [row for row in host.events("file.skipped") if row["path"] == f"{absent}/"]
    assert len(said) == 1
    s3.new_bucket(absent)
    eventually(lambda: archived(s3, absent) == {"a.log": 1}, within=20, what=lambda: str(host.batch()))
    eventually(lambda: host.status()["health"] == "ok", within=20, what=lambda: str(host.status()))


def test_paused_it_moves_nothing_also_after_a_restart(s3: MotoServer, bucket: str, make: MakeArchiver) -> None:
    host = make(s3.endpoint)
    host.start()
    good(host.ctl("pause", "small"))
    host.write(f"{bucket}/a.log", b"1")
    assert host.batch()["state"] == "paused"
    assert host.stop() == 0
    host.start()
    eventually(lambda: host.batch()["waiting_files"] == 1, within=20, what=lambda: str(host.batch()))
    assert host.batch()["state"] == "paused"
    assert host.left(bucket).keys() == {"a.log"}
    good(host.ctl("resume", "small"))
    eventually(lambda: archived(s3, bucket) == {"a.log": 1}, within=20, what=lambda: str(host.batch()))


def test_a_lost_endpoint_is_told_and_it_goes_on_by_itself(
    s3: MotoServer, bucket: str, proxy: Proxy, make: MakeArchiver
) -> None:
    proxy.refuse()
    host = make(proxy.endpoint, s3="retries = 0")
    host.write(f"{bucket}/a.log", b"1")
    host.start()
    eventually(lambda: host.batch()["state"] == "unreachable", within=20, what=lambda: str(host.batch()))
    assert host.ctl("force-sync", "small", "--wait").code == 5
    assert len(host.events("endpoint.lost")) == 1
    proxy.listen()
    eventually(lambda: archived(s3, bucket) == {"a.log": 1}, within=30, what=lambda: str(host.batch()))
    eventually(lambda: host.batch()["state"] == "idle", within=20, what=lambda: str(host.batch()))


def test_beside_a_pair_each_does_its_own(s3: MotoServer, bucket: str, make_host: Callable[..., Host]) -> None:
    host = make_host(s3.endpoint, pair='settle = "0s"')
    root = host.folder / "batch"
    (root / bucket).mkdir(parents=True)
    (root / bucket / "a.log").write_bytes(b"small")
    host.configure(more=f'[[batch]]\nname = "small"\nroot = "{root}"\n{AT_ONCE}')
    host.write("b.log", b"hot")
    host.start()
    good(host.ctl("force-sync", "--wait"))
    assert objects(s3, bucket) == {"b.log": b"hot"}
    assert archived(s3, bucket)["a.log"] == 1
    assert {row["pair"] for row in good(host.ctl("plan", "--json"))["rows"]} <= {"logs", "small"}
    answer = host.ctl("explain", root / bucket / "a.log")
    assert "belongs to the batch small" in answer.err
    assert host.ctl("force-sync", "nonesuch").code != 0


# --- settings ------------------------------------------------------------------------------------------------


def test_other_settings_come_by_a_reload_and_another_batch_by_a_restart(
    s3: MotoServer, bucket: str, make: MakeArchiver
) -> None:
    host = make(s3.endpoint, batch=LATER)
    host.write(f"{bucket}/a.log", b"1")
    host.start()
    host.configure(batch=AT_ONCE)
    assert good(host.ctl("reload", "--json"))["applied"] == ["[[batch]] small"]
    eventually(lambda: archived(s3, bucket) == {"a.log": 1}, within=20, what=lambda: str(host.batch()))
    other = host.folder / "other"
    other.mkdir()
    host.configure(batch=f'{AT_ONCE}\n[[batch]]\nname = "second"\nroot = "{other}"')
    (told,) = good(host.ctl("reload", "--json"))["needs_restart"]
    assert told.startswith("[[batch]] second came or went")
    assert host.stop() == 0
    host.start()
    assert [row["name"] for row in host.status()["batches"]] == ["small", "second"]


def test_the_doctor_looks_at_all_that_a_batch_needs(s3: MotoServer, bucket: str, make: MakeArchiver) -> None:
    host = make(s3.endpoint)
    host.write(f"{bucket}/a.log", b"1")
    host.write(f"{bucket}-absent/a.log", b"1")
    host.write("No Bucket!/a.log", b"1")
    answer = host.syncd("--doctor", "--json")
    rows = json.loads(answer.out)["checks"]
    levels = {(row["check"], row["level"]) for row in rows}
    assert {("small root", "ok"), ("small spool", "ok"), (f"small/{bucket} bucket", "ok")} <= levels
    assert (f"small/{bucket}-absent bucket", "fail") in levels
    assert ("small/No Bucket! folder", "warn") in levels
    assert answer.code == 1
    remedy = next(row["remedy"] for row in rows if row["check"] == f"small/{bucket}-absent bucket")
    assert remedy.startswith("aws s3api create-bucket")


# --- once ----------------------------------------------------------------------------------------------------


def test_once_runs_to_the_end(s3: MotoServer, bucket: str, make: MakeArchiver, tmp_path: Path) -> None:
    host = make(s3.endpoint, batch=AT_ONCE + 'max_size = "2KiB"\n')
    files = fill(host, f"{bucket}/runs", 12)
    host.write(f"{bucket}/large.bin", b"x" * 5000)
    answer = host.once("--report", tmp_path / "report.json")
    assert answer.code == 0, answer.said
    assert archived(s3, bucket) == dict.fromkeys(files, 1)
    assert s3.contents(bucket)["large.bin"] == b"x" * 5000
    assert (host.left(bucket), host.staged(bucket), host.spooled()) == ({}, [], [])
    report = json.loads((tmp_path / "report.json").read_text())
    assert (report["files_synced"], report["unlinked"], report["status"]) == (13, 13, "success")
    assert report == json.loads((host.state / "last-run" / "small.json").read_text())
    assert host.once().code == 0


def test_once_says_what_it_could_not_do(s3: MotoServer, bucket: str, make: MakeArchiver) -> None:
    host = make(s3.endpoint)
    host.write("No Bucket!/a.log", b"1")
    host.write(f"{bucket}/a.log", b"1")
    answer = host.once()
    assert answer.code == 4
    assert '"No Bucket!" is no bucket name' in answer.err
    assert archived(s3, bucket) == {"a.log": 1}
    with host.write(f"{bucket}/open.log", b"1").open("ab"):
        os.rename(host.root / "No Bucket!", host.folder / "aside")
        assert host.once().code == 5, "somebody has it open: try again"
    host.configure(endpoint="http://127.0.0.1:9")
    host.write(f"{bucket}/b.log", b"1")
    assert host.once().code == 5
    os.rename(host.root, host.folder / "away")
    assert host.once().code == 7


def test_a_dry_run_changes_nothing(s3: MotoServer, bucket: str, make: MakeArchiver) -> None:
    host = make(s3.endpoint)
    host.write(f"{bucket}/a.log", b"1")
    mark = s3.mark()
    answer = host.once("--dry-run")
    assert answer.code == 0, answer.said
    assert f"small\tarchive\t{bucket}/a.log\t" in answer.out
    assert set(s3.requests(mark)) <= {"LIST", "HEAD"}
    assert sorted(path.name for path in (host.root / bucket).iterdir()) == ["a.log"]
    assert host.spooled() == []


def test_the_history_names_files_as_they_lie_below_the_root(s3: MotoServer, bucket: str, make: MakeArchiver) -> None:
    host = make(s3.endpoint, batch=AT_ONCE + 'max_size = "2KiB"\n')
    large = host.write(f"{bucket}/d/large.bin", b"x" * 5000)
    host.start()
    eventually(lambda: not large.exists(), within=20, what=lambda: str(host.batch()))
    for name in (large, f"{bucket}/d/large.bin"):
        rows = good(host.ctl("history", name, "--json"))["rows"]
        assert {(row["pair"], row["path"]) for row in rows} == {("small", f"{bucket}/d/large.bin")}
        assert "upload" in {row["operation"] for row in rows}
    assert good(host.ctl("trash", "list", "--json"))["rows"] == []


# --- its end -------------------------------------------------------------------------------------------------


def test_a_second_signal_drops_what_is_on_its_way_and_the_next_start_sends_it(
    s3: MotoServer, bucket: str, proxy: Proxy, make: MakeArchiver
) -> None:
    host = make(proxy.endpoint)
    files = fill(host, f"{bucket}/runs", 30)
    gate = proxy.add(Fault(method="PUT", target=r"\.tar", hold_up_at=1000))
    host.start()
    gate.wait_reached()
    assert host.process is not None
    host.process.signal(signal.SIGTERM)
    host.until_event("daemon.stopping")
    host.process.signal(signal.SIGTERM)
    host.process.wait(within=30)
    gate.open()
    proxy.mend()
    host.start()
    eventually(lambda: host.left(bucket) == {} and host.staged(bucket) == [], within=30, what=lambda: str(host.batch()))
    assert archived(s3, bucket) == dict.fromkeys(files, 1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_end_while_an_archive_goes_up_loses_nothing_and_archives_nothing_twice(
    s3: MotoServer, bucket: str, proxy: Proxy, make: MakeArchiver, number: signal.Signals
) -> None:
    host = make(proxy.endpoint)
    files = fill(host, f"{bucket}/runs", 30)
    gate = proxy.add(Fault(method="PUT", target=r"\.tar", hold_up_at=1000))
    host.start()
    gate.wait_reached()
    assert host.process is not None
    host.process.signal(number)
    if number is signal.SIGTERM:
        gate.open()
        assert host.process.wait(within=30) == 0
    else:
        host.process.wait(within=20)
        gate.open()
    assert {f"runs/{each}" for each in os.listdir(host.root / bucket / "runs")} | archived(s3, bucket).keys() >= set(
        files
    )
    proxy.mend()
    host.start()
    eventually(lambda: host.left(bucket) == {} and host.staged(bucket) == [], within=30, what=lambda: str(host.batch()))
    assert archived(s3, bucket) == dict.fromkeys(files, 1)
    assert host.spooled() == []
