"""The whole program on LocalStack, which holds preconditions and checksums but deletes under no condition."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.daemon_process import Host
from support.localstack import LocalStackServer

MIB = 1 << 20
AT_ONCE = 'settle = "0s"\nmax_delete = "off"\n'

MakeHost = Callable[..., Host]


@pytest.fixture
def bucket(localstack: LocalStackServer) -> str:
    return localstack.new_bucket()


@pytest.fixture
def host(localstack: LocalStackServer, bucket: str, tmp_path: Path) -> MakeHost:
    """`host("a", mode="upload", pair="...")`: all hosts of a test share its bucket."""
    env = {"AWS_ACCESS_KEY_ID": localstack.access_key, "AWS_SECRET_ACCESS_KEY": localstack.secret_key}

    def make(name: str = "a", *, mode: str = "bidirectional", pair: str = "") -> Host:
        return Host(
            tmp_path / name,
            localstack.endpoint,
            remote=f"s3://{bucket}/p/",
            mode=mode,
            pair=AT_ONCE + pair,
            s3="retries = 1\npart_size = '5MiB'",
            env=env,
        )

    return make


def objects(localstack: LocalStackServer, bucket: str, under: str = "p/") -> dict[str, bytes]:
    """Every object's bytes by its name, by a plain client; ours only where they are asked for."""
    client = localstack.client()
    keys = [row["Key"] for row in client.list_objects_v2(Bucket=bucket, Prefix=under).get("Contents", ())]
    wanted = [key for key in keys if ".syncd" in under or ".syncd/" not in key]
    return {key.removeprefix("p/"): client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in wanted}


def files(host: Host) -> dict[str, bytes]:
    """Every file's bytes by path, ours left out."""
    found = {path.relative_to(host.root).as_posix(): path for path in host.root.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".syncd/")}


def test_files_go_up_and_are_removed_once_they_are_proven(
    localstack: LocalStackServer, bucket: str, host: MakeHost
) -> None:
    one = host(mode="upload", pair="cleanup = true\n")
    content = {"empty": b"", "ä/small": b"small", "large": os.urandom(300_000), "parts": os.urandom(12 * MIB)}
    for path, body in content.items():
        one.write(path, body)
    assert one.once().code == 0
    assert objects(localstack, bucket) == files(one) == content
    for _ in range(2):
        assert one.once().code == 0
    assert files(one) == {}
    assert not [path for path in (one.root / ".syncd" / "cleaning").rglob("*") if path.is_file()]
    assert objects(localstack, bucket) == content


def test_a_conflict_keeps_both_versions_on_both_hosts(
    localstack: LocalStackServer, bucket: str, host: MakeHost
) -> None:
    one, two = host("one", pair='conflict = "keep-both"'), host("two", pair='conflict = "keep-both"')
    one.write("a.log", b"as agreed")
    assert (one.once().code, two.once().code) == (0, 0)
    one.write("a.log", b"the one's")
    two.write("a.log", b"the other's")
    assert [each.once().code for each in (one, two, two, one)] == [0, 4, 0, 0]  # 4: a conflict, which is told once
    assert sorted(objects(localstack, bucket).values()) == [b"the one's", b"the other's"]
    assert files(one) == files(two) == objects(localstack, bucket)


def test_a_deletion_that_could_lose_a_race_leaves_the_object(
    localstack: LocalStackServer, bucket: str, host: MakeHost
) -> None:
    """No version is kept here, and no delete can be bound to what was seen."""
    one = host(pair='deletes = "propagate"')
    one.write("a.log", b"content")
    one.write("b.log", b"content")
    assert one.once().code == 0
    (one.root / "a.log").unlink()
    assert one.once().code == 0
    assert objects(localstack, bucket) == {"a.log": b"content", "b.log": b"content"}
    assert set(files(one)) == {"b.log"}


def test_where_versions_are_kept_a_deletion_goes_through(
    localstack: LocalStackServer, bucket: str, host: MakeHost
) -> None:
    client = localstack.client()
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    one = host(pair='deletes = "propagate"')
    one.write("a.log", b"content")
    one.write("b.log", b"content")
    assert one.once().code == 0
    (one.root / "a.log").unlink()
    assert one.once().code == 0
    assert objects(localstack, bucket) == {"b.log": b"content"}
    kept = client.list_object_versions(Bucket=bucket, Prefix="p/a.log")["Versions"]
    assert len(kept) == 1
