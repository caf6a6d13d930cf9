"""An S3 server that holds every precondition and refuses wrong checksums: LocalStack, in memory, on the loopback.

It runs on Python 3.13 alone, in a virtual environment of its own beside `.venv` that is made when it is first needed.
Where that Python is not on the machine, its suites are left out, named, and that is no gap.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.gaps import missing, without
from support.processes import Process, eventually, free_port
from support.source import CHECKOUT

VERSION = "3.13"
FOLDER = CHECKOUT / ".venv-localstack"
REQUIREMENTS = (
    "localstack-core[base-runtime]==2026.3.0",
    *("cbor2<6", "pyopenssl<26", "cryptography<47", "service_identity"),  # newer ones do not start
)
INSTALL_S = 240
START_S = 60

ENVIRONMENT = {
    "GATEWAY_SERVER": "hypercorn",
    "SERVICES": "s3",
    "EAGER_SERVICE_LOADING": "1",  # the first request is not the one that waits
    # nothing leaves this machine: no certificate, no events, no name server of its own, and no name asked of another
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "DISABLE_EVENTS": "1",
    "DNS_ADDRESS": "0",
    "RES_OPTIONS": "attempts:0",
}


def find_python() -> str:
    """The path of a Python 3.13 that really runs; "" where there is none. As packaging/other-pythons.sh looks."""
    pyenv = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    name = f"python{VERSION}"
    places = (f"{pyenv}/versions/{VERSION}.*/bin", "/usr/bin", "/usr/local/bin", "/opt/python*/bin")
    candidates = [
        shutil.which(name) or "",
        *(path for place in places for path in sorted(glob.glob(f"{place}/{name}"))),
    ]
    return next((path for path in candidates if path and _is_it(path)), "")


def _is_it(python: str) -> bool:
    done = subprocess.run([python, "-V"], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.startswith(f"Python {VERSION}.")


def localstack_python() -> Path:
    """The interpreter of its environment, which is made or renewed first. Without Python 3.13 the test is left out."""
    python, found = find_python(), FOLDER / "bin" / "python"
    if not python:
        without("localstack", f"needs Python {VERSION}, which is not here")
    stamp, wanted = FOLDER / "stamp", "\n".join((python, str(FOLDER), *REQUIREMENTS))
    if found.exists() and stamp.exists() and stamp.read_text() == wanted:
        return found
    shutil.rmtree(FOLDER, ignore_errors=True)
    pip = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
    for command in ([python, "-m", "venv", FOLDER], pip):
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode != 0:
            missing("localstack", f"{FOLDER.name} cannot be made: {(done.stderr or done.stdout).strip()[-300:]}")
    stamp.write_text(wanted)
    return found


class LocalStackServer:
    """One LocalStack with S3 alone, everything in memory, in a folder of its own. Starts in one to five seconds."""

    access_key = secret_key = "test"
    region = "us-east-1"

    def __init__(self) -> None:
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.process: Process | None = None
        self._cleaning = ExitStack()

    def __enter__(self) -> LocalStackServer:
        with ExitStack() as cleaning:
            python = localstack_python()
            folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="localstack")))
            places = {"HOME": folder, "FILESYSTEM_ROOT": folder, "TMPDIR": folder}
            address = f"127.0.0.1:{self.port}"
            env = {**ENVIRONMENT, "GATEWAY_LISTEN": address, "LOCALSTACK_HOST": address}
            server = Process(
                [python, "-m", "localstack.runtime.main"],
                log=folder / "output",
                env={**env, **{name: str(path) for name, path in places.items()}},
            )
            cleaning.callback(server.kill)
            eventually(lambda: self._answers(server), within=START_S, what=server.said)
            self.process = server
            self._cleaning = cleaning.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._cleaning.close()

    def client(self) -> Any:
        """A plain boto3 client."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        """Create an empty bucket with a name of its own and return the name."""
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def _answers(self, server: Process) -> bool:
        assert server.running, server.said()
        try:
            urllib.request.urlopen(f"{self.endpoint}/_localstack/health", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True
