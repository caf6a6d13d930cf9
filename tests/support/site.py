"""One host as a scenario sees it: a folder, a bucket, and the real program run over them as a process.

Results are read by a plain boto3 client and a walk of the folder, requests from the server's own log.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.moto import MotoServer
from support.processes import Process, eventually

HOST = socket.gethostname().partition(".")[0]
OURS = ".syncd"
WRITES = frozenset({"PUT", "COPY", "DELETE", "CREATE", "PART", "PARTCOPY", "COMPLETE", "ABORT"})
AGO = 1_700_000_000.25
"""A modification time far in the past, in seconds since the epoch."""


def _of_the_canary(key: str) -> bool:
    return "/.syncd/canary/" in f"/{key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of the program: its exit code, what it said, its report, and the requests that the server logged."""

    code: int
    out: str
    said: str
    report: Any
    log: tuple[tuple[str, str, int], ...]

    @property
    def requests(self) -> Counter[str]:
        """Requests by kind, those on the canary's objects left out."""
        return Counter(kind for kind, key, _ in self.log if not _of_the_canary(key))

    @property
    def canary(self) -> Counter[str]:
        """Requests by kind on the canary's objects."""
        return Counter(kind for kind, key, _ in self.log if _of_the_canary(key))

    @property
    def writes(self) -> list[tuple[str, str]]:
        """(kind, key with its bucket) of what changed the bucket, the canary of the probe left out."""
        return [(kind, key) for kind, key, _ in self.log if kind in WRITES and not _of_the_canary(key)]

    @property
    def rules(self) -> dict[str, str]:
        """The rule by path, of a dry run's plan."""
        rows = [line.split("\t") for line in self.out.splitlines() if line.count("\t") == 3]
        return {path: why.partition(":")[0] for _, _, path, why in rows}


