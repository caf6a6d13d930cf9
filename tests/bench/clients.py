"""Who moves the files: syncd as it is shipped, and its peers at their defaults and at their documented tuning."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from bench.servers import ACCESS_KEY, REGION, SECRET_KEY, Server
from bench.trees import Shape

LARGE = 16 << 20
"""Files from this size on are tuned for as large ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A folder and a prefix. `way` is up, down, or same: up, with everything there already."""

    way: str
    folder: Path
    server: Server
    bucket: str
    prefix: str
    shape: Shape
    scratch: Path  # a folder of its own for whatever the client keeps

    @property
    def large(self) -> bool:
        return self.shape.size >= LARGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is run, and measured as a whole."""

    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)


class Client(Protocol):
    """`variant` is "defaults" or "tuned"."""

    @property
    def name(self) -> str: ...

    @property
    def variant(self) -> str: ...

    def command(self, task: Task) -> Command: ...


def environment(task: Task) -> dict[str, str]:
    """Credentials, whom to trust, and bytecode as an installation has it."""
    env = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "",  # an installed package is compiled once, not at each start
    }
    if task.server.ca_file is not None:
        env["AWS_CA_BUNDLE"] = str(task.server.ca_file)
    return env


class Syncd:
    """`syncd --once` with a state folder of its own: canary, SHA-256, records, metadata, fsync, preconditions."""

    name = "syncd"
    variant = "defaults"

    def command(self, task: Task) -> Command:
        config = configured(task.scratch, task)
        return Command(argv=[sys.executable, "-m", "syncd", "--config", str(config), "--once"], env=environment(task))


def configured(scratch: Path, task: Task, *, pair: str = "") -> Path:
    """A configuration of one pair as an operator would write it, and nothing tuned. `pair`: more of its lines."""
    scratch.mkdir(parents=True, exist_ok=True)
    config = scratch / "syncd.toml"
    mode = "download" if task.way == "down" else "upload"
    config.write_text(
        f'[daemon]\nstate_dir = "{scratch}/state"\nsocket = "{scratch}/control"\n\n'
        f'[s3]\nendpoint_url = "{task.server.url}"\nregion = "{REGION}"\n\n'
        f'[[pair]]\nname = "bench"\nlocal = "{task.folder}"\nremote = "s3://{task.bucket}/{task.prefix}"\n'
        f'mode = "{mode}"\n{pair}\n'
    )
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody else's program: `words` are its own flags, by what is moved."""

    program: Path
    variant: str = "defaults"
    name: str = ""

    def command(self, task: Task) -> Command:
        raise NotImplementedError

    @property
    def tuned(self) -> bool:
        return self.variant == "tuned"


@dataclass(frozen=True, slots=True, kw_only=True)
class S5cmd(Peer):
    """Its README: --numworkers is the parallelism over files, --concurrency that over the parts of one, --part-size."""

    name: str = "s5cmd"

    def command(self, task: Task) -> Command:
        argv = [str(self.program), "--log", "error", "--endpoint-url", task.server.url]
        inner: list[str] = []
        if self.tuned and task.large:  # few files at once, few and larger parts of each
            argv += ["--numworkers", "8"]
            inner = ["--concurrency", "4", "--part-size", "32"]
        elif self.tuned:  # as many workers as two cores keep busy
            argv += ["--numworkers", "64" if task.way != "same" else "32"]
        remote = f"s3://{task.bucket}/{task.prefix}"
        match task.way:
            case "up":
                argv += ["cp", *inner, f"{task.folder}/", remote]
            case "same":
                argv += ["sync", *(["--size-only"] if self.tuned else []), f"{task.folder}/", remote]
            case _:
                argv += ["cp", *inner, f"{remote}*", f"{task.folder}/"]
        return Command(argv=argv, env=environment(task))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rclone(Peer):
    """Its documentation of S3: --fast-list, --s3-no-check-bucket and --s3-no-head for fewer requests.

    --s3-chunk-size and --s3-upload-concurrency for more speed by more memory, --s3-disable-checksum so that a large
    file is not read twice; --transfers and --checkers as everywhere.
    """

    name: str = "rclone"

    def command(self, task: Task) -> Command:
        env = environment(task)
        remote = {
            "TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": task.server.url, "REGION": REGION,
            "ENV_AUTH": "true", "FORCE_PATH_STYLE": "true",
        }  # fmt: skip
        env |= {f"RCLONE_CONFIG_IT_{key}": value for key, value in remote.items()}
        argv = [str(self.program), "--config", os.devnull, "--log-level", "ERROR", "--stats", "0"]
        if task.server.ca_file is not None:
            argv += ["--ca-cert", str(task.server.ca_file)]
        if self.tuned:
            argv += shlex.split(self._words(task))
        there = f"it:{task.bucket}/{task.prefix.rstrip('/')}"
        argv += ["copy", *([there, str(task.folder)] if task.way == "down" else [str(task.folder), there])]
        return Command(argv=argv, env=env)

    def _words(self, task: Task) -> str:
        match task.way, task.large:
            case "same", _:
                return "--checkers 32 --fast-list --size-only --s3-no-check-bucket"
            case "up", True:
                return (
                    "--transfers 8 --s3-chunk-size 32M --s3-upload-concurrency 4 --s3-disable-checksum "
                    "--s3-no-check-bucket --s3-no-head"
                )
            case "up", False:
                return "--transfers 32 --checkers 16 --s3-no-check-bucket --s3-no-head --fast-list"
            case _, True:
                return "--transfers 8 --multi-thread-streams 4 --s3-no-head-object --fast-list"
        return "--transfers 32 --checkers 16 --s3-no-head-object --fast-list"


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsCli(Peer):
    """Its "S3 configuration": max_concurrent_requests, multipart_chunksize, multipart_threshold, max_queue_size.

    preferred_transfer_client = crt belongs to version 2, which PyPI does not have.
    """

    name: str = "aws"

    def command(self, task: Task) -> Command:
        env = environment(task)
        task.scratch.mkdir(parents=True, exist_ok=True)
        config = task.scratch / "aws-config"
        lines = ["[default]", "s3 =", "    addressing_style = path"]
        if self.tuned:
            lines += ["    max_concurrent_requests = 20", "    max_queue_size = 10000"]
            lines += ["    multipart_threshold = 64MB", "    multipart_chunksize = 32MB"]
        config.write_text("\n".join(lines) + "\n")
        env["AWS_CONFIG_FILE"] = str(config)
        argv = [str(self.program), "--endpoint-url", task.server.url, "s3"]
        remote = f"s3://{task.bucket}/{task.prefix}"
        verb = ["sync", "--size-only"] if task.way == "same" and self.tuned else ["sync"]
        if task.way != "same":
            verb = ["cp", "--recursive"]
        places = [remote, str(task.folder)] if task.way == "down" else [str(task.folder), remote]
        return Command(argv=[*argv, *verb, "--only-show-errors", *places], env=env)
