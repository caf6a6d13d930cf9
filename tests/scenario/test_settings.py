"""Each key of the configuration that changes what is sent, how, or where."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable

import pytest

from support.moto import MotoServer
from support.site import AGO, HOST, Site


def test_include_and_exclude_decide_on_both_sides(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", include=["*.gz", "keep/"], exclude=["tmp/", "*.part.gz"])
    for path in ("a.gz", "d/b.gz", "c.log", "tmp/d.gz", "e.part.gz", "keep/f.log"):
        host.write(path, path.encode())
        host.put(f"s3/{path}", path.encode())

    run = host.once()

    assert run.code == 0, run.said
    here = {"a.gz", "d/b.gz", "keep/f.log"}
    there = {"s3/a.gz", "s3/d/b.gz", "s3/keep/f.log"}
    assert {path for path in host.objects() if not path.startswith("s3/")} == here
    assert {path for path in host.tree() if path.startswith("s3/")} == there
    assert host.once().requests == {"LIST": 1}


def test_a_prefix_is_a_folder_and_nothing_beside_it_is_seen(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", prefix="logs/", deletes="propagate")
    host.client.put_object(Bucket=host.bucket, Key="logs-old/x", Body=b"x")
    host.client.put_object(Bucket=host.bucket, Key="logs", Body=b"x")
    host.client.put_object(Bucket=host.bucket, Key="logs/", Body=b"")
    host.put("in", b"in")

    assert host.once().code == 0

    assert host.tree() == {"in": b"in"}


def test_hash_md5_is_what_the_metadata_carries(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", hash="md5")
    host.write("a", b"body")
    host.once()

    assert host.metadata("a")["hash-type"] == "md5"
    assert host.metadata("a")["file-hash"] == hashlib.md5(b"body").hexdigest()
    assert host.once().requests == {"LIST": 1}


def test_changing_hash_never_sends_anything_again(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", hash="md5")
    host.write("a", b"body", mtime=AGO)
    host.once()
    host.keys["hash"] = "sha256"
    assert host.once().requests == {"LIST": 1}
    os.utime(host.root / "a")
    assert host.once().requests == {"LIST": 1}
    host.lose_database()

    run = host.once()

    assert not run.writes
    assert run.requests["GET"] == 0


def test_checksum_crc64nvme_is_shown_by_head(site: Callable[..., Site]) -> None:
    host = site(mode="upload")
    host.write("a", b"body")
    host.once()

    assert host.head("a")["ChecksumCRC64NVME"]


def test_checksum_sha256_is_shown_by_head(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", s3={"checksum": "sha256"})
    host.write("a", b"body")
    host.once()

    assert host.head("a")["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"body").digest()).decode()
    assert host.once().requests == {"LIST": 1}


def test_checksum_none_sends_none_and_still_works_both_ways(site: Callable[..., Site]) -> None:
    host, other = (site(name, mode="bidirectional", s3={"checksum": "none"}) for name in ("host", "other"))
    host.write("a", b"body")
    run = host.once()

    assert not {key for key in host.head("a") if key.startswith("Checksum")}
    assert run.report["checksum_verification"]["enabled"] is False
    assert other.once().code == 0
    assert other.tree() == {"a": b"body"}


@pytest.mark.parametrize("checksum", ["sha256", "none"])
def test_an_upload_in_parts_works_with_every_checksum(site: Callable[..., Site], checksum: str) -> None:
    host = site(mode="upload", s3={"checksum": checksum, "part_size": "64MiB"})
    body = bytes(65 << 20)
    host.write("large", body)

    run = host.once()

    assert run.code == 0, run.said
    assert host.head("large")["ContentLength"] == len(body)
    assert run.requests["PART"] == 2


def test_storage_class_and_acl_go_with_an_upload_and_auto_sends_none_off_aws(site: Callable[..., Site]) -> None:
    plain = site("plain", mode="upload", prefix="1/")
    host = site("host", mode="upload", prefix="2/", s3={"storage_class": "STANDARD_IA", "acl": "public-read"})
    for each in (plain, host):
        each.write("a", b"body")
        each.once()

    assert "StorageClass" not in plain.head("a")
    assert host.head("a")["StorageClass"] == "STANDARD_IA"
    grants = host.client.get_object_acl(Bucket=host.bucket, Key="2/a")["Grants"]
    assert any(grant["Grantee"].get("URI", "").endswith("AllUsers") for grant in grants)


def test_a_key_of_a_pair_overrides_that_of_s3(site: Callable[..., Site]) -> None:
    host = site(mode="upload", s3={"storage_class": "STANDARD_IA"}, storage_class="ONEZONE_IA")
    host.write("a", b"body")
    host.once()

    assert host.head("a")["StorageClass"] == "ONEZONE_IA"


@pytest.fixture
def two_buckets(server: MotoServer, bucket: str) -> tuple[str, str]:
    """Two more buckets, of other tests' buckets apart."""
    return server.new_bucket(f"{bucket}-one"), server.new_bucket(f"{bucket}-two")


