"""The daemon's life from outside: started, asked to stop, killed, reloaded, and talked to by synctl."""

from __future__ import annotations

import json
import os
import random
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from support.daemon_process import Host, objects
from support.moto import MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy
from syncd.runtime.lock import start_ticks

MakeHost = Callable[..., Host]

LARGE = 24 << 20
PARTS = 70 << 20


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def alive(pid: int) -> bool:
    """Whether it runs: who has ended and waits to be reaped does not."""
    return start_ticks(pid) is not None


@contextmanager
def in_background(host: Host) -> Iterator[int]:
    """`syncd --daemon`, killed at the end if it still runs. Gives its pid."""
    answer = host.syncd("--daemon")
    assert answer.code == 0, answer.said
    found = re.search(r"pid (\d+)", answer.out)
    assert found is not None, answer.out
    try:
        yield int(found.group(1))
    finally:
        host.syncd("--kill")


# --- without systemd ------------------------------------------------------------------------------------------


def test_it_starts_in_the_background_works_there_and_stops_when_asked(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint)
    host.write("a.gz", b"a")
    with in_background(host) as pid:
        assert alive(pid)
        assert host.status()["pid"] == pid
        eventually(lambda: objects(s3, bucket) == {"a.gz": b"a"}, within=20, what="nothing came")
        assert (host.state / "syncd.log").stat().st_size > 0
        second = host.syncd("--daemon")
        assert second.code == 1
        assert f"in use by syncd, pid {pid}" in second.err
        stopped = host.syncd("--stop")
        assert stopped.code == 0
        assert f"syncd (pid {pid}) is stopped" in stopped.out
        assert not alive(pid)
    nobody = host.syncd("--stop")
    assert nobody.code == 3
    assert f"no syncd runs on the state folder {host.state}" in nobody.err
    assert host.ctl("status").code == 3
    assert "daemon.stopped" in (host.state / "syncd.log").read_text()


def test_one_that_hangs_is_killed_and_the_next_one_goes_on(s3: MotoServer, bucket: str, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint)
    with in_background(host) as pid:
        os.kill(pid, signal.SIGSTOP)
        killed = host.syncd("--kill")
        assert killed.code == 0
        assert f"syncd (pid {pid}) is killed" in killed.out
    assert host.syncd("--kill").code == 3
    host.write("a.gz", b"a")
    assert host.once().code == 0
    assert objects(s3, bucket) == {"a.gz": b"a"}


def test_a_start_in_the_background_that_fails_says_why(s3: MotoServer, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint)
    host.config.write_text(host.config.read_text() + 'colour = "red"\n')
    answer = host.syncd("--daemon")
    assert answer.code == 78
    assert "colour" in answer.err
    assert host.syncd("--stop").code == 3


# --- signals --------------------------------------------------------------------------------------------------


def test_sigterm_lets_what_is_under_way_arrive(s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost) -> None:
    host = make_host(proxy.endpoint)
    host.write("big.gz", noise(LARGE))
    gate = proxy.add(Fault(method="PUT", target=r"/p/big\.gz", hold_up_at=1 << 20))
    host.start()
    assert host.process is not None
    gate.wait_reached()
    host.process.signal(signal.SIGTERM)
    host.until_event("daemon.stopping")
    assert host.process.running
    gate.open()
    assert host.process.wait(within=30) == 0
    assert objects(s3, bucket) == {"big.gz": noise(LARGE)}
    stopped = host.events("daemon.stopped")[0]
    assert stopped["abandoned"] is False
    mark = s3.mark()
    assert host.once().code == 0
    assert set(s3.requests(mark)) <= {"LIST", "HEAD"}


