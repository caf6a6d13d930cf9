"""The servers of the bench: our sink and `rclone serve s3`, each a process of its own, over HTTP or HTTPS."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Protocol

from bench.trees import OURS, Sums, sums_of
from support.processes import Process, eventually, free_port

ACCESS_KEY, SECRET_KEY = "bench", "bench-secret-key"
REGION = "us-east-1"
TESTS = Path(__file__).resolve().parent.parent


class Server(Protocol):
    """What a client needs, and what the bench asks afterwards."""

    name: str
    url: str
    ca_file: Path | None

    @property
    def pid(self) -> int: ...

    def new_bucket(self, name: str) -> str: ...

    def held(self, bucket: str, prefix: str) -> Sums:
        """Size and CRC64NVME of every object below the prefix, by the rest of its key; without what is syncd's."""
        ...

    def forget(self, bucket: str) -> None: ...

    def close(self) -> None: ...


def cpu_s(pid: int) -> float:
    """What a process has used so far, its reaped children included."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(word) for word in words[11:15]) / os.sysconf("SC_CLK_TCK")


class Sink:
    """`python -m bench.sink`. `before` goes in front of it: another network, another core."""

    def __init__(
        self,
        folder: Path,
        *,
        tls: bool = False,
        delay_ms: float = 0,
        processes: int = 1,
        host: str = "127.0.0.1",
        before: tuple[str, ...] = (),
    ) -> None:
        self.name = "sink"
        self.ca_file = folder / "sink-ca.pem" if tls else None
        argv: list[str | Path] = [*before, sys.executable, "-m", "bench.sink", "--host", host]
        argv += ["--delay-ms", str(delay_ms), "--processes", str(processes)]
        if self.ca_file:
            argv += ["--tls", "--ca-file", self.ca_file]
        log = folder / f"sink-{os.urandom(4).hex()}.log"
        self._process = Process(argv, log=log, env={"PYTHONPATH": str(TESTS)})
        eventually(lambda: "listening on" in self._process.said(), within=30, what=self._process.said)
        self.url = self._process.said().partition("listening on ")[2].split()[0]
        self._context = ssl.create_default_context(cafile=self.ca_file) if tls else None

    @property
    def pid(self) -> int:
        return self._process.pid

    def new_bucket(self, name: str) -> str:
        return name

    def held(self, bucket: str, prefix: str) -> Sums:
        rows: dict[str, list[Any]] = self.ask("GET", f"contents?bucket={bucket}")
        return {
            key[len(prefix) :]: (size, crc)
            for key, (size, _, crc) in rows.items()
            if key.startswith(prefix) and f"{OURS}/" not in key
        }

    def forget(self, bucket: str) -> None:
        self.ask("POST", f"forget?bucket={bucket}")

    def plant(self, bucket: str, prefix: str, count: int, size: int) -> Sums:
        """So many objects of seeded bytes; what they are."""
        self.ask("POST", f"plant?bucket={bucket}&prefix={prefix}&count={count}&size={size}")
        return self.held(bucket, prefix)

    def counts(self) -> dict[str, int]:
        """Requests by kind, since it began."""
        found: dict[str, int] = self.ask("GET", "counts")
        return found

    def ask(self, method: str, what: str) -> Any:
        """One of the bench's own requests."""
        request = urllib.request.Request(f"{self.url}/.sink/{what}", method=method)
        with urllib.request.urlopen(request, timeout=120, context=self._context) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def close(self) -> None:
        self._process.kill()


class RcloneServer:
    """`rclone serve s3` over a folder on the same tmpfs."""

    def __init__(self, folder: Path, program: str, *, tls: bool = False) -> None:
        self.name = "rclone serve s3"
        self.folder = folder / f"served-{os.urandom(4).hex()}"
        self.folder.mkdir()
        self.ca_file = None
        port = free_port()
        argv = [program, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", os.devnull]
        argv += ["--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"]
        if tls:
            self.ca_file = folder / "rclone-ca.pem"
            argv += ["--cert", str(folder / "rclone-cert.pem"), "--key", str(folder / "rclone-key.pem")]
            _certify(folder, self.ca_file)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self._process = Process([*argv, str(self.folder)], log=folder / f"{self.folder.name}.log")
        self._context = ssl.create_default_context(cafile=self.ca_file) if tls else None
        eventually(self._answers, within=30, what=self._process.said)

    @property
    def pid(self) -> int:
        return self._process.pid

    def new_bucket(self, name: str) -> str:
        """Made by a request: the server keeps what folders it saw."""
        self._client().create_bucket(Bucket=name)
        return name

    def read_in(self, bucket: str) -> None:
        """Let it list a bucket once: it reads every file for its ETag then, which is no cost of who comes first."""
        for _ in self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket):
            pass

    def _client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            verify=str(self.ca_file) if self.ca_file else None,
        )

    def held(self, bucket: str, prefix: str) -> Sums:
        return sums_of(self.folder / bucket / prefix)

    def forget(self, bucket: str) -> None:
        shutil.rmtree(self.folder / bucket, ignore_errors=True)

    def close(self) -> None:
        self._process.kill()

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url, timeout=5, context=self._context).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


def _certify(folder: Path, ca_file: Path) -> None:
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(str(ca_file))
    issued.private_key_pem.write_to_path(str(folder / "rclone-key.pem"))
    (folder / "rclone-cert.pem").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
