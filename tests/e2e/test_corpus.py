"""Thousands of real files go up, cost nothing the second time, come back equal, and rclone agrees.

Some 3,000 of this machine's compressed docs; CORPUS=all takes them all. Each run's costs are printed (pytest -s).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from support.corpus import copy_corpus, measure
from support.cost import Cost, cost_of
from support.daemon_process import SYNCD, Host
from support.moto import CREDENTIALS, MotoServer
from support.rclone import rclone_program

MOST = None if os.environ.get("CORPUS") == "all" else 3000
MOST_MIB = 160
RACY_S = 2.0
"""What was touched so shortly before a look is looked at once more."""


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


def cost_of_once(host: Host, name: str) -> Cost:
    """Run `syncd --once` to its end, which must be good, and print what it cost."""
    with host.log.open("ab") as log:
        code, cost = cost_of(
            [*SYNCD, "--config", host.config, "--once"], report=host.folder / "cost", env=CREDENTIALS, output=log
        )
    assert code == 0, host.log.read_text()[-4000:]
    print(f"{name}: {cost.wall_s:.1f} s, {cost.cpu_s:.1f} s of CPU, {cost.peak_mib:.0f} MiB at most", file=sys.stderr)
    return cost


def rclone(server: MotoServer, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run rclone with a remote `moto:` that is the server."""
    remote = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": server.endpoint,
        "ACCESS_KEY_ID": server.access_key,
        "SECRET_ACCESS_KEY": server.secret_key,
        "FORCE_PATH_STYLE": "true",
    }
    return subprocess.run(
        [rclone_program(), "--config", os.devnull, *(str(word) for word in words)],
        env={**os.environ, **{f"RCLONE_CONFIG_MOTO_{key}": value for key, value in remote.items()}, "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_corpus_goes_up_costs_nothing_again_comes_back_equal_and_rclone_agrees(
    server: MotoServer, tmp_path: Path
) -> None:
    bucket = server.new_bucket("corpus")
    up = Host(tmp_path / "up", server.endpoint, remote=f"s3://{bucket}/docs/", mode="upload", pair='settle = "0s"')
    files = copy_corpus(up.root, most=MOST)
    count, size = measure(up.root)
    print(f"\n{count} files, {size / 1e6:.1f} MB", file=sys.stderr)

    mark = server.mark()
    cost = cost_of_once(up, "up")
    assert files == count == server.requests(mark)["PUT"] - _probing(server, mark)
    assert cost.peak_mib < MOST_MIB

    _nothing_is_sent_again(server, up)

    down = Host(tmp_path / "down", server.endpoint, remote=f"s3://{bucket}/docs/", mode="download")
    cost = cost_of_once(down, "down")
    assert cost.peak_mib < MOST_MIB
    compared = subprocess.run(
        ["diff", "-r", "-x", ".syncd", up.root, down.root], capture_output=True, text=True, check=False
    )
    assert (compared.returncode, compared.stdout) == (0, "")
    assert measure(down.root) == (count, size)

    _rclone_agrees(server, f"moto:{bucket}/docs", up.root, count)
    shutil.rmtree(tmp_path)


def _probing(server: MotoServer, mark: int) -> int:
    """The PUTs of the look at what the endpoint honours."""
    return sum(kind == "PUT" and "/.syncd/" in path for kind, path, _ in server.log(mark))


def _nothing_is_sent_again(server: MotoServer, host: Host) -> None:
    """Once what was touched within two seconds of the first look has been looked at again."""
    threading.Event().wait(RACY_S)
    cost_of_once(host, "again, looking at what was touched shortly before")
    mark = server.mark()
    cost_of_once(host, "again, with nothing to do")
    requests = server.requests(mark)
    assert {kind: requests[kind] for kind in ("PUT", "COPY", "HEAD", "GET", "DELETE")} == {
        "PUT": 0,
        "COPY": 0,
        "HEAD": 0,
        "GET": 0,
        "DELETE": 0,
    }
    files, _ = measure(host.root)
    assert requests["LIST"] <= files // 1000 + 2


def _rclone_agrees(server: MotoServer, remote: str, root: Path, count: int) -> None:
    checked = rclone(server, "check", "--download", "--exclude", ".syncd/**", root, remote)
    assert checked.returncode == 0, checked.stderr
    assert "0 differences found" in checked.stderr
    assert f"{count} matching files" in checked.stderr
    listed = rclone(server, "lsl", "--exclude", ".syncd/**", remote)
    assert listed.returncode == 0, listed.stderr
    rows = [line.split(maxsplit=3) for line in listed.stdout.splitlines()]
    assert len(rows) == count
    for size, day, hour, path in rows:
        stat = (root / path).stat()
        assert int(size) == stat.st_size
        seconds, _, fraction = hour.partition(".")
        when = datetime.fromisoformat(f"{day}T{seconds}+00:00").timestamp()
        assert int(when) * 10**9 + int(fraction) == stat.st_mtime_ns, path
