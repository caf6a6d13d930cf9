"""The unit in a really booted systemd: readiness, status, journal, watchdog, drain, bad configuration, reload."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.booted import BootedSystem, booted_gap
from support.gaps import missing
from support.installed import install, shown
from support.moto import MotoServer
from support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

CONFIG = "/etc/syncd/syncd.toml"
CONFIGURATION = """\
[s3]
endpoint_url = "{endpoint}"

[[pair]]
name = "logs"
local = "{hot}"
remote = "s3://{bucket}/host/"
mode = "upload"
include = ["*.gz"]
settle = "1s"
interval = "5s"
"""

# shorter than a host would have it, so that the suite need not wait a minute for the watchdog
DROP_IN = """\
[Service]
WatchdogSec=3s
RestartSec=200ms
TimeoutStopSec=30s
Environment=AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
"""

COUNTER = itertools.count(1)


@dataclass
class Service:
    """syncd.service in a booted machine with one upload pair, and the bucket it writes to."""

    host: BootedSystem
    s3: MotoServer
    number: int
    cursor: str  # where the journal stood before this test

    @property
    def hot(self) -> str:
        return f"/srv/hot-{self.number}"

    @property
    def bucket(self) -> str:
        return f"logs-{self.number}"

    def configure(self, *, extra: str = "") -> None:
        """Write the configuration; `extra` follows the lines of the pair."""
        text = CONFIGURATION.format(endpoint=self.s3.endpoint, hot=self.hot, bucket=self.bucket)
        self.host.write(CONFIG, text + extra)

    def systemctl(self, verb: str, *, check: bool = True) -> int:
        return self.host.run(["systemctl", verb, "syncd"], check=check).returncode

    def shown(self, name: str) -> str:
        return self.host.run(["systemctl", "show", "-P", name, "syncd"], check=True).stdout.strip()

    def journal(self) -> str:
        """What systemd and the daemon have said since this test began."""
        words = ["journalctl", "-u", "syncd", "--no-pager", "-o", "short-precise", f"--after-cursor={self.cursor}"]
        return self.host.run(words, check=True).stdout

    def drop(self, name: str, content: bytes) -> str:
        """Write a file into the hot folder as the load generator's user would; its SHA-256."""
        self.host.write(f"{self.hot}/{name}", content)
        return hashlib.sha256(content).hexdigest()

    def on_s3(self) -> dict[str, str]:
        """What lies in the bucket: key below the prefix -> SHA-256 of its bytes."""
        client = self.s3.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix="host/")
        keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
        return {
            key.removeprefix("host/"): hashlib.sha256(
                client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            ).hexdigest()
            for key in keys
            if ".syncd" not in key.split("/")
        }

    def await_on_s3(self, wanted: dict[str, str], *, within: float = 30) -> None:
        eventually(lambda: self.on_s3() == wanted, within=within, every=0.2, what=self.story)

    def story(self) -> str:
        return f"on S3: {sorted(self.on_s3())}\n{self.journal()[-6000:]}"


@pytest.fixture(scope="module")
def host() -> Iterator[BootedSystem]:
    gap = booted_gap()
    if gap:
        missing("systemd", gap)
    with BootedSystem(shown=shown()) as machine:
        install(machine)
        machine.write("/etc/systemd/system/syncd.service.d/test.conf", DROP_IN)
        machine.run(["systemctl", "daemon-reload"], check=True)
        yield machine


@pytest.fixture(scope="module")
def s3() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture
def service(host: BootedSystem, s3: MotoServer) -> Iterator[Service]:
    """Stopped, configured, with a hot folder, a bucket and a journal of its own."""
    said = host.run(["journalctl", "--no-pager", "-n", "0", "--show-cursor"], check=True).stdout
    one = Service(host=host, s3=s3, number=next(COUNTER), cursor=said.partition("cursor: ")[2].strip())
    s3.client().create_bucket(Bucket=one.bucket)
    host.run(["install", "-d", "-o", "syncd", "-g", "syncd", one.hot], check=True)
    one.configure()
    yield one
    host.run(["systemctl", "stop", "syncd"])
    host.run(["systemctl", "reset-failed", "syncd"])
    host.run(["systemctl", "clean", "--what=state", "syncd"])


@pytest.fixture
def started(service: Service) -> Service:
    if service.systemctl("start", check=False) != 0:
        pytest.fail(f"syncd.service did not start:\n{service.journal()}", pytrace=False)
    return service


def test_systemd_finds_nothing_wrong_with_the_unit(host: BootedSystem) -> None:
    done = host.run(["systemd-analyze", "verify", "/usr/lib/systemd/system/syncd.service"])
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_it_is_ready_once_it_answers(started: Service) -> None:
    assert started.shown("ActiveState") == "active"
    done = started.host.run(["synctl", "status", "--json"])
    assert done.returncode in {0, 6}, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer["pid"] == int(started.shown("MainPID"))
    assert [pair["name"] for pair in answer["pairs"]] == ["logs"]


def test_it_runs_as_its_own_user_without_other_rights(started: Service) -> None:
    status = started.host.path(f"/proc/{started.shown('MainPID')}/status").read_text()
    words = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    uid = started.host.run(["id", "-u", "syncd"], check=True).stdout.strip()
    assert words["Uid"].split() == [uid] * 4
    assert words["NoNewPrivs"] == "1"
    cap_lease = 1 << 28
    assert (int(words["CapEff"], 16), int(words["CapBnd"], 16)) == (cap_lease, cap_lease)


