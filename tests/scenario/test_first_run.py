"""The first run of each mode, and the run after it that has nothing to do."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable

import pytest

from support.site import AGO, HOST, Site

FILES = {
    "one.log": b"first\n",
    "empty": b"",
    "deep/er/and/deeper/two.gz": b"second",
    "grüße/日本 語 ☃.txt": b"unicode",
    "odd/ space , + & = ; @ % 100%25 #?.txt": b"odd",
    "odd/-dash": b"dash",
    "odd/a.b": b"1",
    "odd/a/b": b"2",
    "odd/a-b": b"3",
    "odd/back\\slash 'quote' \"double\" *": b"4",
    "\U0001f642/\uffee/\ud7ff": b"beyond the BMP",
}


def fill(host: Site) -> None:
    for number, (path, body) in enumerate(FILES.items()):
        host.write(path, body, mtime=AGO + number)


@pytest.mark.parametrize(("mode", "prefix"), [("upload", ""), ("bidirectional", "some/ präfix/")])
def test_a_first_run_copies_every_file_up_and_the_next_one_sends_a_single_list(
    site: Callable[..., Site], mode: str, prefix: str
) -> None:
    host = site(mode=mode, prefix=prefix)
    fill(host)

    first = host.once()

    assert first.code == 0, first.said
    assert host.objects() == FILES
    assert first.report["status"] == "success"
    assert first.report["files_synced"] == len(FILES)
    second = host.once()
    assert second.code == 0, second.said
    assert second.requests == {"LIST": 1}
    assert host.tree() == host.objects() == FILES
    assert not host.trash()
    assert not host.aside()


@pytest.mark.parametrize("mode", ["download", "bidirectional"])
def test_a_first_run_copies_every_object_down_and_the_next_one_sends_a_single_list(
    site: Callable[..., Site], mode: str
) -> None:
    source, host = site("source", mode="upload"), site("host", mode=mode)
    fill(source)
    source.once()

    first = host.once()

    assert first.code == 0, first.said
    assert host.tree() == FILES
    assert not first.writes
    second = host.once()
    assert second.code == 0, second.said
    assert second.requests == {"LIST": 1}


def test_download_restores_the_modification_time_to_the_nanosecond(site: Callable[..., Site]) -> None:
    source, host = site("source", mode="upload"), site("host", mode="download")
    times = {
        "now": 1_795_000_000_123_456_789,
        "epoch": 0,
        "old": 1,
        "before": -1_500_000_000,
        "long-ago": -86400 * 10**9,
    }
    for path, mtime_ns in times.items():
        os.utime(source.write(path, path.encode()), ns=(mtime_ns, mtime_ns))
    source.once()

    assert host.once().code == 0

    assert {path: (host.root / path).stat().st_mtime_ns for path in times} == times


def test_an_object_without_metadata_takes_the_servers_time_when_it_comes_down(site: Callable[..., Site]) -> None:
    host = site(mode="download")
    host.put("plain", b"plain")

    assert host.once().code == 0

    assert (host.root / "plain").stat().st_mtime == host.head("plain")["LastModified"].timestamp()


def test_an_upload_carries_the_metadata_of_the_interface(site: Callable[..., Site]) -> None:
    host = site(mode="upload", prefix="p/")
    host.write("d/Grüße 100%.log", b"hello", mtime=1_700_000_000.5)
    host.once()

    metadata = host.metadata("d/Grüße 100%.log")

    assert set(metadata) == {
        *("original-filename", "upload-time", "source-host", "file-size", "file-hash", "hash-type", "synced-by"),
        *("source-host-id", "syncd-op", "mtime"),
    }
    assert metadata["original-filename"] == "Gr%C3%BC%C3%9Fe 100%25.log"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", metadata["upload-time"])
    assert metadata["source-host"] == HOST
    assert metadata["file-size"] == "5"
    assert metadata["file-hash"] == hashlib.sha256(b"hello").hexdigest()
    assert metadata["hash-type"] == "sha256"
    assert re.fullmatch(r"syncd/\d+\.\d+\.\d+\S*", metadata["synced-by"])
    assert metadata["mtime"] == "1700000000.500000000"


def test_a_listing_of_more_than_a_thousand_costs_one_list_a_thousand(site: Callable[..., Site]) -> None:
    host = site(mode="upload")
    for number in range(1_003):
        host.write(f"{number % 7}/{number:05}", b"%d" % number)
    assert host.once().code == 0

    second = host.once()

    assert second.requests == {"LIST": 2}
    assert second.report["s3_objects"] == len(host.tree()) == 1_003


def test_a_new_file_between_old_ones_costs_a_single_put(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional")
    fill(host)
    host.once()
    host.write("deep/er/new", b"new")

    run = host.once()

    assert run.requests == {"LIST": 1, "PUT": 1}
    assert host.objects() == {**FILES, "deep/er/new": b"new"}


def test_a_large_file_goes_up_in_parts_and_comes_down_whole(site: Callable[..., Site]) -> None:
    source = site("source", mode="upload", s3={"part_size": "20MiB"})
    host = site("host", mode="download")
    body = os.urandom(1 << 20) * 70 + b"tail"
    source.write("large.bin", body, mtime=AGO)

    up = source.once()

    assert up.code == 0, up.said
    assert [kind for kind, key in up.writes] == ["CREATE", "PART", "PART", "PART", "PART", "COMPLETE"]
    assert source.metadata("large.bin")["file-hash"] == hashlib.sha256(body).hexdigest()
    assert source.client.list_multipart_uploads(Bucket=source.bucket).get("Uploads", []) == []
    assert source.once().requests == {"LIST": 1}
    assert host.once().code == 0
    assert (host.root / "large.bin").read_bytes() == body
    assert host.once().requests == {"LIST": 1}


def test_a_download_makes_its_root(site: Callable[..., Site]) -> None:
    host = site(mode="download")
    host.put("a", b"a")
    host.root.rmdir()

    assert host.once().code == 0

    assert host.tree() == {"a": b"a"}


@pytest.mark.parametrize("mode", ["upload", "download", "bidirectional"])
def test_two_empty_sides_are_in_step(site: Callable[..., Site], mode: str) -> None:
    host = site(mode=mode)

    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert run.report["status"] == "success"


def test_both_sides_are_united_where_each_has_files_of_its_own(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional")
    host.write("here", b"here")
    host.put("there", b"there")
    host.write("both", b"both")
    host.put("both", b"both")

    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == host.objects() == {"here": b"here", "there": b"there", "both": b"both"}
    assert run.writes == [("PUT", f"{host.bucket}/here")]


@pytest.mark.parametrize(
    ("mode", "here", "there"),
    [("upload", {"here"}, {"here", "there"}), ("download", {"here", "there"}, {"there"})],
)
def test_one_way_modes_leave_what_is_only_on_the_other_side(
    site: Callable[..., Site], mode: str, here: set[str], there: set[str]
) -> None:
    host = site(mode=mode)
    host.write("here", b"here")
    host.put("there", b"there")

    for _ in range(2):
        assert host.once().code == 0
        assert (set(host.tree()), set(host.objects())) == (here, there)