@pytest.mark.parametrize("how", ["a second SIGTERM", "synctl stop --now"])
def test_what_does_not_move_any_more_is_abandoned_at_once_when_asked_twice(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost, how: str
) -> None:
    host = make_host(proxy.endpoint)
    host.write("big.gz", noise(LARGE))
    gate = proxy.add(Fault(method="PUT", target=r"/p/big\.gz", hold_up_at=1 << 20))
    host.start()
    assert host.process is not None
    gate.wait_reached()
    assert host.ctl("status").code in {0, 6}  # it answers while a transfer hangs
    if how == "a second SIGTERM":
        host.process.signal(signal.SIGTERM)
        host.until_event("daemon.stopping")
        host.process.signal(signal.SIGTERM)
        assert host.process.wait(within=15) in {0, 1}
    else:
        assert host.ctl("stop", "--now").code in {0, 5}
        assert host.process.wait(within=15) in {0, 1}
    assert objects(s3, bucket) == {}
    proxy.mend()
    assert host.once().code == 0
    assert objects(s3, bucket) == {"big.gz": noise(LARGE)}


def test_sighup_takes_a_changed_configuration_and_refuses_a_broken_one(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, pair='include = ["*.gz"]')
    host.write("a.gz", b"a")
    host.write("b.txt", b"b")
    host.start()
    assert host.process is not None
    eventually(lambda: objects(s3, bucket) == {"a.gz": b"a"}, within=20, what=host.log.read_text)
    good = host.config.read_text()
    host.config.write_text(good + 'colour = "red"\n')
    host.process.signal(signal.SIGHUP)
    refused = host.until_event("config.refused")
    assert "colour" in refused["error"]
    assert host.process.running
    host.configure(pair='include = ["*"]')
    host.process.signal(signal.SIGHUP)
    host.until_event("config.reloaded")
    eventually(lambda: objects(s3, bucket) == {"a.gz": b"a", "b.txt": b"b"}, within=20, what=host.log.read_text)
    assert host.stop() == 0


# --- the power fails ------------------------------------------------------------------------------------------