def test_its_state_is_its_own_and_its_socket_the_groups(started: Service) -> None:
    look = ["stat", "-c", "%U:%G %a"]
    assert started.host.run([*look, "/var/lib/syncd"]).stdout.strip() == "syncd:syncd 750"
    assert started.host.run([*look, "/run/syncd/control"]).stdout.strip() == "syncd:syncd 660"


def test_a_stranger_may_not_even_ask(started: Service) -> None:
    done = started.host.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "synctl", "status"])
    assert done.returncode not in {0, 6}
    assert done.stderr.strip()


def test_files_of_another_user_reach_s3(started: Service) -> None:
    wanted = {f"run/{i}.gz": started.drop(f"run/{i}.gz", f"line {i}\n".encode() * 100) for i in range(5)}
    started.await_on_s3(wanted)


def test_its_status_is_shown_by_systemctl(started: Service) -> None:
    eventually(lambda: started.shown("StatusText"), within=15, what="StatusText is empty")
    said = started.host.run(["systemctl", "status", "--no-pager", "syncd"])
    assert said.returncode == 0
    assert 'Status: "' in said.stdout


def test_its_lines_are_in_the_journal(started: Service) -> None:
    wanted = {"a.gz": started.drop("a.gz", b"one")}
    started.await_on_s3(wanted)
    eventually(lambda: "cycle.finished" in started.journal(), within=20, what=started.journal)
    assert "daemon.ready" in started.journal()


def test_frozen_it_is_aborted_by_the_watchdog_and_started_anew(started: Service) -> None:
    before = started.shown("MainPID")
    started.host.run(["kill", "-STOP", before], check=True)
    eventually(lambda: started.shown("NRestarts") == "1", within=30, what=started.journal)
    eventually(lambda: started.shown("ActiveState") == "active", within=30, what=started.journal)
    assert started.shown("MainPID") != before
    assert "Watchdog timeout" in started.journal()
    assert "status=6/ABRT" in started.journal()
    started.await_on_s3({"after.gz": started.drop("after.gz", b"still here")})


def test_the_watchdog_leaves_a_working_daemon_alone(started: Service) -> None:
    wanted = {f"{i}.gz": started.drop(f"{i}.gz", bytes([i]) * 4000) for i in range(100)}
    started.await_on_s3(wanted)
    alive_usec = int(started.shown("WatchdogTimestampMonotonic"))
    more = alive_usec + 3 * 3_000_000  # three watchdog periods later
    eventually(lambda: int(started.shown("WatchdogTimestampMonotonic")) > more, within=30, what=started.journal)
    assert started.shown("NRestarts") == "0"


def test_killed_it_comes_back_and_loses_nothing(started: Service) -> None:
    wanted = {f"{i}.gz": started.drop(f"{i}.gz", bytes([i]) * 4000) for i in range(50)}
    started.host.run(["kill", "-KILL", started.shown("MainPID")], check=True)
    eventually(lambda: started.shown("NRestarts") == "1", within=30, what=started.journal)
    started.await_on_s3(wanted)


def test_stop_drains_and_ends_well(started: Service) -> None:
    wanted = {f"{i}.gz": started.drop(f"{i}.gz", bytes([i]) * 20_000) for i in range(100)}
    started.systemctl("stop")
    assert (started.shown("Result"), started.shown("ExecMainStatus")) == ("success", "0"), started.journal()
    assert "daemon.stopped" in started.journal()
    assert started.on_s3().items() <= wanted.items(), "a stop left something on S3 that is not a whole file"
    started.systemctl("start")
    started.await_on_s3(wanted)


def test_synctl_stop_is_no_failure_to_systemd(started: Service) -> None:
    done = started.host.run(["synctl", "stop"])
    assert done.returncode == 0, done.stderr
    eventually(lambda: started.shown("ActiveState") == "inactive", within=30, what=started.journal)
    assert (started.shown("Result"), started.shown("NRestarts")) == ("success", "0")


def test_a_bad_configuration_is_not_tried_again(service: Service) -> None:
    service.configure(extra='modee = "upload"\n')
    assert service.systemctl("start", check=False) != 0
    assert service.shown("ActiveState") == "failed"
    assert (service.shown("ExecMainStatus"), service.shown("NRestarts")) == ("78", "0")
    assert "modee" in service.journal()


def test_reload_takes_the_new_configuration_without_a_restart(started: Service) -> None:
    pid = started.shown("MainPID")
    wanted = {"a.gz": started.drop("a.gz", b"one")}
    started.await_on_s3(wanted)
    assert "transfer.finished" not in started.journal(), "a line for each file is for debug"
    started.configure(extra='[daemon]\nlog_level = "debug"\n')
    started.systemctl("reload")
    eventually(lambda: "config.reloaded" in started.journal(), within=20, what=started.journal)
    started.await_on_s3({**wanted, "b.gz": started.drop("b.gz", b"two")})
    eventually(lambda: "transfer.finished" in started.journal(), within=20, what=started.journal)
    assert (started.shown("MainPID"), started.shown("NRestarts")) == (pid, "0")


def test_reload_refuses_a_bad_configuration_and_goes_on(started: Service) -> None:
    pid = started.shown("MainPID")
    started.configure(extra='modee = "upload"\n')
    started.systemctl("reload")
    eventually(lambda: "config.refused" in started.journal(), within=20, what=started.journal)
    started.await_on_s3({"a.gz": started.drop("a.gz", b"one")})
    assert started.shown("MainPID") == pid
