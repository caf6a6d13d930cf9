"""The whole program at a pace: a limit on the rate, a store that asks to go slower, what it leaves to others."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from support.daemon_process import Host, objects
from support.moto import MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy

MakeHost = Callable[..., Host]

RATE = 2_000_000
SLACK = 0.2
"""Of a second's bytes: the burst, and one piece of each transfer."""


def test_a_pair_and_a_batch_under_one_limit_share_it(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    batch = f'[[batch]]\nname = "small"\nroot = "{small}"\nmin_age = "0s"\nmax_age = "0s"\nmin_files = 1\n'
    host = make_host(s3.endpoint, s3=f'retries = 1\nbandwidth = "up {RATE // 1000}KB/s, down off"', more=batch)
    contents = {f"f{number}": bytes([number]) * 500_000 for number in range(4)}
    for name, content in contents.items():
        host.write(name, content)
    (small / bucket / "kept").mkdir(parents=True)
    for number in range(20):
        (small / bucket / "kept" / f"s{number}").write_bytes(bytes([number]) * 100_000)
    began = time.monotonic()
    answer = host.once()
    took = time.monotonic() - began
    assert answer.code == 0, answer.said
    assert objects(s3, bucket) == contents
    sent = sum(map(len, contents.values())) + 2_000_000
    assert took >= sent / RATE - SLACK


def test_what_comes_down_is_limited_too(s3: MotoServer, bucket: str, make_host: MakeHost) -> None:
    for number in range(3):
        s3.client().put_object(Bucket=bucket, Key=f"p/f{number}", Body=bytes([number]) * 1_000_000)
    host = make_host(s3.endpoint, mode="download", s3=f'retries = 1\nbandwidth = "down {RATE // 1000}KB/s"')
    began = time.monotonic()
    assert host.once().code == 0
    assert time.monotonic() - began >= 3_000_000 / RATE - 4 * SLACK
    assert sorted(file.stat().st_size for file in host.root.glob("f*")) == [1_000_000] * 3


def test_a_store_that_asks_to_go_slower_gets_no_storm_and_every_file(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    host = make_host(proxy.endpoint, s3="retries = 8")
    files = {f"f{number:02d}": b"%d" % number for number in range(20)}
    for name, content in files.items():
        host.write(name, content)
    assert host.once("--dry-run").code == 0
    proxy.add(Fault(method="PUT", target=r"/p/f\d\d", times=10, answer=(503, "SlowDown")))
    answer = host.once()
    assert answer.code == 0, answer.said
    assert objects(s3, bucket) == files
    sent = [seen for seen in proxy.seen if seen.method == "PUT" and re.search(r"/p/f\d\d", seen.target)]
    assert len(sent) == 30


def nices(pid: int) -> set[int]:
    """The nice level of each thread."""
    levels = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        levels.add(int((task / "stat").read_text().rpartition(")")[2].split()[16]))
    return levels


def test_the_daemon_says_at_which_pace_it_goes_and_a_reload_changes_the_limit(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    limit = 'retries = 1\nbandwidth = "00:00 up 20MB/s down 40MB/s"'
    host = make_host(s3.endpoint, s3=limit, daemon='nice = 7\nionice = "idle"\ncores = 1')
    host.write("a", b"a")
    host.start()
    eventually(lambda: objects(s3, bucket), within=20, what="it came up")
    pace = host.status()["pace"]
    assert pace["limits"] == [{"endpoint": s3.endpoint, "up": 20_000_000, "down": 40_000_000, "until": None}]
    assert pace["slowed"] == []
    assert re.fullmatch(r"nice 7, ionice idle, 1 of \d+ cores", pace["yields"])
    assert host.events("priority.lowered")[0]["reason"] == pace["yields"]
    assert nices(host.status()["pid"]) == {7}
    assert "bandwidth ↑ 20 MB/s ↓ 40 MB/s" in host.ctl("status").out
    host.configure(s3='retries = 1\nbandwidth = "up 1MB/s"')
    assert host.ctl("reload").code == 0
    eventually(
        lambda: [(row["up"], row["down"]) for row in host.status()["pace"]["limits"]] == [(1_000_000, None)],
        within=20,
        what="the new limit",
    )
    assert host.stop() == 0
