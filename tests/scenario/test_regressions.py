"""Faults that a review found, as a user would meet them: by the exit code, the run report and what lies on S3."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from support.moto import MotoServer
from support.processes import eventually
from support.site import AGO, Site
from syncwire.exits import Exit


def until_staged(host: Site) -> None:
    """`a` is proven and lies in the staging."""
    for _ in range(3):
        assert host.once().code == 0
        if host.staged():
            return
    raise AssertionError("never staged")


def last_run(host: Site) -> dict[str, object]:
    """The run report as monitoring reads it."""
    found: dict[str, object] = json.loads((host.state / "last-run" / "logs.json").read_text())
    return found


def test_once_does_not_end_well_before_a_new_file_at_the_place_of_a_staged_one_is_on_s3(
    site: Callable[..., Site],
) -> None:
    host = site(mode="upload", cleanup=True)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.write("a", b"the only copy")

    run = host.once()

    assert run.code == 0, run.said
    assert host.objects() == {"a": b"the only copy"}


@pytest.mark.parametrize("elsewhere", ["bucket", "prefix"])
def test_a_dry_run_against_another_remote_leaves_the_records_of_the_real_one(
    site: Callable[..., Site], server: MotoServer, elsewhere: str
) -> None:
    host = site(mode="upload", cleanup=True)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    assert host.once().code == 0
    assert host.tree() == {}
    host.write("b", b"kept", mtime=AGO)
    assert host.once().code == 0
    bucket, prefix = host.bucket, host.prefix
    if elsewhere == "bucket":
        host.bucket = server.new_bucket(f"{bucket}-elsewhere")
    else:
        host.prefix = "elsewhere/"

    planned = host.plan()

    assert planned.code == 0, planned.said
    assert not planned.writes
    assert planned.rules == {"b": "upload.new"}
    host.bucket, host.prefix = bucket, prefix
    run = host.once()
    assert run.code == 0, run.said
    assert run.requests["PUT"] == 0
    host.delete("a")
    assert "last" in host.once().said  # that it was cleaned here is still known


def _count(host: Site) -> int:
    """How many objects there are, by listing alone: who reads them all is slower than the daemon."""
    pages = host.client.get_paginator("list_objects_v2").paginate(Bucket=host.bucket)
    return sum(page["KeyCount"] for page in pages)


def test_a_stop_during_force_sync_is_never_told_as_ok_while_files_are_missing(site: Callable[..., Site]) -> None:
    host = site(mode="upload", watch=False, interval="1h")
    with host.daemon() as daemon:
        eventually(lambda: host.status()["last_cycle"], within=20, what="the first pass")
        for number in range(8000):
            host.write(f"f{number:04}", b"body %d" % number, mtime=AGO)
        argv = [sys.executable, "-m", "synctl", "force-sync", "--wait", "--socket", str(host.socket)]
        with subprocess.Popen(
            argv, env={**os.environ, **host.server.env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as asked:
            eventually(lambda: _count(host) > 10, within=20, what="the first files")
            daemon.signal(signal.SIGTERM)
            _, said = asked.communicate(timeout=60)
        assert _count(host) < 8000, "it was through before the stop"
        assert asked.returncode != Exit.OK, said


def test_the_run_report_of_a_daemon_tells_of_a_pass_that_failed(site: Callable[..., Site]) -> None:
    host = site(mode="upload", watch=False, interval="1h")
    host.write("a", b"a", mtime=AGO)
    with host.daemon():
        assert host.synctl("force-sync", "--wait").code == Exit.OK
        assert last_run(host)["status"] == "success"
        for row in host.client.list_objects_v2(Bucket=host.bucket)["Contents"]:
            host.client.delete_object(Bucket=host.bucket, Key=row["Key"])
        host.client.delete_bucket(Bucket=host.bucket)
        assert host.synctl("force-sync", "--wait").code != Exit.OK
        eventually(lambda: last_run(host)["status"] == "failed", within=10, what=lambda: str(last_run(host)))
        assert last_run(host)["errors"]