class Site:
    """A host with one pair. `keys` are those of `[[pair]]`; `s3` those of `[s3]`; `env` overrides the environment."""

    def __init__(
        self,
        folder: Path,
        server: MotoServer,
        bucket: str,
        *,
        prefix: str = "",
        s3: dict[str, Any] | None = None,
        **keys: Any,
    ) -> None:
        self.home = folder
        self.server = server
        self.bucket = bucket
        self.prefix = prefix
        self.s3 = {"endpoint_url": server.endpoint, **(s3 or {})}
        self.keys: dict[str, Any] = {"settle": "0s", **keys}
        self.env: dict[str, str] = {}
        self.root = folder / "root"
        self.root.mkdir(parents=True)
        self.client = server.client()

    # --- the folder ---

    def write(self, path: str | bytes, body: bytes, *, mtime: float | None = None) -> Path:
        """Make or overwrite a file; `mtime` in seconds since the epoch."""
        target = self.root / os.fsdecode(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        if mtime is not None:
            os.utime(target, ns=(round(mtime * 1000) * 1_000_000,) * 2)
        return target

    def remove(self, *paths: str) -> None:
        """Delete files."""
        for path in paths:
            (self.root / path).unlink()

    def tree(self) -> dict[str, bytes]:
        """Every regular file's bytes by path, ours left out."""
        return {path: (self.root / path).read_bytes() for path in self._walk() if OURS not in path.split("/")}

    def trash(self) -> list[bytes]:
        """What lies in the local trash, sorted."""
        return self._ours("trash")

    def staged(self) -> list[bytes]:
        """What lies in the staging of a cleaning, sorted."""
        return self._ours("cleaning")

    def _ours(self, folder: str) -> list[bytes]:
        return sorted((self.root / p).read_bytes() for p in self._walk() if p.startswith(f"{OURS}/{folder}/"))

    def _walk(self) -> Iterator[str]:
        for folder, _, names in os.walk(self.root):
            for name in names:
                whole = Path(folder) / name
                if whole.is_file() and not whole.is_symlink():
                    yield str(whole.relative_to(self.root))

    # --- the bucket ---

    def put(self, path: str, body: bytes, **more: Any) -> str:
        """Write an object as another tool would; returns its ETag."""
        answer = self.client.put_object(Bucket=self.bucket, Key=self.prefix + path, Body=body, **more)
        return str(answer["ETag"]).strip('"')

    def delete(self, *paths: str) -> None:
        """Delete objects as another tool would."""
        for path in paths:
            self.client.delete_object(Bucket=self.bucket, Key=self.prefix + path)

    def head(self, path: str) -> Any:
        """The object's headers by boto3."""
        return self.client.head_object(Bucket=self.bucket, Key=self.prefix + path, ChecksumMode="ENABLED")

    def metadata(self, path: str) -> dict[str, str]:
        """The object's user metadata."""
        return dict(self.head(path)["Metadata"])

    def objects(self) -> dict[str, bytes]:
        """Every object's bytes by path, ours left out."""
        found = self.server.contents(self.bucket, self.prefix)
        return {
            key[len(self.prefix) :]: body
            for key, body in found.items()
            if OURS not in key[len(self.prefix) :].split("/")
        }

    def listed(self) -> set[str]:
        """The paths of all objects by a single look, ours too: for polling while a daemon works."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
        return {row["Key"][len(self.prefix) :] for page in pages for row in page.get("Contents", ())}

    def aside(self) -> list[bytes]:
        """What was kept under .syncd/trash on S3, sorted."""
        return sorted(self.server.contents(self.bucket, f"{self.prefix}{OURS}/trash/").values())

    def versions(self, path: str) -> list[bytes]:
        """Every version of a key, newest first, delete markers left out."""
        seen = self.client.list_object_versions(Bucket=self.bucket, Prefix=self.prefix + path)
        return [
            self.client.get_object(Bucket=self.bucket, Key=row["Key"], VersionId=row["VersionId"])["Body"].read()
            for row in seen.get("Versions", ())
            if row["Key"] == self.prefix + path
        ]

    # --- the program ---

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.home / "state"

    @property
    def socket(self) -> Path:
        """The control socket of a daemon; short enough for a Unix address wherever the test lies."""
        return Path(f"/tmp/site-{os.getpid()}-{abs(hash(self.home)) % 10**8}.sock")

    def configured(self) -> Path:
        """Write the configuration file."""
        pair = {
            "name": "logs",
            "local": str(self.root),
            "remote": f"s3://{self.bucket}/{self.prefix}" if self.bucket else "s3://",
            **self.keys,
        }
        lines = ["[daemon]", f"state_dir = {json.dumps(str(self.state))}", f"socket = {json.dumps(str(self.socket))}"]
        lines += ["[s3]", *(f"{key} = {json.dumps(value)}" for key, value in self.s3.items())]
        lines += ["[[pair]]", *(f"{key} = {json.dumps(value)}" for key, value in pair.items())]
        file = self.home / "syncd.toml"
        file.write_text("\n".join(lines) + "\n")
        return file

    def once(self, *flags: str) -> Run:
        """`syncd --once` over this site."""
        report = self.home / "report.json"
        report.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "syncd", "--config", str(self.configured()), "--once", "--report", str(report)]
        return self.run([*argv, *flags], report)

    def plan(self) -> Run:
        """`syncd --dry-run --once`."""
        return self.once("--dry-run")

    def run(self, argv: list[str], report: Path | None = None) -> Run:
        """Run a program in this site's environment, from its home."""
        since = self.server.mark()
        done = subprocess.run(
            argv,
            cwd=self.home,
            env={**os.environ, **self.server.env, **self.env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Run(
            code=done.returncode,
            out=done.stdout.decode(),
            said=done.stderr.decode(),
            report=json.loads(report.read_text()) if report is not None and report.exists() else None,
            log=tuple(self.server.log(since)),
        )

    def synctl(self, *words: str) -> Run:
        """`synctl` against this site's daemon."""
        return self.run([sys.executable, "-m", "synctl", *words, "--socket", str(self.socket)])

    @contextmanager
    def daemon(self) -> Iterator[Process]:
        """The daemon in the foreground; answers on the socket when this yields, is stopped after."""
        argv = [sys.executable, "-m", "syncd", "--config", str(self.configured())]
        process = Process(argv, log=self.home / "daemon.log", env={**self.server.env, **self.env})
        try:
            eventually(lambda: self._answers(process), within=20, what=process.said)
            yield process
        finally:
            process.signal(signal.SIGTERM)
            process.stop()

    def _answers(self, process: Process) -> bool:
        assert process.running, process.said()
        return self.socket.exists() and self.synctl("version").code == 0

    def status(self) -> Any:
        """The one pair's row of `synctl status --json`."""
        return json.loads(self.synctl("status", "--json").out)["pairs"][0]

    # --- the database, as a person handles it: a file ---

    def lose_database(self) -> None:
        """The state folder is gone."""
        shutil.rmtree(self.state)

    def copy_database(self) -> Path:
        """A copy of the state folder, as a backup makes it."""
        copy = self.home / f"state-{time.monotonic_ns()}"
        shutil.copytree(self.state, copy)
        return copy

    def restore_database(self, copy: Path) -> None:
        """That copy in place of the state folder."""
        shutil.rmtree(self.state)
        shutil.copytree(copy, self.state)
