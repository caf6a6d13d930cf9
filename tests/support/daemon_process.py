"""The real programs as child processes: one `syncd` on folders of its own, `synctl` beside it, its log read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.moto import CREDENTIALS, MotoServer
from support.processes import Process, eventually

SYNCD = (sys.executable, "-m", "syncd")
SYNCTL = (sys.executable, "-m", "synctl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a program that ended said. `said` is both streams."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    within: float = 60,
) -> Answer:
    """Run a program to its end."""
    done = subprocess.run(
        [str(part) for part in argv],
        env={**os.environ, **CREDENTIALS, **(env or {})},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=within,
        check=False,
    )
    return Answer(code=done.returncode, out=done.stdout, err=done.stderr)


def objects(server: MotoServer, bucket: str, prefix: str = "p/") -> dict[str, bytes]:
    """Every object's bytes by its name below the prefix, without what is ours, by a plain client."""
    client = server.client()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [row["Key"] for page in pages for row in page.get("Contents", ())]
    theirs = [key for key in keys if ".syncd/" not in key]
    return {key[len(prefix) :]: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in theirs}


class Host:
    """A folder with a configuration, a state folder and a root, and the programs run on them.

    `pair`, `s3` and `daemon` are more lines of those sections. More pairs go into `more`.
    """

    def __init__(
        self,
        folder: Path,
        endpoint: str,
        *,
        remote: str,
        mode: str = "upload",
        pair: str = "",
        s3: str = "retries = 1",
        more: str = "",
        daemon: str = "",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.root = folder / "hot"
        self.state = folder / "state"
        self.config = folder / "syncd.toml"
        self.socket = self.state / "control"
        self.log = folder / "log"
        self.env = dict(env or {})
        self.process: Process | None = None
        folder.mkdir(exist_ok=True)
        self.root.mkdir(exist_ok=True)
        self._parts = {
            "endpoint": endpoint,
            "remote": remote,
            "mode": mode,
            "pair": pair,
            "s3": s3,
            "more": more,
            "daemon": daemon,
        }
        self.configure()

    def configure(self, **parts: str) -> None:
        """Write the configuration, with these parts changed."""
        self._parts |= parts
        self.config.write_text(
            '[daemon]\nstate_dir = "{state}"\nsocket = "{socket}"\n{daemon}\n'
            '[s3]\nendpoint_url = "{endpoint}"\nregion = "us-east-1"\n{s3}\n\n'
            '[[pair]]\nname = "logs"\nlocal = "{root}"\nremote = "{remote}"\n'
            'mode = "{mode}"\n{pair}\n\n{more}\n'.format(
                state=self.state, socket=self.socket, root=self.root, **self._parts
            )
        )

    def write(self, path: str, content: bytes, *, age_s: float = 60.0) -> Path:
        """A file in the root that was left alone for so long."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        stat = file.stat()
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns - int(age_s * 1e9)))
        return file

    # --- to its end ---

    def syncd(
        self, *words: str | Path, before: Sequence[str] = (), env: Mapping[str, str] | None = None, within: float = 60
    ) -> Answer:
        """`syncd --config FILE WORDS`, to its end."""
        return run([*before, *SYNCD, "--config", self.config, *words], env={**self.env, **(env or {})}, within=within)

    def once(
        self, *words: str | Path, before: Sequence[str] = (), env: Mapping[str, str] | None = None, within: float = 60
    ) -> Answer:
        """One full cycle."""
        return self.syncd("--once", *words, before=before, env=env, within=within)

    def ctl(self, *words: str | Path, within: float = 60) -> Answer:
        """`synctl WORDS`, to its end."""
        return run([*SYNCTL, "--socket", self.socket, *words], env={**self.env, "NO_COLOR": "1"}, within=within)

    # --- the daemon ---

    def spawn(self, *words: str | Path, before: Sequence[str] = ()) -> None:
        """Start the daemon in the foreground of a session of its own, and do not wait for it."""
        env = {**CREDENTIALS, **self.env}
        self.process = Process([*before, *SYNCD, "--config", self.config, *words], log=self.log, env=env)

    def start(self, *words: str | Path, before: Sequence[str] = (), within: float = 20) -> None:
        """Start the daemon in the foreground of a session of its own and wait until it answers."""
        self.spawn(*words, before=before)
        assert self.process is not None
        eventually(self._answers, within=within, what=self.process.said)

    def kill(self) -> None:
        """SIGKILL, as a power cut; it runs now."""
        assert self.process is not None
        assert self.process.running, self.process.said()
        self.process.kill()

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.running, self.process.said()
        return self.socket.exists() and self.ctl("config", "show").code == 0

    def status(self) -> dict[str, Any]:
        """`synctl status --json`."""
        answer: dict[str, Any] = json.loads(self.ctl("status", "--json").out)
        return answer

    def pair(self) -> dict[str, Any]:
        """The first pair's row of the status."""
        row: dict[str, Any] = self.status()["pairs"][0]
        return row

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """What the daemon logged so far, of that name."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        return [row for row in rows if not name or row["event"] == name]

    def until_event(self, name: str, *, within: float = 20.0) -> dict[str, Any]:
        """The first event of that name, as soon as it is logged."""
        eventually(lambda: self.events(name), within=within, what=lambda: f"no {name} in\n{self.log.read_text()}")
        return self.events(name)[0]

    def until(self, state: str, *, within: float = 20.0) -> dict[str, Any]:
        """The pair's row once it is in that state."""
        eventually(
            lambda: self.pair()["state"] == state,
            within=within,
            what=lambda: f"{self.pair()['state']}, not {state}:\n{self.log.read_text()}",
            every=0.1,
        )
        return self.pair()

    def stop(self, *, within: float = 20.0) -> int:
        """SIGTERM, and the exit code. Harmless when it runs no more."""
        assert self.process is not None
        if self.process.running:
            self.process.signal(signal.SIGTERM)
        return self.process.wait(within=within)

    def close(self) -> None:
        """End whatever still runs."""
        if self.process is not None:
            self.process.kill()
