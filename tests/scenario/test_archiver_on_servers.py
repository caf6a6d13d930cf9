"""The archiver on servers that speak S3: conditional writes, uploads in parts and the proof of both."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.batch_desk import BatchDesk, members
from support.fake_store import proven
from support.moto import MotoServer
from syncd.config.types import S3
from syncd.core.archive import Archive
from syncd.core.model import ProofKind
from syncd.s3.gateway import Boto3Objects
from syncd.s3.probe import probe

MIB = 1 << 20

Archived = Callable[..., list[Archive]]


@pytest.fixture
def archived(tmp_path: Path) -> Archived:
    """Archive small and large files to a bucket, check every byte there with a plain client; returns the archives."""

    def run(client: Any, bucket: str, *, streaming: bool) -> list[Archive]:
        desk = BatchDesk(tmp_path, streaming=streaming, s3=S3(endpoint_url="http://s3", part_size=5 * MIB))
        try:
            connect(desk, client, bucket)
            files = {f"host/caf\u00e9 {number}": os.urandom(number * 100) for number in range(50)}
            files |= {"parts/one": os.urandom(4 * MIB), "parts/two": os.urandom(66 * MIB), "top": b""}
            for path, body in files.items():
                desk.write(path, body)
            reports = desk.finish()
            assert [(report.failure, report.problems) for report in reports] == [(None, ())] * len(reports)
            assert read_by(client, bucket) == Counter(files.items())
            assert desk.files() == {}
            return list(desk.journal.archives("", limit=9))
        finally:
            desk.close()

    return run


def connect(desk: BatchDesk, client: Any, bucket: str) -> None:
    """Let the desk work on that bucket, as a probe finds it."""
    seen = probe(client, bucket, "")
    objects = Boto3Objects(client, bucket, checksum="crc64nvme", capabilities=seen)
    context = replace(desk.world.context, objects=objects, endpoint=proven(seen))
    desk.world = replace(desk.world, context=replace(context, pair=replace(context.pair, bucket=bucket)))


def read_by(client: Any, bucket: str) -> Counter[tuple[str, bytes]]:
    """What every archive of a bucket holds, our manifests left out; each has one beside it."""
    keys = [row["Key"] for row in client.list_objects_v2(Bucket=bucket)["Contents"]]
    found: Counter[tuple[str, bytes]] = Counter()
    for key in keys:
        if key.endswith(".tar"):
            assert key.removesuffix(".tar") + ".manifest.json" in keys
            body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            found.update(row for row in members(body).items() if not row[0].startswith(".syncd/"))
    return found


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
def test_moto_gets_archives_and_the_files_go(
    archived: Archived, server: MotoServer, *, streaming: bool, versioned: bool
) -> None:
    bucket = server.new_bucket(f"archiver-{int(streaming)}{int(versioned)}", versioned=versioned)
    archives = archived(server.client(), bucket, streaming=streaming)
    assert len(archives) == 3
    assert {archive.proof for archive in archives} == {ProofKind.ETAG}
    assert all((archive.version_id is not None) is versioned for archive in archives)


@pytest.mark.ceph
@pytest.mark.parametrize("streaming", [False, True])
def test_ceph_gets_archives_and_the_files_go(archived: Archived, ceph: Any, *, streaming: bool) -> None:
    archives = archived(ceph.client(), ceph.new_bucket(), streaming=streaming)
    assert len(archives) == 3
    assert {archive.proof for archive in archives} == {ProofKind.ETAG}


@pytest.mark.parametrize("streaming", [False, True])
def test_localstack_gets_archives_and_the_files_go(archived: Archived, localstack: Any, *, streaming: bool) -> None:
    archives = archived(localstack.client(), localstack.new_bucket(), streaming=streaming)
    assert len(archives) == 3
    assert {archive.proof for archive in archives} == {ProofKind.ETAG}
