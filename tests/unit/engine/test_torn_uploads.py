"""A file that changed while it was sent: what lies on S3 is not told done, and the file goes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.model import ConflictPolicy, Mode
from syncd.ports import PutAnswer
from syncd.runtime.once import exit_of
from syncd.runtime.run_report import run_report
from syncwire.exits import Exit

A, B = b"A" * 200_000, b"B" * 200_000


class Tearing(FakeObjects):
    """A store that checks no sums, before which the writer writes on."""

    file: Path | None = None
    whole = False

    def put(self, key: str, body: BinaryIO, size: int, **more: Any) -> PutAnswer:
        file, self.file = self.file, None
        if file is not None:
            more["sums"] = replace(more["sums"], md5=None, sha256=None, crc64nvme=None)
            if self.whole:
                file.write_bytes(B)
            else:
                with open(file, "r+b") as half:
                    half.seek(100_000)
                    half.write(B[100_000:])
        return super().put(key, body, size, **more)


@pytest.fixture(params=[True, False], ids=["rewritten", "half rewritten"])
def torn(tmp_path: Path, request: pytest.FixtureRequest) -> LoneHost:
    capabilities = replace(EVERYTHING, stores_checksum=False)
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, bucket=Tearing, capabilities=capabilities)
    host.write("f", A)
    assert isinstance(host.bucket, Tearing)
    host.bucket.file, host.bucket.whole = host.host.path / "f", request.param
    return host


def test_a_torn_upload_is_not_reported_done_and_goes_again(torn: LoneHost) -> None:
    report = torn.run().report
    assert report.counts.get("uploaded", 0) == 0
    assert exit_of(report, None) is Exit.TEMPORARY
    assert run_report(torn.host.pair, report, None, now=0, dry=False)["status"] == "partial"
    assert [each.path for each in torn.host.backlog.snapshot()] == ["f"]
    assert exit_of(torn.run().report, None) is Exit.OK
    assert torn.objects() == torn.files()
    assert torn.host.backlog.snapshot() == ()


def test_a_torn_conflict_copy_is_not_reported_done_either(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, bucket=Tearing, conflict=ConflictPolicy.KEEP_BOTH)
    host.write("f", A)
    host.bucket.plant("p/f", b"theirs")
    assert isinstance(host.bucket, Tearing)
    host.bucket.file = host.host.path / "f"
    report = host.run().report
    assert exit_of(report, None) is not Exit.OK
    assert [each.path for each in host.host.backlog.snapshot()] == ["f"]
    host.run()
    assert host.files()["f"] in host.objects().values()
    assert host.objects()["f"] == b"theirs"
    assert host.host.backlog.snapshot() == ()


def test_a_pass_that_was_stopped_is_told_as_partial(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD)
    for number in range(9):
        host.write(f"f{number}", b"1")
    host.bucket.intervene("put", host.host.context.stop.drain)  # type: ignore[attr-defined]  # a Stop
    report = host.run().report
    assert len(host.objects()) < 9
    assert report.stopped
    assert run_report(host.host.pair, report, None, now=0, dry=False)["status"] == "partial"