def test_the_buckets_layout_sends_each_folder_to_its_bucket_and_a_missing_one_stops_no_other(
    site: Callable[..., Site], server: MotoServer, two_buckets: tuple[str, str]
) -> None:
    first, second = two_buckets
    host = site(bucket="", mode="upload", layout="buckets")
    host.write(f"{first}/a/b", b"1")
    host.write(f"{second}/c", b"2")
    host.write("no-such-bucket/d", b"3")
    host.write("in-no-bucket", b"4")

    run = host.once()

    assert run.code == 4, run.said
    assert run.report["status"] == "partial"
    assert "no-such-bucket" in run.said
    assert server.contents(first) == {"a/b": b"1"}
    assert server.contents(second) == {"c": b"2"}
    assert not host.once().writes


def test_the_buckets_layout_sends_what_is_new_wherever_it_sorts(
    site: Callable[..., Site], server: MotoServer, two_buckets: tuple[str, str]
) -> None:
    first, second = two_buckets
    host = site(bucket="", mode="upload", layout="buckets")
    host.write(f"{first}/middle", b"m")
    host.write(f"{second}/middle", b"m")
    host.once()
    host.write(f"{first}/after", b"a")
    host.write(f"{first}/zero", b"z")
    host.write(f"{second}/after", b"a")

    run = host.once()

    assert run.code == 0, run.said
    assert set(server.contents(first)) == {"after", "middle", "zero"}
    assert set(server.contents(second)) == {"after", "middle"}
    assert host.once().requests == {"LIST": 2}


def test_a_bucket_that_could_not_be_listed_deletes_nothing_and_forgets_nothing(
    site: Callable[..., Site], server: MotoServer, two_buckets: tuple[str, str]
) -> None:
    first, second = two_buckets
    host = site(bucket="", mode="upload", layout="buckets", deletes="propagate")
    host.write(f"{first}/a", b"1")
    host.write(f"{second}/b", b"2")
    host.once()
    host.client.delete_object(Bucket=second, Key="b")
    host.client.delete_bucket(Bucket=second)

    run = host.once()

    assert run.code == 4, run.said
    assert not run.writes
    assert host.tree() == {f"{first}/a": b"1", f"{second}/b": b"2"}
    server.new_bucket(second)
    assert host.once().code == 0
    assert server.contents(first) == {"a": b"1"}


def test_host_in_the_remote_is_this_hosts_name(site: Callable[..., Site]) -> None:
    host = site(mode="upload")
    host.keys["remote"] = f"s3://{host.bucket}/logs/{{host}}/"
    host.write("x", b"x")

    assert host.once().code == 0

    assert host.objects() == {f"logs/{HOST}/x": b"x"}


def test_the_flags_alone_describe_one_pair_of_gz_files(site: Callable[..., Site]) -> None:
    import sys

    host = site()
    host.write("a.gz", b"a")
    host.write("b.log", b"b")
    flags = ["-b", host.bucket, "-l", str(host.root), "--endpoint-url", host.server.endpoint]

    run = host.run([sys.executable, "-m", "syncd", "--once", *flags, "--state-dir", str(host.state)])

    assert run.code in {0, 5}, run.said
    assert host.objects() == {"a.gz": b"a"}
