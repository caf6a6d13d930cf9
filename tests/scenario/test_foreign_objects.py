"""Objects of other tools: what tells that they hold what we hold, and what their metadata may claim."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

import pytest

from support.site import AGO, Site

BODY = b"the very same bytes"
OTHER = b"THE VERY SAME BYTES"


def multipart(host: Site, path: str, body: bytes, part: int) -> None:
    """Upload in parts as another tool does."""
    where = {"Bucket": host.bucket, "Key": host.prefix + path}
    upload = host.client.create_multipart_upload(**where)["UploadId"]
    parts = []
    for number, start in enumerate(range(0, len(body), part), 1):
        answer = host.client.upload_part(**where, UploadId=upload, PartNumber=number, Body=body[start : start + part])
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
    host.client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})


@pytest.mark.parametrize("mode", ["upload", "download", "bidirectional"])
def test_a_single_part_etag_proves_the_same_content_and_no_bytes_move(site: Callable[..., Site], mode: str) -> None:
    host = site(mode=mode, conflict="keep-both")
    host.write("a", BODY, mtime=AGO)
    host.put("a", BODY)

    assert host.plan().rules == {"a": "same-content"}
    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert run.requests["GET"] == 0
    assert host.once().requests == {"LIST": 1}


def test_a_multipart_etag_of_a_usual_part_size_proves_the_same_content(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", conflict="keep-both")
    body = os.urandom(1 << 20) * 17
    host.write("large", body)  # newer than the object: only the ETag can tell
    multipart(host, "large", body, 8 << 20)
    os.utime(host.root / "large")

    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert run.requests["GET"] == 0


def test_an_older_file_of_the_same_size_is_taken_as_unproven_and_never_cleaned(site: Callable[..., Site]) -> None:
    host = site(mode="upload", cleanup=True)
    body = os.urandom(1 << 20) * 6
    host.write("large", body, mtime=AGO)
    multipart(host, "large", body, (5 << 20) + 1)  # no usual part size

    assert host.plan().rules == {"large": "same-content.unproven"}
    for _ in range(3):
        run = host.once()
        assert run.code == 0, run.said
        assert not run.writes
    assert host.tree() == {"large": body}


def test_a_younger_file_of_the_same_size_that_nothing_proves_is_a_conflict(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", conflict="local")
    body = os.urandom(1 << 20) * 6
    multipart(host, "large", os.urandom(1 << 20) * 6, (5 << 20) + 1)
    host.write("large", body, mtime=4_000_000_000)

    assert host.plan().rules == {"large": "conflict.local"}


def test_other_content_of_the_same_size_and_time_is_seen_by_its_etag(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", conflict="remote")
    host.put("a", OTHER)
    host.write("a", BODY, mtime=host.head("a")["LastModified"].timestamp())

    run = host.once()

    assert run.code == 4
    assert host.tree() == host.objects() == {"a": OTHER}
    assert host.trash() == [BODY]


@pytest.mark.parametrize("file_hash", [hashlib.sha256(BODY).hexdigest(), "0" * 64, "no hash at all"])
def test_metadata_that_names_another_size_counts_as_absent(site: Callable[..., Site], file_hash: str) -> None:
    host = site(mode="bidirectional", conflict="remote")
    host.write("a", BODY, mtime=AGO)
    host.put("a", OTHER, Metadata={"file-size": "3", "file-hash": file_hash, "hash-type": "sha256"})

    run = host.once()

    assert run.code == 4
    assert host.tree() == {"a": OTHER}
    assert host.trash() == [BODY]


@pytest.mark.parametrize("mode", ["download", "bidirectional"])
def test_metadata_that_lies_is_disbelieved_after_two_reads_and_does_not_go_on_for_ever(
    site: Callable[..., Site], mode: str
) -> None:
    host = site(mode=mode)
    claim = {"file-size": str(len(BODY)), "file-hash": hashlib.sha256(OTHER).hexdigest(), "hash-type": "sha256"}
    host.put("a", BODY, Metadata=claim)

    run = host.once()

    assert run.code == 0, run.said
    assert run.requests["GET"] == 2
    assert "metadata" in run.said
    assert host.tree() == {"a": BODY}
    assert host.once().requests == {"LIST": 1}


def test_bytes_rewritten_under_kept_metadata_come_down_and_are_not_taken_for_the_old_ones(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional")
    host.write("a", BODY, mtime=AGO)
    host.once()
    host.put("a", OTHER, Metadata=host.metadata("a"))

    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == host.objects() == {"a": OTHER}
    assert host.once().requests == {"LIST": 1}


def test_bytes_rewritten_under_kept_metadata_are_never_overwritten_as_if_they_were_known(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", conflict="local")
    host.write("a", BODY, mtime=AGO)
    host.once()
    host.put("a", OTHER, Metadata=host.metadata("a"))
    host.write("a", b"edited here as well")

    host.once()

    assert host.objects() == {"a": b"edited here as well"}
    assert host.aside() == [OTHER]


def test_another_hash_type_on_the_object_is_never_other_content(site: Callable[..., Site]) -> None:
    host, other = site("host", mode="bidirectional", hash="sha256"), site("other", mode="bidirectional", hash="md5")
    host.write("a", BODY, mtime=AGO)
    other.write("a", BODY, mtime=AGO + 1)
    host.once()

    run = other.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert run.requests["GET"] == 0
    assert other.once().requests == {"LIST": 1}


def test_another_tools_rewrite_of_the_same_bytes_moves_nothing(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional")
    body = os.urandom(1 << 20) * 6
    host.write("large", body, mtime=AGO)
    host.once()
    multipart(host, "large", body, 5 << 20)  # another ETag, no metadata

    run = host.once()

    assert run.code == 0, run.said
    assert run.requests["GET"] == 0
    assert not run.writes
    assert host.once().requests == {"LIST": 1}


def test_rclones_mtime_comes_down_with_the_object(site: Callable[..., Site]) -> None:
    host = site(mode="download")
    host.put("a", BODY, Metadata={"mtime": "1700000000.123456789"})

    host.once()

    assert (host.root / "a").stat().st_mtime_ns == 1_700_000_000_123_456_789


def test_an_object_in_an_archive_tier_is_held_and_costs_no_error(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", conflict="local")
    host.put("frozen", b"frozen", StorageClass="GLACIER")
    host.put("both", b"there", StorageClass="DEEP_ARCHIVE")
    host.write("both", b"here")

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        assert not run.writes
        assert run.requests["GET"] == 0
    assert host.tree() == {"both": b"here"}


def test_a_download_pair_does_not_take_other_bytes_of_the_same_size_for_its_own(site: Callable[..., Site]) -> None:
    host = site(mode="download", conflict="remote")
    host.write("a", BODY, mtime=AGO)
    host.put("a", OTHER)

    host.once()

    assert host.tree() == {"a": OTHER}
    assert host.trash() == [BODY]


def test_a_claim_of_equal_content_that_the_etag_denies_is_not_believed_without_a_record(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", conflict="remote")
    host.write("a", BODY, mtime=AGO)
    claim = {"file-size": str(len(BODY)), "file-hash": hashlib.sha256(BODY).hexdigest(), "hash-type": "sha256"}
    host.put("a", OTHER, Metadata=claim)

    host.once()

    assert host.tree() == host.objects() == {"a": OTHER}
    assert host.trash() == [BODY]
