"""Nothing is collected while the program loads; whoever then goes on collects, each program in its way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import gc, sys
gc.disable()
from syncd.app import run
code = run(sys.argv[1:])
print(code, gc.isenabled())
"""


@pytest.mark.parametrize("flag", ["--doctor", "--once"])
def test_who_makes_clients_collects_what_they_leave(tmp_path: Path, flag: str) -> None:
    """A client of botocore is one great cycle of 5 MB."""
    (tmp_path / "root").mkdir()
    (tmp_path / "syncd.toml").write_text(
        f'[daemon]\nstate_dir = "{tmp_path}/state"\n[s3]\nendpoint_url = "http://127.0.0.1:1"\nretries = 0\n'
        f'[[pair]]\nname = "logs"\nlocal = "{tmp_path}/root"\nremote = "s3://bucket/p"\nmode = "upload"\n'
    )
    command = [sys.executable, "-c", PROGRAM, "--config", str(tmp_path / "syncd.toml"), flag]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.splitlines()[-1].endswith(" True"), said
