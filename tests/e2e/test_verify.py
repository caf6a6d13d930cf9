"""`synctl verify` and the rolling audit of a real daemon on moto: rows, exit codes, JSON, a reader who goes away."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from support.daemon_process import SYNCTL, Host, objects
from support.moto import CREDENTIALS, MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy

FLIPPED = Fault(method="GET", target=r"/p/rotten\.gz(\?|$)", flip_down_at=3)
"""Every read of that object gives other bytes, under the ETag and checksum that it always had."""


def rows(out: str) -> dict[str, str]:
    """The sign by path."""
    return {line[2:].partition("\t")[0]: line[0] for line in out.splitlines()}


@pytest.fixture
def host(make_host: Callable[..., Host], proxy: Proxy) -> Host:
    """A daemon whose pair has sent four files."""
    host = make_host(proxy.endpoint, pair='interval = "1h"\nsettle = "0s"\nwatch = false', s3="retries = 0")
    for name in ("a.gz", "b.gz", "f/c.gz", "rotten.gz"):
        host.write(name, f"content of {name}".encode())
    host.start()
    assert host.ctl("force-sync", "--wait").code == 0
    return host


def test_both_sides_in_step_are_exit_0_and_every_sign_has_its_row(host: Host, s3: MotoServer, bucket: str) -> None:
    done = host.ctl("verify")
    assert (done.code, set(rows(done.out).values())) == (0, {"="})
    assert re.search(r"synctl: 4 paths by metadata in \d+ s: 4 the same, no difference\n", done.err)

    client = s3.client()
    host.write("a.gz", b"longer than it was before")
    host.write("new.gz", b"new")
    client.put_object(Bucket=bucket, Key="p/theirs.gz", Body=b"theirs")
    client.delete_object(Bucket=bucket, Key="p/b.gz")
    done = host.ctl("verify", "logs")
    assert done.code == 4
    assert rows(done.out) == {
        "a.gz": "*",
        "b.gz": "+",
        "f/c.gz": "=",
        "new.gz": "+",
        "rotten.gz": "=",
        "theirs.gz": "-",
    }
    assert "theirs.gz\tonly on S3, and this pair only uploads" in done.out
    assert "3 differences, 1 left so on purpose" in done.err
    assert set(rows(host.ctl("verify", "--differences").out)) == {"a.gz", "b.gz", "new.gz", "theirs.gz"}
    assert rows(host.ctl("verify", "--path", "f").out) == {"f/c.gz": "="}
    assert host.ctl("verify", "--path", "f/c.gz").code == 0


def test_other_bytes_under_the_same_etag_are_found_by_reading_alone(
    host: Host, proxy: Proxy, s3: MotoServer, bucket: str
) -> None:
    before = objects(s3, bucket)
    proxy.add(FLIPPED)
    assert host.ctl("verify").code == 0
    done = host.ctl("verify", "--download", "--json")
    assert done.code == 4
    answer = json.loads(done.out)
    assert answer["schema_version"] == 1
    assert answer["complete"]
    assert {row["path"]: row["finding"] for row in answer["rows"] if row["sign"] != "="} == {
        "rotten.gz": "rotted.there"
    }
    assert (answer["files"], answer["same"], answer["differences"], answer["errors"]) == (4, 3, 1, 0)
    assert answer["bytes_read"] > 40
    assert objects(s3, bucket) == before


def test_a_sample_tells_its_seed_and_can_be_drawn_again(host: Host) -> None:
    first = host.ctl("verify", "--sample", "50%")
    found = re.search(r"a sample of 50 % \(--seed (\w+)\)", first.err)
    assert found, first.err
    again = host.ctl("verify", "--sample", "0.5", "--seed", found[1])
    assert again.out == first.out
    assert host.ctl("verify", "--sample", "nothing").code == 2


def test_an_endpoint_that_is_away_is_exit_5_and_json_stays_json(host: Host, proxy: Proxy) -> None:
    proxy.refuse()
    assert host.ctl("verify").code == 5
    done = host.ctl("verify", "--json")
    assert done.code == 5
    assert json.loads(done.out) == {"schema_version": 1, "rows": [], "complete": False}


def test_an_object_that_cannot_be_read_is_an_error_and_exit_1(host: Host, proxy: Proxy) -> None:
    proxy.add(Fault(method="GET", target=r"/p/a\.gz", answer=(403, "AccessDenied")))
    done = host.ctl("verify", "--download")
    assert done.code == 1
    assert rows(done.out)["a.gz"] == "!"
    assert rows(done.out)["b.gz"] == "="


def test_a_reader_who_is_killed_ends_the_verification_and_nothing_else(host: Host, proxy: Proxy) -> None:
    for number in range(200):
        host.write(f"many/{number:03}.gz", b"x")
    assert host.ctl("force-sync", "--wait").code == 0
    proxy.add(Fault(method="GET", target=r"/p/many/", delay_s=0.2))
    words = [*SYNCTL, "--socket", str(host.socket), "verify", "--download"]
    child = subprocess.Popen(words, env={**os.environ, **CREDENTIALS}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    eventually(lambda: proxy.count("GET", "/p/many/") >= 3, within=30, what="nothing was read")
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert host.ctl("verify").code == 0
    assert proxy.count("GET", "/p/many/") < 150
    assert host.status()["health"] == "ok"


def test_the_audit_finds_rot_says_it_and_shows_it(make_host: Callable[..., Host], proxy: Proxy) -> None:
    host = make_host(
        proxy.endpoint, pair='interval = "1h"\nsettle = "0s"\nwatch = false\naudit = "6s"', s3="retries = 0"
    )
    for name in ("a.gz", "rotten.gz"):
        host.write(name, f"content of {name}".encode())
    host.start()
    assert host.ctl("force-sync", "--wait").code == 0
    proxy.add(FLIPPED)

    said = host.until_event("audit.differed", within=60)
    assert said["path"] == "rotten.gz"
    assert "aws s3 cp" in said["hint"]

    def audit() -> Any:
        return host.pair()["audit"]

    eventually(
        lambda: audit()["differences"] == 1 and audit()["oldest_seconds"] is not None,
        within=60,
        what=lambda: json.dumps(audit()),
        every=0.5,
    )
    assert audit()["enabled"]
    assert audit()["period_seconds"] == 6
    assert 0 <= audit()["done_share"] <= 1
    shown = host.ctl("status")
    assert shown.code == 6
    assert "the audit found a path whose bytes are no longer the recorded ones" in " ".join(shown.out.split())
    assert "audit found 1 difference" in shown.out
    assert re.search(r"proof +unproven", host.ctl("explain", str(host.root / "rotten.gz")).out)
