"""Transfers that break, lie or race: what lies on either side in the end is whole, and is the last content."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.daemon_process import Answer, Host, objects
from support.moto import MotoServer
from support.proxy import Fault, Gate, Proxy

MakeHost = Callable[..., Host]

LARGE = 24 << 20  # more than the socket buffers of both ends hold
PARTS = 66 << 20  # goes in parts


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def conflicts(host: Host, bucket: str, s3: MotoServer) -> list[str]:
    """Conflict copies on either side."""
    here = [path.name for path in host.root.rglob("*.conflict-*")]
    return here + [key for key in objects(s3, bucket) if ".conflict-" in key]


def partial_files(host: Host) -> list[str]:
    folder = host.root / ".syncd" / "tmp"
    return os.listdir(folder) if folder.exists() else []


# --- the file moves while it is read --------------------------------------------------------------------------


def held_upload(host: Host, proxy: Proxy, change: Callable[[], object]) -> Answer:
    """A cycle whose PUT of big.gz stands still in its middle while `change` is done."""
    gate: Gate = proxy.add(Fault(method="PUT", target=r"/p/big\.gz", hold_up_at=1 << 20, times=1))
    with ThreadPoolExecutor(1) as other:
        cycle = other.submit(host.once)
        gate.wait_reached()
        change()
        gate.open()
        return cycle.result(timeout=60)


@pytest.fixture
def reader(make_host: MakeHost, proxy: Proxy) -> Host:
    """A host with a large file and a small one."""
    host = make_host(proxy.endpoint)
    host.write("big.gz", noise(LARGE))
    host.write("small.gz", b"small")
    return host


def test_a_file_that_grows_while_it_is_read_ends_with_its_last_content(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    def grow() -> None:
        with (reader.root / "big.gz").open("ab") as file:
            file.write(b"more")

    answer = held_upload(reader, proxy, grow)
    assert answer.code in {0, 5}, answer.said
    assert reader.once().code == 0
    assert objects(s3, bucket) == {"big.gz": noise(LARGE) + b"more", "small.gz": b"small"}
    assert not conflicts(reader, bucket, s3)


def test_a_file_that_shrinks_while_it_is_read_ends_with_its_last_content(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    answer = held_upload(reader, proxy, lambda: os.truncate(reader.root / "big.gz", 3 << 20))
    assert answer.code in {0, 4, 5}, answer.said
    assert reader.once().code == 0
    assert objects(s3, bucket) == {"big.gz": noise(LARGE)[: 3 << 20], "small.gz": b"small"}
    assert not conflicts(reader, bucket, s3)


def test_a_file_rewritten_in_place_under_its_old_times_ends_with_its_last_content(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    file = reader.root / "big.gz"
    before = file.stat()

    def rewrite() -> None:
        with file.open("r+b") as handle:
            handle.seek(LARGE - 9)
            handle.write(b"rewritten")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    answer = held_upload(reader, proxy, rewrite)
    assert answer.code in {0, 5}, answer.said
    assert reader.once().code == 0
    assert objects(s3, bucket)["big.gz"] == noise(LARGE)[:-9] + b"rewritten"
    assert not conflicts(reader, bucket, s3)


def test_a_file_replaced_while_it_is_read_ends_with_its_last_content(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    def replace() -> None:
        other = reader.folder / "other"
        other.write_bytes(noise(1 << 20, 7))
        other.rename(reader.root / "big.gz")

    answer = held_upload(reader, proxy, replace)
    assert answer.code in {0, 5}, answer.said
    assert reader.once().code == 0
    assert objects(s3, bucket)["big.gz"] == noise(1 << 20, 7)
    assert not conflicts(reader, bucket, s3)


def test_a_file_that_vanishes_while_it_is_read_leaves_no_half_object(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    answer = held_upload(reader, proxy, lambda: (reader.root / "big.gz").unlink())
    assert answer.code in {0, 4, 5}, answer.said
    assert reader.once().code == 0
    there = objects(s3, bucket)
    assert there.pop("small.gz") == b"small"
    assert there in ({}, {"big.gz": noise(LARGE)})


# --- the way up -----------------------------------------------------------------------------------------------


def test_a_reset_in_the_middle_of_an_upload_is_tried_again_in_the_same_cycle(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    proxy.add(Fault(method="PUT", target=r"/p/big\.gz", reset_up_at=1 << 20, times=1))
    answer = reader.once()
    assert answer.code == 0, answer.said
    assert objects(s3, bucket) == {"big.gz": noise(LARGE), "small.gz": b"small"}


def test_an_upload_that_is_reset_every_time_is_reported_and_the_others_arrive(
    s3: MotoServer, bucket: str, reader: Host, proxy: Proxy
) -> None:
    proxy.add(Fault(method="PUT", target=r"/p/big\.gz", reset_up_at=1 << 20))
    answer = reader.once()
    assert answer.code in {4, 5}, answer.said
    assert "big.gz" in answer.err
    assert "the connection broke" in answer.err
    assert objects(s3, bucket) == {"small.gz": b"small"}
    proxy.mend()
    assert reader.once().code == 0
    assert objects(s3, bucket) == {"big.gz": noise(LARGE), "small.gz": b"small"}


@pytest.mark.parametrize("lost", [1, 2], ids=["the first answer", "every answer of the cycle"])
def test_a_put_that_was_committed_and_never_answered_is_recognised_as_our_own(
    s3: MotoServer, bucket: str, make_host: MakeHost, proxy: Proxy, lost: int
) -> None:
    host = make_host(proxy.endpoint, mode="bidirectional")
    host.write("a.gz", b"first")
    proxy.add(Fault(method="PUT", target=r"/p/a\.gz", drop_answer=True, times=lost))
    first = host.once()
    assert first.code == (0 if lost == 1 else 4), first.said
    assert host.once().code == 0
    assert proxy.count("PUT", r"/p/a\.gz") == 2
    assert objects(s3, bucket) == {"a.gz": b"first"}

    proxy.mend()
    host.write("a.gz", b"the second", age_s=30)
    proxy.add(Fault(method="PUT", target=r"/p/a\.gz", drop_answer=True, times=lost))
    second = host.once()
    assert second.code == (0 if lost == 1 else 4), second.said
    assert host.once().code == 0
    assert proxy.count("PUT", r"/p/a\.gz") == 4
    assert objects(s3, bucket) == {"a.gz": b"the second"}
    assert (host.root / "a.gz").read_bytes() == b"the second"
    assert not conflicts(host, bucket, s3)


def test_a_multipart_upload_whose_completion_was_never_answered_is_recognised_as_our_own(
    s3: MotoServer, bucket: str, make_host: MakeHost, proxy: Proxy
) -> None:
    host = make_host(proxy.endpoint, mode="bidirectional")
    body = noise(PARTS)
    host.write("a.gz", body)
    proxy.add(Fault(method="POST", target=r"/p/a\.gz\?uploadId", drop_answer=True, times=1))
    answer = host.once()
    assert answer.code in {0, 4, 5}, answer.said
    assert host.once().code == 0
    assert objects(s3, bucket) == {"a.gz": body}
    assert not conflicts(host, bucket, s3)
    assert not s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads")


# --- the way down ---------------------------------------------------------------------------------------------


@pytest.fixture
def stored(s3: MotoServer, bucket: str, make_host: MakeHost) -> dict[str, bytes]:
    """Objects that another host of ours stored, with all our metadata."""
    host = make_host(s3.endpoint, s3='checksum = "crc64nvme"')
    content = {"big.gz": noise(2 << 20), "small.gz": b"small"}
    for name, body in content.items():
        host.write(name, body)
    assert host.once().code == 0
    return content


def came(host: Host) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in host.root.glob("*.gz")}


def test_a_truncated_download_is_noticed_and_fetched_again(
    stored: dict[str, bytes], make_host: MakeHost, proxy: Proxy
) -> None:
    host = make_host(proxy.endpoint, mode="download")
    proxy.add(Fault(method="GET", target=r"/p/big\.gz", end_down_at=1 << 20, times=1))
    answer = host.once()
    if answer.code != 0:
        assert answer.code in {4, 5}, answer.said
        assert "big.gz" in answer.err
        assert "ended early" in answer.err
        assert came(host) == {"small.gz": b"small"}
        assert host.once().code == 0
    assert came(host) == stored
    assert not partial_files(host)


def test_a_corrupted_download_is_noticed_said_and_fetched_again(
    stored: dict[str, bytes], make_host: MakeHost, proxy: Proxy
) -> None:
    host = make_host(proxy.endpoint, mode="download")
    proxy.add(Fault(method="GET", target=r"/p/big\.gz", flip_down_at=1_234_567, times=1))
    answer = host.once()
    assert answer.code == 0, answer.said
    assert "transfer.corrupted" in answer.err
    assert "big.gz" in answer.err
    assert came(host) == stored
    assert not partial_files(host)


@pytest.mark.parametrize("checksum", ["crc64nvme", "none"])
@pytest.mark.parametrize("mode", ["download", "bidirectional"])
def test_a_download_that_is_corrupted_every_time_is_never_placed(
    s3: MotoServer, bucket: str, make_host: MakeHost, proxy: Proxy, mode: str, checksum: str
) -> None:
    writer = make_host(s3.endpoint, s3=f'checksum = "{checksum}"')
    content = {"big.gz": noise(2 << 20), "small.gz": b"small"}
    for name, body in content.items():
        writer.write(name, body)
    assert writer.once().code == 0
    host = make_host(proxy.endpoint, mode=mode, s3=f'checksum = "{checksum}"\nretries = 1')
    proxy.add(Fault(method="GET", target=r"/p/big\.gz", flip_down_at=1_234_567))
    answer = host.once()
    assert came(host) == {"small.gz": b"small"}
    assert answer.code in {4, 5}, answer.said
    assert "transfer.corrupted" in answer.err
    assert "what came down is not what was stored" in answer.err
    assert "look at the network path or the store" in answer.err
    assert not partial_files(host)
    assert objects(s3, bucket) == content
    proxy.mend()
    assert host.once().code == 0
    assert came(host) == content


def test_a_corrupted_download_does_not_touch_the_file_that_it_would_replace(
    s3: MotoServer, bucket: str, make_host: MakeHost, proxy: Proxy, stored: dict[str, bytes]
) -> None:
    host = make_host(proxy.endpoint, mode="download")
    assert host.once().code == 0
    writer = make_host(s3.endpoint)
    newer = noise(2 << 20, 9)
    writer.write("big.gz", newer, age_s=5)
    writer.write("small.gz", b"small", age_s=5)
    assert writer.once().code in {0, 4}
    assert objects(s3, bucket)["big.gz"] == newer
    proxy.add(Fault(method="GET", target=r"/p/big\.gz", flip_down_at=99))
    assert host.once().code in {4, 5}
    assert came(host) == stored
    proxy.mend()
    assert host.once().code == 0
    assert came(host)["big.gz"] == newer


# --- no room --------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.root
def test_a_full_disk_costs_only_what_does_not_fit_and_that_comes_when_there_is_room(
    s3: MotoServer, bucket: str, make_host: MakeHost, small_disk: Path
) -> None:
    client = s3.client()
    content = {"a.gz": b"a" * 1000, "big.gz": noise(6 << 20), "z.gz": b"z" * 1000}
    for name, body in content.items():
        client.put_object(Bucket=bucket, Key=f"p/{name}", Body=body)
    host = make_host(s3.endpoint, mode="download")
    host.root.rmdir()
    host.root = small_disk
    host.configure()
    answer = host.once()
    assert answer.code == 4, answer.said
    assert "big.gz" in answer.err
    assert "the disk is full" in answer.err
    assert "free some space on this file system" in answer.err
    assert came(host) == {"a.gz": content["a.gz"], "z.gz": content["z.gz"]}
    assert not partial_files(host)
    assert shutil.disk_usage(small_disk).used < 1 << 20
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert host.once().code == 0
    assert came(host) == content
