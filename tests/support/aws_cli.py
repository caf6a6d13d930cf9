"""The AWS CLI from PyPI, in a virtual environment of its own beside `.venv`: it pins the SDK to its own version."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from support.gaps import missing
from support.source import CHECKOUT

FOLDER = CHECKOUT / ".venv-awscli"
REQUIREMENTS = ("awscli>=1.40,<2", "botocore[crt]")  # crt: it makes CRC64NVME
INSTALL_S = 240

TUNING = "[default]\ns3 =\n  multipart_threshold = 67108865\n  multipart_chunksize = 33554432\n"
"""One PUT up to 64 MiB, and parts of 32 MiB above, as ours."""


def aws_cli() -> Path:
    """The program, installed first where it is not there. What cannot be installed is a gap."""
    found, stamp = FOLDER / "bin" / "aws", FOLDER / "stamp"
    wanted = "\n".join((sys.executable, str(FOLDER), *REQUIREMENTS))
    if found.exists() and stamp.exists() and stamp.read_text() == wanted:
        return found
    shutil.rmtree(FOLDER, ignore_errors=True)
    pip = [FOLDER / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *REQUIREMENTS]
    for command in ([sys.executable, "-m", "venv", FOLDER], pip):
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        if done.returncode != 0:
            missing("awscli", f"{FOLDER.name} cannot be made: {(done.stderr or done.stdout).strip()[-300:]}")
    stamp.write_text(wanted)
    return found


class AwsCli:
    """Copies to one endpoint, tuned to make the same parts as ours."""

    def __init__(self, home: Path, endpoint: str, access_key: str, secret_key: str) -> None:
        self._program = aws_cli()
        self._endpoint = endpoint
        (home / "config").write_text(TUNING)
        self._env = {
            "HOME": str(home),
            "AWS_CONFIG_FILE": str(home / "config"),
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_REGION": "us-east-1",
            "PATH": "/usr/bin:/bin",
        }

    def copy(self, source: str, target: str, *, checksum: str) -> None:
        """`aws s3 cp --recursive` with that algorithm."""
        words = ["s3", "cp", "--recursive", "--only-show-errors", "--checksum-algorithm", checksum, source, target]
        done = subprocess.run(
            [self._program, "--endpoint-url", self._endpoint, *words],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
        )
        assert done.returncode == 0, done.stderr or done.stdout
