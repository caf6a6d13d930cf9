"""No room for bytes, names or descriptors, a read-only file system, a full state folder: said, and nothing is lost."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.daemon_process import Answer, Host, objects
from support.moto import MotoServer
from support.processes import eventually

MakeHost = Callable[..., Host]

pytestmark = pytest.mark.root

PAIR = 'settle = "0s"\nkeep_versions = "all"\ndeletes = "propagate"\nmax_delete = "off"\n'
FULL = "the disk is full"


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory of these limits."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Use up all that is left there; returns what to remove."""
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(1 << 30))
    return filler


def test_without_inodes_nothing_half_is_left_and_all_comes_when_there_are_some(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    client = s3.client()
    content = {f"{number:02}/x.gz": b"%d" % number for number in range(30)}
    for name, body in content.items():
        client.put_object(Bucket=bucket, Key=f"p/{name}", Body=body)
    with mounted(tmp_path / "small", "size=20m,nr_inodes=40") as disk:
        host = make_host(s3.endpoint, mode="download")
        host.root = disk
        host.configure()
        answer = host.once()
        assert answer.code == 4, answer.said
        assert FULL in answer.err
        came = {path.relative_to(disk).as_posix(): path.read_bytes() for path in disk.rglob("x.gz")}
        assert 0 < len(came) < len(content)
        assert came.items() <= content.items()
        subprocess.run(["mount", "-o", "remount,nr_inodes=400", disk], check=True)
        assert host.once().code == 0
        assert {path.relative_to(disk).as_posix() for path in disk.rglob("x.gz")} == set(content)


def test_a_root_that_becomes_read_only_goes_on_uploading_and_says_why_it_brings_nothing_down(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "size=20m") as disk:
        host = make_host(s3.endpoint, mode="bidirectional", pair=PAIR)
        host.root = disk
        host.configure()
        host.write("a.gz", b"a")
        assert host.once().code == 0
        host.write("b.gz", b"b")
        (disk / ".syncd" / "tmp" / "left-by-a-crash").write_bytes(b"half")
        s3.client().put_object(Bucket=bucket, Key="p/c.gz", Body=b"c")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        answer = host.once()
        assert answer.code == 4, answer.said
        assert "c.gz" in answer.err
        assert "the file system is read-only" in answer.err
        assert objects(s3, bucket) == {"a.gz": b"a", "b.gz": b"b", "c.gz": b"c"}
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert host.once().code == 0
        assert (disk / "c.gz").read_bytes() == b"c"
        assert not list((disk / ".syncd" / "tmp").iterdir())


def once_limited(host: Host, limit: str) -> Answer:
    """One pass of a process with that limit (as prlimit says it)."""
    return host.once(before=("prlimit", limit))


def test_without_descriptors_files_fail_in_words_and_none_is_lost(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, pair='settle = "0s"')
    content = {f"{number:02}.gz": b"%d" % number * 100_000 for number in range(40)}
    for name, body in content.items():
        host.write(name, body)
    codes, said = [], ""
    for few in range(24, 37, 2):  # none for the database, or for whoever asks last: a matter of turns
        answer = once_limited(host, f"--nofile={few}")
        codes.append(answer.code)
        said += answer.said
        assert "Traceback" not in answer.said
        if answer.code:
            assert "too many open files" in answer.said
            assert "LimitNOFILE" in answer.said
    assert set(codes) <= {0, 1, 4, 5, 7}
    assert codes[0], "a pass with 24 descriptors found nothing wrong"
    assert "transfer.failed" in said  # it is told of single files, too
    assert host.once().code == 0
    assert objects(s3, bucket) == content


def test_a_limit_on_file_size_is_an_error_of_that_file_and_no_death_by_a_signal(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    client = s3.client()
    content = {"small.gz": b"small", "big.gz": bytes(9 << 20)}
    for name, body in content.items():
        client.put_object(Bucket=bucket, Key=f"p/{name}", Body=body)
    host = make_host(s3.endpoint, mode="download")
    answer = once_limited(host, f"--fsize={5 << 20}")
    assert answer.code == 4, answer.said
    assert "big.gz" in answer.err
    assert sorted(path.name for path in host.root.glob("*.gz")) == ["small.gz"]
    assert host.once().code == 0
    assert (host.root / "big.gz").read_bytes() == content["big.gz"]


# --- the state folder ---------------------------------------------------------------------------------------------


def test_a_full_state_folder_ends_the_daemon_with_the_reason_and_the_next_one_sends_nothing_twice(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    with mounted(tmp_path / "state", "size=8m") as state:
        host = make_host(s3.endpoint, mode="bidirectional", pair='interval = "1s"\nsettle = "100ms"')
        host.state = state
        host.socket = host.folder / "socket"
        host.config.write_text(host.config.read_text())
        host.configure()
        host.write("first.gz", b"first")
        host.start()
        eventually(lambda: objects(s3, bucket) == {"first.gz": b"first"}, within=20, what=host.log.read_text)
        host.until("idle")
        filler = fill(state)
        content = {"first.gz": b"first", **{f"{number:03}.gz": b"%d" % number for number in range(200)}}
        for name, body in content.items():
            (host.root / name).write_bytes(body)
        assert host.process is not None
        assert host.process.wait(within=30) == 1
        assert FULL in host.events("daemon.stopping")[-1]["reason"]
        again = host.once()
        assert again.code == 1
        assert FULL in again.err
        assert "Traceback" not in again.said
        filler.unlink()
        before = s3.mark()
        there = set(objects(s3, bucket))
        assert host.once().code == 0
        assert objects(s3, bucket) == content
        sent = {Path(path).name for kind, path, _ in s3.log(before) if kind == "PUT" and "/p/" in path}
        assert not sent & there, "what was there was sent again"


def test_a_run_report_that_does_not_fit_is_told_of_and_the_files_are_synced(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    host = make_host(s3.endpoint, pair='interval = "1s"\nsettle = "100ms"')
    host.state.mkdir()
    with mounted(host.state / "last-run", "size=64k") as reports:
        fill(reports)
        host.write("a.gz", b"a")
        answer = host.once()
        assert answer.code == 0, answer.said
        assert f"the run report {reports}/logs.json was not written: {FULL}" in answer.err
        asked = host.once("--report", reports / "report.json")
        assert asked.code == 1
        assert "report.json was not written" in asked.err
        host.start()
        host.until_event("report.lost")
        host.write("b.gz", b"b")
        eventually(lambda: objects(s3, bucket) == {"a.gz": b"a", "b.gz": b"b"}, within=20, what=host.log.read_text)
        assert not host.events("worker.crashed")
        assert host.stop() == 0
        assert sorted(os.listdir(reports)) == ["filler"]


def test_a_log_file_on_a_full_disk_costs_lines_and_nothing_else(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    with mounted(tmp_path / "logs", "size=64k") as logs:
        host = make_host(s3.endpoint, pair='interval = "1s"\nsettle = "100ms"')
        fill(logs)
        host.write("a.gz", b"a")
        host.start("--log-file", logs / "log")
        eventually(lambda: objects(s3, bucket) == {"a.gz": b"a"}, within=20, what=host.log.read_text)
        host.write("b.gz", b"b")
        eventually(lambda: "b.gz" in objects(s3, bucket), within=20, what=host.log.read_text)
        assert host.status()["health"] == "ok"
        assert host.stop() == 0
        assert "Traceback" not in host.log.read_text()
        assert host.once("--log-file", logs / "log").code == 0
