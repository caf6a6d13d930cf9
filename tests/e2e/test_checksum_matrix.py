"""What a store shows of our objects is what it shows of the same files sent by the AWS CLI, whatever their size.

`make checksums` sends a sparse file of 5 GiB as well: minutes, and 10 GiB of disk.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.aws_cli import AwsCli
from support.daemon_process import Host
from support.localstack import LocalStackServer

MIB = 1 << 20
SIZES = {"empty": 0, "1 MB": 1_000_000, "below": 64 * MIB - 1, "at": 64 * MIB, "above": 64 * MIB + 1}
"""Around 64 MiB one PUT becomes an upload in parts, and one GET becomes ranges."""

SPARSE = {"sparse": 5 << 30}
WITHIN = 1800
LARGE = bool(os.environ.get("CHECKSUM_LARGE"))


@pytest.fixture
def bucket(localstack: LocalStackServer) -> str:
    return localstack.new_bucket()


def host(localstack: LocalStackServer, bucket: str, folder: Path, *, mode: str, checksum: str) -> Host:
    return Host(
        folder,
        localstack.endpoint,
        remote=f"s3://{bucket}/ours/",
        mode=mode,
        pair='settle = "0s"\n',
        s3=f'checksum = "{checksum}"',
        env={"AWS_ACCESS_KEY_ID": localstack.access_key, "AWS_SECRET_ACCESS_KEY": localstack.secret_key},
    )


def write(folder: Path) -> dict[str, int]:
    """The files, all older than what is just being written; by name and size."""
    random_bytes = random.Random(5)
    sizes = SPARSE if LARGE else SIZES
    for name, size in sizes.items():
        with (folder / name).open("wb") as file:
            if name not in SPARSE:
                file.write(random_bytes.randbytes(size))
            file.truncate(size)
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    return sizes


def shown(client: Any, bucket: str, key: str) -> dict[str, object]:
    """Size and every checksum that HEAD shows."""
    seen = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    sums = {name: value for name, value in seen.items() if name.startswith("Checksum")}
    return {"size": seen["ContentLength"], **sums}


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(16 * MIB):
            yield piece


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("checksum", ["crc64nvme", "sha256"])
def test_the_store_shows_the_checksums_that_the_aws_cli_makes_and_the_files_come_back(
    localstack: LocalStackServer, bucket: str, tmp_path: Path, checksum: str
) -> None:
    source = host(localstack, bucket, tmp_path / "a", mode="upload", checksum=checksum)
    sizes = write(source.root)
    assert source.once(within=WITHIN).code == 0

    cli = AwsCli(tmp_path, localstack.endpoint, localstack.access_key, localstack.secret_key)
    for name in sizes:
        (tmp_path / "plain").mkdir(exist_ok=True)
        os.link(source.root / name, tmp_path / "plain" / name)
    cli.copy(str(tmp_path / "plain"), f"s3://{bucket}/theirs/", checksum=checksum.upper())

    client = localstack.client()
    for name, size in sizes.items():
        ours, theirs = (shown(client, bucket, f"{whose}/{name}") for whose in ("ours", "theirs"))
        assert ours == theirs, name
        assert ours["size"] == size
        assert f"Checksum{checksum.upper()}" in ours, name

    target = host(localstack, bucket, tmp_path / "b", mode="download", checksum=checksum)
    assert target.once(within=WITHIN).code == 0
    for name in sizes:
        same = zip(pieces(source.root / name), pieces(target.root / name), strict=True)
        assert all(one == other for one, other in same), name
