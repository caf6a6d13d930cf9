"""`make demo`: watch syncd carry real log files to an embedded S3, then check every byte without its help.

No root, no systemd, no AWS account: the S3 server is moto in a process of its own on the loopback, and everything
lies in one temporary folder whose name is printed at the end.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

BUCKET = "demo-logs"
PREFIX = "load-test/"
WANTED = 300
WRITING_SECONDS = 8.0
FRAMES = 3
READY_SECONDS = 30.0
SYNC_SECONDS = 60

CONFIGURATION = """\
[daemon]
state_dir = "{home}/state"
socket = "{socket}"

[s3]
endpoint_url = "{endpoint}"

[[pair]]
name = "logs"
local = "{home}/hot"
remote = "s3://{bucket}/{prefix}"
mode = "upload"
include = ["*.gz"]
settle = "1s"
"""


class DemoFailed(Exception):
    """Something did not happen as promised; the message says what, for a person."""


# --- files ----------------------------------------------------------------------------------------------------------


def real_logs() -> list[Path]:
    """Regular .gz files that this machine has anyway, spread over its folders; [] where docs are stripped."""
    found: list[Path] = []
    for root in (Path("/usr/share/doc"), Path("/usr/share/man")):
        for folder, folders, names in os.walk(root):
            folders.sort()
            paths = (Path(folder, name) for name in sorted(names) if name.endswith(".gz"))
            found += [path for path in paths if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK)]
    step = max(1, len(found) // WANTED)
    return found[::step][:WANTED]


def made_log(number: int) -> bytes:
    """A gzipped log of a few hundred lines, the same for the same number."""
    dice = random.Random(number)
    lines = (f"2026-01-01T00:00:{i % 60:02d}Z latency_ms={dice.expovariate(0.02):.3f}\n" for i in range(400))
    return gzip.compress("".join(lines).encode(), mtime=0)


@dataclass
class Writer:
    """Drops logs into the hot folder over some seconds, as a load generator would, and keeps a list of its own."""

    hot: Path
    hashes: dict[str, str] = field(default_factory=dict)
    size: int = 0
    failure: Exception | None = None

    def start(self) -> threading.Thread:
        """Begin in the background; the thread ends when all files are closed."""
        thread = threading.Thread(target=self._run, name="writer", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            sources = real_logs()
            bodies: list[Path | int] = [*sources, *range(max(0, WANTED - len(sources)))]
            pace = threading.Event()
            for body in bodies:
                self._drop(body)
                pace.wait(WRITING_SECONDS / len(bodies))
        except OSError as problem:
            self.failure = problem

    def _drop(self, body: Path | int) -> None:
        name = f"made/run-{body:04d}.log.gz" if isinstance(body, int) else str(body.relative_to("/usr/share"))
        content = made_log(body) if isinstance(body, int) else body.read_bytes()
        target = self.hot / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        self.hashes[name] = hashlib.sha256(content).hexdigest()
        self.size += len(content)


# --- processes ------------------------------------------------------------------------------------------------------


class Child:
    """A child process with its output in a file; ended with the demo, whatever happens."""

    def __init__(self, argv: Sequence[str], *, log: Path, env: Mapping[str, str]) -> None:
        self.log = log
        with log.open("wb") as sink:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=dict(env)
            )

    def end(self) -> None:
        """Terminate it if it still runs, kill it if it does not listen."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(timeout=10)

    def tail(self) -> str:
        """Its last words."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def free_port() -> int:
    """A TCP port on the loopback that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def answers(endpoint: str) -> bool:
    """Whether something speaks HTTP there, whatever it says."""
    try:
        urllib.request.urlopen(endpoint, timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


# --- the demo -------------------------------------------------------------------------------------------------------


class Demo:
    """One run: the pieces, where they lie, and the steps in order."""

    def __init__(self, home: Path, runtime: Path, resources: ExitStack) -> None:
        self.home = home
        self.socket = runtime / "control"
        self.resources = resources
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self.config = home / "syncd.toml"
        foreign = ("AWS_", "S3_", "S5CMD_", "SYNC", "CUSTOMER_S3_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        self.env |= {
            "AWS_ACCESS_KEY_ID": "demo",
            "AWS_SECRET_ACCESS_KEY": "demo",  # the embedded server takes any
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "PYTHONUNBUFFERED": "1",
        }
        for name in ("BUCKET_NAME", "SOURCE_DIR", "LOGS_DIR", "DEBUG"):
            self.env.pop(name, None)

    def run(self) -> None:
        """All of it, or DemoFailed."""
        began = time.monotonic()
        step(f"An S3 server of our own (moto, in a process of its own) listens at {self.endpoint}")
        client = self.start_s3()
        step("syncd starts in the foreground and watches an empty hot folder")
        daemon = self.start_daemon()
        step(f"A load generator drops {WANTED} .gz files into it; `synctl status` tells the story as they move")
        writer = self.drop_and_watch(daemon)
        step("`synctl force-sync --wait` returns when every file present at the call is durable on S3")
        self.force_sync(daemon)
        step("An independent client (plain boto3) reads every object and compares its SHA-256 with the writer's list")
        self.check(client, writer)
        step("`synctl stop` drains and stops the daemon")
        self.stop(daemon)
        self.account(writer, time.monotonic() - began)

    def start_s3(self) -> Any:
        """Start moto, make the bucket, return a client that is not syncd's."""
        host, port = self.endpoint.removeprefix("http://").split(":")
        server = Child(
            [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", host, "-p", port],
            log=self.home / "s3-server.log",
            env=self.env,
        )
        self.resources.callback(server.end)
        await_(lambda: answers(self.endpoint), READY_SECONDS, server, "the embedded S3 server did not come up")
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
            config=Config(s3={"addressing_style": "path"}),
        )
        client.create_bucket(Bucket=BUCKET)
        return client

    def start_daemon(self) -> Child:
        """Start `syncd --config FILE` and return when its control socket answers."""
        (self.home / "hot").mkdir()
        words = {
            "home": self.home,
            "socket": self.socket,
            "endpoint": self.endpoint,
            "bucket": BUCKET,
            "prefix": PREFIX,
        }
        self.config.write_text(CONFIGURATION.format(**words))
        print(f"  $ syncd --config {self.config}")
        argv = [sys.executable, "-m", "syncd", "--config", str(self.config)]
        daemon = Child(argv, log=self.home / "syncd.log", env=self.env)
        self.resources.callback(daemon.end)
        await_(self.daemon_answers, READY_SECONDS, daemon, "syncd did not answer on its control socket")
        return daemon

    def daemon_answers(self) -> bool:
        """Whether `synctl status` gets an answer, good or bad."""
        return self.socket.exists() and self.synctl("status", "--json").returncode in {0, 4, 5, 6, 7}

    def drop_and_watch(self, daemon: Child) -> Writer:
        """Write while the daemon runs, and show a few frames of status on the way."""
        writer = Writer(self.home / "hot")
        thread = writer.start()
        for _ in range(FRAMES):
            thread.join(timeout=WRITING_SECONDS / FRAMES)
            print(f"\n  $ synctl status        ({len(writer.hashes)} files dropped so far)")
            show(self.synctl("status").stdout)
            alive(daemon, "syncd ended while files were being dropped")
        thread.join(timeout=60)
        if thread.is_alive() or writer.failure is not None:
            raise DemoFailed(f"the load generator could not write its files: {writer.failure or 'it hangs'}")
        return writer

    def force_sync(self, daemon: Child) -> None:
        """Wait until everything is durable on the other side."""
        print(f"  $ synctl force-sync --wait --timeout {SYNC_SECONDS}")
        done = self.synctl("force-sync", "--wait", "--timeout", str(SYNC_SECONDS), within=SYNC_SECONDS + 30)
        show(done.stdout + done.stderr)
        if done.returncode != 0:
            raise DemoFailed(f"force-sync ended with {done.returncode}; the daemon's log ends:\n{daemon.tail()}")
        print("\n  $ synctl status")
        show(self.synctl("status").stdout)

    def check(self, client: Any, writer: Writer) -> None:
        """Every object against the writer's list, both ways, by its bytes."""
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
        keys = [row["Key"] for page in pages for row in page.get("Contents", [])]
        present = {key.removeprefix(PREFIX): key for key in keys if ".syncd" not in key.split("/")}
        problems = [f"not on S3: {name}" for name in sorted(writer.hashes.keys() - present.keys())]
        problems += [f"nobody wrote: {name}" for name in sorted(present.keys() - writer.hashes.keys())]
        for name in sorted(present.keys() & writer.hashes.keys()):
            body = client.get_object(Bucket=BUCKET, Key=present[name])["Body"].read()
            if hashlib.sha256(body).hexdigest() != writer.hashes[name]:
                problems.append(f"other bytes: {name}")
        print(f"  {len(present)} objects, {len(writer.hashes)} files written, {len(problems)} differences")
        if problems:
            raise DemoFailed("\n".join(["the check found differences:", *problems[:10]]))

    def stop(self, daemon: Child) -> None:
        """Ask it to stop and see it go with 0."""
        print("  $ synctl stop")
        done = self.synctl("stop", within=60)
        show(done.stdout + done.stderr)
        if done.returncode != 0:
            raise DemoFailed(f"`synctl stop` ended with {done.returncode}")
        try:
            status = daemon.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise DemoFailed(f"syncd did not stop within 30 s; its log ends:\n{daemon.tail()}") from None
        if status != 0:
            raise DemoFailed(f"syncd ended with {status}; its log ends:\n{daemon.tail()}")
        print("  syncd ended with 0")

    def account(self, writer: Writer, seconds: float) -> None:
        """What happened and where it lies."""
        count, size = len(writer.hashes), f"{writer.size / 1e6:.1f} MB"
        print(f"\nDone in {seconds:.0f} s: {count} files, {size}, went to S3 as they came; every byte agrees.\n")
        rows = {
            "hot folder": self.home / "hot",
            "configuration": self.config,
            "state (SQLite)": self.home / "state",
            "daemon's log": self.home / "syncd.log",
            "server's log": self.home / "s3-server.log",
        }
        (self.home / "written.json").write_text(json.dumps(writer.hashes, indent=1, sort_keys=True))
        rows["SHA-256 list"] = self.home / "written.json"
        for label, path in rows.items():
            print(f"  {label:<16} {path}")
        print(f"\nThe embedded S3 kept its objects in memory and is gone. Remove the rest with: rm -r {self.home}")

    def synctl(self, *argv: str, within: float = 30) -> subprocess.CompletedProcess[str]:
        """Run our client as a person would, in 80 columns."""
        program = [sys.executable, "-m", "synctl", *argv, "--socket", str(self.socket)]
        env = {**self.env, "COLUMNS": "80", "NO_COLOR": "1"}
        return subprocess.run(program, capture_output=True, text=True, env=env, timeout=within, check=False)


STEPS = iter(range(1, 100))


def step(sentence: str) -> None:
    """Announce the next step."""
    print(f"\n{next(STEPS)}. {sentence}", flush=True)


def show(text: str) -> None:
    """Print what a program said, indented."""
    for line in text.rstrip().splitlines():
        print(f"    {line}", flush=True)


def alive(child: Child, complaint: str) -> None:
    """DemoFailed with the child's last words if it has ended."""
    if child.process.poll() is not None:
        raise DemoFailed(f"{complaint} (exit {child.process.returncode}); its log ends:\n{child.tail()}")


def await_(condition: Any, seconds: float, child: Child, complaint: str) -> None:
    """Return when the condition holds; DemoFailed when the child ends before or time is up."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        alive(child, complaint)
        if time.monotonic() > deadline:
            raise DemoFailed(f"{complaint} within {seconds:.0f} s; its log ends:\n{child.tail()}")
        pause.wait(0.1)


def interrupted(signals: Iterable[signal.Signals]) -> None:
    """Turn these signals into KeyboardInterrupt, so that the children are always ended."""
    for number in signals:
        signal.signal(number, signal.default_int_handler)


def main() -> int:
    """Run the demo: 0 when everything was as promised, 1 with the reason when not."""
    interrupted((signal.SIGTERM, signal.SIGHUP))
    home = Path(tempfile.mkdtemp(prefix="syncd-demo-"))
    with ExitStack() as resources:
        # a socket's path has room for 107 bytes: TMPDIR may be longer, so it gets a short folder of its own
        short = "/tmp" if os.access("/tmp", os.W_OK) else None
        runtime = Path(tempfile.mkdtemp(prefix="syncd-", dir=short))
        resources.callback(shutil.rmtree, runtime, ignore_errors=True)
        try:
            Demo(home, runtime, resources).run()
        except DemoFailed as failure:
            print(f"\nThe demo failed: {failure}\n\nIts files are in {home}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"\ninterrupted; the files are in {home}", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
