"""The doctor's findings on a batch: real folders, a real S3 server."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.moto import CREDENTIALS, MotoServer
from syncd.config.locate import Places
from syncd.config.types import S3, Batch, Config, Index
from syncd.control.port import Row
from syncd.lifecycle.clock import SystemClock
from syncd.runtime.doctor import examine

Checks = Callable[..., dict[str, list[Row]]]


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer() as running:
        yield running


@pytest.fixture
def bucket(server: MotoServer) -> str:
    return server.new_bucket(f"doctor-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def batch(server: MotoServer, bucket: str, tmp_path: Path) -> Batch:
    """A batch with one folder, whose bucket is there."""
    (tmp_path / "root" / bucket).mkdir(parents=True)
    (tmp_path / "root" / bucket / "a.log").write_bytes(b"1")
    return Batch(name="small", root=tmp_path / "root", s3=S3(endpoint_url=server.endpoint), max_size=1 << 20)


@pytest.fixture
def checks(tmp_path: Path) -> Checks:
    """Run the doctor; its rows by check."""
    state = tmp_path / "state"
    state.mkdir()

    def run(batch: Batch) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        places = Places(state_dir=state, socket=state / "control")
        config = Config(batches=(batch,))
        for row in examine(
            config, places, environ=CREDENTIALS, clock=SystemClock(), hostname="here", database=None, machine_id="m"
        ):
            found.setdefault(row["check"], []).append(row)
        return found

    return run


def levels(found: dict[str, list[Row]], check: str) -> list[str]:
    return [row["level"] for row in found[check]]


def bad(found: dict[str, list[Row]]) -> list[Row]:
    return [row for rows in found.values() for row in rows if row["level"] != "ok"]


def test_a_sound_batch_has_nothing_but_ok(checks: Checks, batch: Batch, bucket: str, server: MotoServer) -> None:
    found = checks(batch)
    assert bad(found) == []
    own = {check for check in found if check.startswith("small")}
    assert {"small root", "small spool", "small credentials", "small endpoint", f"small/{bucket} bucket"} <= own
    assert {f"small/{bucket} {what}" for what in ("open files", "clock", "capabilities")} <= own
    assert not any(check.endswith("prefix") for check in own), "archives of several hosts never meet"
    assert server.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0, "a probe leaves nothing behind"
    assert sorted(path.name for path in (batch.root / bucket).iterdir()) == ["a.log"]


def test_a_missing_root_is_a_failure_with_its_remedy(checks: Checks, batch: Batch) -> None:
    missing = replace(batch, root=batch.root / "nonesuch")
    (row,) = checks(missing)["small root"]
    assert row["level"] == "fail"
    assert row["remedy"].startswith("sudo install -d")


def test_an_empty_root_is_well(checks: Checks, batch: Batch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = checks(replace(batch, root=tmp_path / "empty"))
    assert bad(found) == []
    assert "has no folder yet" in found["small root"][0]["message"]


def test_each_folder_that_waits_is_named(checks: Checks, batch: Batch, bucket: str) -> None:
    (batch.root / "No Bucket!").mkdir()
    (batch.root / f"{bucket}-absent").mkdir()
    found = checks(batch)
    assert levels(found, "small/No Bucket! folder") == ["warn"]
    (absent,) = found[f"small/{bucket}-absent bucket"]
    assert absent["level"] == "fail"
    assert f"create-bucket --bucket {bucket}-absent" in absent["remedy"]
    assert "2 of 3 folders" in found["small root"][-1]["message"]


def test_the_manifest_bucket_is_looked_at_too(checks: Checks, batch: Batch) -> None:
    found = checks(replace(batch, manifest_bucket="manifests-absent"))
    assert levels(found, "small/manifests-absent bucket") == ["fail"]


def test_a_spool_without_room_for_one_archive_is_a_warning(checks: Checks, batch: Batch) -> None:
    found = checks(replace(batch, max_size=1 << 60))
    (row,) = found["small spool"]
    assert row["level"] == "warn"
    assert "max_size" in row["message"]
    assert levels(checks(replace(batch, max_size=1 << 60, streaming=True)), "small spool") == ["ok"]
    (row,) = checks(replace(batch, spool_max=1 << 60))["small spool"]
    assert row["level"] == "ok"
    assert "a run seals less than spool_max" in row["message"]


def test_an_index_that_does_not_answer_is_a_failure(checks: Checks, batch: Batch) -> None:
    found = checks(replace(batch, index=Index(url="http://127.0.0.1:9")))
    assert levels(found, "small index") == ["fail"]
    found = checks(replace(batch, index=Index(url="https://127.0.0.1:9", ca_file=batch.root / "nonesuch.pem")))
    assert levels(found, "small index") == ["fail"]


def test_a_lost_endpoint_is_named_once(checks: Checks, batch: Batch) -> None:
    found = checks(replace(batch, s3=S3(endpoint_url="http://127.0.0.1:9")))
    assert levels(found, "small endpoint") == ["fail"]
    assert levels(found, "small bucket") == ["fail"]
