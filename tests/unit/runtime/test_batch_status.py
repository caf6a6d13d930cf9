"""What status tells of a batch, and when that is a reason to worry."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from varlink.scanner import Interface

from support.small_batch import SmallBatch, lost, small_batch
from support.stub_daemon import status_row
from syncd.archive.report import Problem, RunReport
from syncd.config.types import Index
from syncd.errors import ConfigError, ItemError
from syncd.ports import ArchiveIndex
from syncd.runtime.batch_status import batch_health, batch_row
from syncd.runtime.forced_batch import batch_cycle
from syncd.runtime.once_batch import exit_of_batch
from syncd.runtime.run_report import batch_run_report
from syncd.workers.batch_report import BatchReport, Left
from syncd.workers.waiting import Waiting
from syncwire import names
from syncwire.descriptions import descriptions
from syncwire.exits import Exit

HOUR_S = 3600.0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallBatch]:
    with small_batch(tmp_path, "lab-one", interval=timedelta(minutes=5), max_age=timedelta(hours=1)) as made:
        yield made


def health(small: SmallBatch, *, later_s: float = 0.0) -> tuple[list[str], list[str]]:
    now = small.clock.now()
    return batch_health(small.section, now + later_s, now)


def test_a_batch_that_did_nothing_yet_is_well(small: SmallBatch) -> None:
    row = batch_row(small.section, transferring=False)
    assert row["last_run"] is None
    assert row["last_success_at"] is None
    assert row["index"] == {"state": "off", "queued": 0, "dead": 0, "error": None}
    assert row["folders"] == []
    assert health(small) == ([], [])


def test_its_row_counts_what_is_archived_what_waits_and_what_is_still_here(small: SmallBatch) -> None:
    small.write("lab-one/d/a.log", b"12345")
    small.round("force")
    young = small.write("lab-one/e/young.log", b"123")
    small.section.look()
    row = batch_row(small.section, transferring=True)
    assert (row["archived_files"], row["archives"], row["unlinking"]) == (1, 1, 1)
    assert (row["waiting_files"], row["waiting_bytes"]) == (1, 3)
    assert row["state"] == "transferring"
    assert row["last_run"]["archived"] == 1
    assert row["last_run"]["bytes_up"] == 5
    assert row["folders"] == [{"bucket": "lab-one", "state": "idle", "reason": None}]
    young.unlink()
    small.section.run()
    assert batch_row(small.section, transferring=False)["unlinking"] == 0


def test_what_is_told_of_it_is_described_on_the_wire(small: SmallBatch) -> None:
    small.write("lab-one/d/a.log", b"12345")
    small.write("absent/d/a.log", b"12345")
    small.round("force")
    described = Interface(descriptions()[names.INTERFACE])
    row = {**batch_row(small.section, transferring=False), "oldest_unprotected_seconds": 1.5}
    answers = {
        "Status": status_row(batches=[row]),
        "ForceSync": {"cycles": [batch_cycle(small.section)], "missing": [], "exit_code": 0},
    }
    for method, answer in answers.items():
        reply = described.filter_params("reply", described.get_method(method).out_type, False, answer, None)
        assert reply == without_nulls(answer)


def without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def test_a_folder_that_waits_degrades_with_its_reason_once(small: SmallBatch) -> None:
    small.write("absent/a.log")
    small.write("No Bucket!/a.log")
    small.section.run()
    failing, degraded = health(small)
    assert failing == []
    assert [reason.rpartition(": ")[0] for reason in degraded if "waits" not in reason] == [
        'small: No Bucket!: "No Bucket!" is no bucket name',
        "small: absent",
    ]
    small.write("lab-one/a.log")
    small.section.run()
    assert health(small, later_s=2 * HOUR_S)[0] != [], "long ago"


def test_a_batch_without_success_is_failing_after_a_while(small: SmallBatch) -> None:
    small.endpoint.fail(lost())
    small.section.run()
    assert health(small) == ([], ["small: memory is unavailable"])
    failing, _ = health(small, later_s=901)
    assert failing == ["small had no success for 15 min: memory is unavailable"]


def test_a_long_interval_is_no_lack_of_success(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", interval=timedelta(hours=6)) as small:
        small.section.run()
        assert health(small, later_s=7 * HOUR_S) == ([], [])
        assert health(small, later_s=19 * HOUR_S)[0] != []


def test_a_paused_batch_is_no_reason_to_worry(small: SmallBatch) -> None:
    small.section.pause(float("inf"))
    small.write("lab-one/a.log")
    small.section.look()
    assert health(small, later_s=9 * HOUR_S) == ([], [])


def test_a_halted_batch_is_failing(small: SmallBatch, tmp_path: Path) -> None:
    small.root.rename(tmp_path / "away")
    small.section.run()
    (reason,) = health(small)[0]
    assert reason.startswith(f"small is halted: {small.root}")


def test_a_full_spool_degrades(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", room=0) as small:
        small.write("lab-one/a.log")
        small.section.run()
        (reason,) = health(small)[1]
        assert reason.startswith("small: lab-one/spool: ")


def test_a_file_that_waits_longer_than_it_should_degrades(small: SmallBatch) -> None:
    small.section.run()
    small.write("lab-one/a.log")
    small.section.look()
    small.section.last_success_at = small.clock.now() + 2 * HOUR_S
    assert health(small, later_s=HOUR_S) == ([], [])
    (reason,) = health(small, later_s=2 * HOUR_S)[1]
    assert reason.startswith("small: the oldest file that is not archived waits for 7")


def test_an_index_that_is_down_degrades_and_says_that_nothing_is_lost(tmp_path: Path) -> None:
    trouble = [ConfigError(["elasticsearch.ca_file: no such file"])]

    def searched() -> ArchiveIndex | None:
        if trouble:
            raise trouble[0]
        return Silent()

    with small_batch(tmp_path, "lab-one", searched=searched, index=Index(url="http://127.0.0.1:1")) as small:
        small.write("lab-one/a.log")
        small.section.run()
        small.section.feed_index()
        (reason,) = health(small)[1]
        assert "no such file" in reason
        assert "1 archives wait for it, nothing is lost" in reason
        trouble.clear()
        assert small.section.feed_index().health.value == "ok", "what it lacked has come: no restart is needed"
        assert health(small) == ([], [])


class Silent:
    """An index that takes everything."""

    def prepare(self) -> None: ...

    def add(self, documents):  # type: ignore[no-untyped-def]
        from syncd.ports import Receipt, Taken

        return [Receipt(id=each.id, taken=Taken.DONE) for each in documents]

    def find(self, pattern: str, *, limit: int) -> list[object]:
        return []

    def close(self) -> None: ...


# --- the run report and the exit code ----------------------------------------------------------------------------


def report(**changed: object) -> BatchReport:
    folder = RunReport(folder="small/lab", started_at=1.0, duration_s=1.0, **changed)  # type: ignore[arg-type]
    return BatchReport(started_at=1.0, duration_s=2.0, folders=(folder,))


def test_the_run_report_has_the_fields_of_a_pairs(small: SmallBatch) -> None:
    from dataclasses import replace

    from syncd.config.types import S3, Pair
    from syncd.runtime.run_report import run_report

    pair = Pair(name="small", local=small.root, bucket="b", prefix="", s3=S3())
    waiting = Waiting(files=3, bytes=30)
    told = batch_run_report(
        small.section.batch, report(archives=2, files=5, bytes=50, alone=1, alone_bytes=20), waiting, now=0.0, dry=False
    )
    like = run_report(pair, None, None, now=0.0, dry=False)
    assert {name: type(value) for name, value in told.items() if name in like} == {
        name: type(value) for name, value in like.items()
    }
    assert (told["files_synced"], told["bytes_transferred"], told["s3_objects"]) == (6, 70, 3)
    assert (told["source_size_bytes"], told["waiting_files"], told["status"]) == (100, 3, "success")
    failed = replace(report(), failure=lost(), folders=())
    told = batch_run_report(small.section.batch, failed, waiting, now=0.0, dry=False)
    assert (told["status"], told["errors"]) == ("failed", [{"path": "", "error": "memory is unavailable"}])


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"waiting_files": 9}, "success", Exit.OK),
        ({"open": 1}, "partial", Exit.TEMPORARY),
        ({"errors": 1, "problems": (Problem(where="a", reason="unreadable"),)}, "partial", Exit.ITEMS_FAILED),
    ],
)
def test_what_waits_by_the_rules_is_no_failure(
    small: SmallBatch, changed: dict[str, object], status: str, code: Exit
) -> None:
    told = batch_run_report(small.section.batch, report(**changed), Waiting(), now=0.0, dry=False)
    assert told["status"] == status
    assert exit_of_batch(report(**changed)) is code


def test_a_folder_that_was_left_and_a_file_that_failed_stand_in_the_report(small: SmallBatch) -> None:
    from dataclasses import replace

    problem = Problem(where="d/a", reason="unreadable")
    some = replace(report(errors=1, problems=(problem,)), left=(Left(bucket="absent", reason="no bucket"),))
    told = batch_run_report(small.section.batch, some, Waiting(), now=0.0, dry=False)
    assert told["errors"] == [
        {"path": "absent/", "error": "no bucket"},
        {"path": "lab/d/a", "error": "unreadable"},
    ]
    assert exit_of_batch(some) is Exit.ITEMS_FAILED
    assert exit_of_batch(replace(some, failure=ItemError("x", "broken"))) is Exit.FAILED


def test_two_runs_are_told_as_one() -> None:
    first = report(archives=2, files=5, bytes=50, staged=5, unlinking=5, waiting_files=7, open=1)
    then = report(unlinked=5, waiting_files=2)
    both = first.followed_by(then)
    assert (
        both.counts | {"archives": 2, "archived": 5, "unlinked": 5, "staged": 0, "waiting": 2, "open": 0} == both.counts
    )
    assert both.duration_s == 4.0
    assert both.bytes_up == 50