def test_killed_in_the_middle_of_a_multipart_upload_it_converges_and_only_its_own_upload_is_dropped(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    client = s3.client()
    theirs = client.create_multipart_upload(Bucket=bucket, Key="p/big.gz")["UploadId"]
    body = noise(PARTS)
    host = make_host(proxy.endpoint)
    host.write("big.gz", body)
    gate = proxy.add(Fault(method="PUT", target=r"/p/big\.gz\?.*partNumber=2", hold_up_at=1 << 20))
    host.start()
    assert host.process is not None
    gate.wait_reached(within=30)
    open_now = {row["UploadId"] for row in client.list_multipart_uploads(Bucket=bucket)["Uploads"]}
    assert len(open_now) == 2
    host.process.kill()
    proxy.mend()
    assert objects(s3, bucket) == {}
    host.start()
    eventually(lambda: objects(s3, bucket) == {"big.gz": body}, within=30, what=host.log.read_text, every=0.3)
    host.until("idle")
    left = [row["UploadId"] for row in client.list_multipart_uploads(Bucket=bucket)["Uploads"]]
    assert left == [theirs]
    assert host.stop() == 0


# --- synctl ---------------------------------------------------------------------------------------------------


STATUS = {
    *("schema_version", "version", "pid", "started_at", "uptime_seconds", "host", "health", "health_reasons"),
    *("workers", "pairs", "batches", "copies", "mirrors", "transfers", "s3"),
}
PAIR = {
    *("name", "mode", "local", "remote", "state", "tracked_files", "pending_files", "pending_bytes"),
    *("oldest_unprotected_seconds", "watch", "halted_plan_id", "counts", "last_cycle", "last_success_at"),
    "last_error",
}
COUNTS = {"conflicts", "held", "contended", "unrepresentable", "superseded", "diverged", "archived", "unproven"}
CYCLE = {
    *("id", "started_at", "duration_seconds", "uploaded", "downloaded", "skipped", "deleted", "cleaned", "conflicts"),
    *("errors", "bytes_up", "bytes_down", "requests"),
}
TRANSFER = {"pair", "path", "direction", "done_bytes", "total_bytes", "bytes_per_second", "eta_seconds"}
S3 = {"requests", "bytes_up", "bytes_down", "throttled", "retried"}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_status_as_json_has_the_documented_shape(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    host = make_host(proxy.endpoint, pair='settle = "100ms"')
    host.write("a.gz", b"a" * 10)
    host.start()
    eventually(lambda: host.pair()["last_cycle"] is not None, within=20, what="no cycle")
    gate = proxy.add(Fault(method="PUT", target=r"/p/big\.gz", hold_up_at=1 << 20))
    (host.root / "big.gz").write_bytes(noise(LARGE))
    gate.wait_reached()
    eventually(lambda: host.status()["transfers"], within=10, what="no transfer is shown")
    status = host.status()
    assert set(status) >= STATUS
    assert status["schema_version"] == 1
    assert status["health"] in {"ok", "degraded", "failing"}
    assert RFC3339.fullmatch(status["started_at"])
    for worker in status["workers"].values():
        assert set(worker) >= {"state", "heartbeat_age_seconds", "restarts", "last_error"}
    (pair,) = status["pairs"]
    assert set(pair) >= PAIR
    assert set(pair["counts"]) == COUNTS
    assert set(pair["last_cycle"]) >= CYCLE
    assert pair["state"] == "transferring"
    assert pair["watch"] == "inotify"
    assert (pair["pending_files"], pair["pending_bytes"]) == (1, LARGE)
    assert RFC3339.fullmatch(pair["last_success_at"])
    (transfer,) = status["transfers"]
    assert set(transfer) >= TRANSFER
    assert (transfer["path"], transfer["direction"], transfer["total_bytes"]) == ("big.gz", "up", LARGE)
    assert set(status["s3"]) >= S3
    assert set(status["s3"]["requests"]) == {"put", "get", "list", "head", "delete", "copy"}
    gate.open()
    assert host.stop() == 0


def test_force_sync_returns_when_all_is_there_and_names_a_file_that_a_writer_holds_open(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, pair='interval = "1h"\nsettle = "100ms"')
    host.start()
    files = {f"folder/{n:02}.gz": b"%d" % n for n in range(30)}
    for name, body in files.items():
        host.write(name, body)
    answer = host.ctl("force-sync", "--wait", "--timeout", "30")
    assert answer.code == 0, answer.said
    assert objects(s3, bucket) == files

    with (host.root / "open.gz").open("wb") as writer:
        writer.write(b"half")
        writer.flush()
        waited = host.ctl("force-sync", "--wait", "--timeout", "3", "--json")
        assert waited.code == 10, waited.said
        told = json.loads(waited.out)
        assert [(row["pair"], row["path"]) for row in told["missing"]] == [("logs", "open.gz")]
        assert told["missing"][0]["reason"]
        shown = host.ctl("force-sync", "--wait", "--timeout", "1")
        assert shown.code == 10
        assert "open.gz" in shown.out
        assert "open.gz" not in objects(s3, bucket)
        writer.write(b" and whole")
    assert host.ctl("force-sync", "--wait", "--timeout", "30").code == 0
    assert objects(s3, bucket)["open.gz"] == b"half and whole"
    assert host.stop() == 0


def test_a_pause_survives_a_restart_and_so_does_its_end(s3: MotoServer, bucket: str, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint, pair='interval = "1s"\nsettle = "100ms"')
    host.start()
    host.until("idle")
    assert host.ctl("pause", "logs").code == 0
    assert host.pair()["state"] == "paused"
    assert host.stop() == 0
    host.write("a.gz", b"a")
    mark = s3.mark()
    host.start()
    assert host.pair()["state"] == "paused"
    shown = host.ctl("status")
    assert "synctl resume" in shown.out
    eventually(lambda: host.pair()["watch"] == "inotify", within=10, what="nobody watches")
    (host.root / "b.gz").write_bytes(b"b")
    eventually(lambda: host.pair()["pending_files"] >= 1, within=10, what=lambda: str(host.pair()))
    assert not s3.requests(mark)["PUT"]
    assert host.ctl("resume", "logs").code == 0
    eventually(lambda: objects(s3, bucket) == {"a.gz": b"a", "b.gz": b"b"}, within=20, what=host.log.read_text)
    assert host.stop() == 0
    host.start()
    assert host.pair()["state"] != "paused"
    assert host.stop() == 0


def test_the_plan_is_what_the_next_cycle_does_and_explain_and_history_tell_of_it(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(
        s3.endpoint, mode="bidirectional", pair='interval = "1h"\nwatch = false\ndeletes = "propagate"\nsettle = "0s"'
    )
    for name in ("edited.gz", "deleted-here.gz", "deleted-there.gz", "same.gz"):
        host.write(name, name.encode())
    host.start()
    assert host.ctl("force-sync", "--wait", "--timeout", "30").code == 0
    host.write("edited.gz", b"another", age_s=30)
    host.write("new-here.gz", b"new here")
    (host.root / "deleted-here.gz").unlink()
    client = s3.client()
    client.put_object(Bucket=bucket, Key="p/new-there.gz", Body=b"new there")
    client.delete_object(Bucket=bucket, Key="p/deleted-there.gz")

    mark = s3.mark()
    planned = json.loads(host.ctl("plan", "logs", "--json").out)
    rows = planned["rows"] if isinstance(planned, dict) else planned
    assert set(s3.requests(mark)) <= {"LIST", "HEAD"}
    plan = {(row["path"], row["rule"]) for row in rows}
    assert {path for path, _ in plan} == {
        *("edited.gz", "new-here.gz", "deleted-here.gz", "new-there.gz", "deleted-there.gz"),
    }
    assert all(row["reason"] for row in rows)
    explained = json.loads(host.ctl("explain", "edited.gz", "--json").out)
    assert explained["local"]["size"] == len(b"another")
    assert explained["agreed"] is not None
    assert explained["next"]["rule"] == dict(plan)["edited.gz"]

    before = {row["id"] for row in history(host)}
    assert host.ctl("force-sync", "--wait", "--timeout", "30").code == 0
    done = {(row["path"], row["rule"]) for row in history(host) if row["id"] not in before}
    assert done == plan
    assert objects(s3, bucket) == {
        "edited.gz": b"another",
        "new-here.gz": b"new here",
        "new-there.gz": b"new there",
        "same.gz": b"same.gz",
    }
    assert {file.name for file in host.root.glob("*.gz")} == set(objects(s3, bucket))
    told = host.ctl("history", host.root / "edited.gz")
    assert told.code == 0
    assert "edited.gz" in told.out
    assert json.loads(host.ctl("plan", "--json").out) in ([], {"schema_version": 1, "rows": []}, {"rows": []})
    assert host.stop() == 0


def history(host: Host) -> list[dict[str, object]]:
    """`synctl history --json`."""
    answer = json.loads(host.ctl("history", "--json").out)
    rows: list[dict[str, object]] = answer["rows"] if isinstance(answer, dict) else answer
    return rows


def test_synctl_asked_for_what_is_not_there_says_so(s3: MotoServer, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint)
    nobody = host.ctl("status")
    assert nobody.code == 3
    assert "syncd is not running" in nobody.err
    host.start()
    wrong = host.ctl("pause", "nosuch")
    assert wrong.code != 0
    assert "no section named nosuch" in wrong.err
    assert "logs" in wrong.err
    outside = host.ctl("explain", "/etc/passwd")
    assert outside.code != 0
    assert "lies under no configured root" in outside.err
    assert host.ctl("resume", "logs", "--accept", "nothing").code != 0
    assert host.stop() == 0
