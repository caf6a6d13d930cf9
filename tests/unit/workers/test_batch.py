"""A batch over several bucket folders: what concerns one of them stops no other, what concerns all is said once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.anybody import said_by_anybody
from support.small_batch import SmallBatch, lost, no_such_bucket, small_batch
from syncd import events
from syncd.core.archive import ArchiveState
from syncd.core.timeuuid import time_uuid
from syncd.errors import ConfigError, PairHalted, RemoteError, RemoteKind
from syncd.ports import ArchiveIndex

CREATE = "there is no bucket of this name (create it, or rename the folder to the bucket that is meant)"


AS_ANYBODY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.small_batch import small_batch
with small_batch(Path(sys.argv[2]), "lab-one", "lab-two", "lab-six") as small:
    for bucket in ("lab-one", "lab-two", "lab-six"):
        small.write(bucket + "/a.log")
    (small.root / "lab-one").chmod(0o500)
    (small.root / "lab-two").chmod(0o300)
    small.section.run()
    for bucket, reason in small.reasons().items():
        print(bucket, reason)
    print(small.archives("lab-six"))
    (small.root / "lab-one").chmod(0o700)
    (small.root / "lab-two").chmod(0o700)
    small.section.run()
    print(small.reasons(), small.archives("lab-one"), small.archives("lab-two"))
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallBatch]:
    with small_batch(tmp_path, "lab-one", "lab-two") as made:
        yield made


# --- every folder is a world of its own ---------------------------------------------------------------------


def test_each_folder_goes_to_the_bucket_it_is_named_for(small: SmallBatch) -> None:
    small.write("lab-one/runs/a.log")
    small.write("lab-two/a.log")
    small.write("lab-two/deep/er/b.log")
    report = small.section.run()
    assert (report.counts["archives"], report.counts["archived"], report.through) == (3, 3, True)
    assert small.archives("lab-one") == ["runs"]
    assert small.archives("lab-two") == ["", "deep/er"]
    assert small.here() == []
    assert (small.staged("lab-one"), small.staged("lab-two")) == (1, 2)
    assert small.section.run().counts["unlinked"] == 3
    assert (small.staged("lab-one"), small.staged("lab-two")) == (0, 0)
    assert small.section.state == "idle"
    assert small.section.last_success_at is not None


def test_a_folder_whose_bucket_is_not_there_waits_and_the_others_go_on(small: SmallBatch) -> None:
    small.write("absent/a.log")
    small.write("lab-two/a.log")
    for _ in range(3):
        small.section.run()
    assert small.reasons() == {"absent": CREATE}
    assert small.archives("lab-two") == [""]
    assert small.here() == ["absent/a.log"]
    assert small.section.state == "idle"
    assert small.section.last_error == f"absent: {CREATE}"
    said = small.said.of(events.FILE_SKIPPED)
    assert [(each["path"], each["kind"]) for each in said] == [("absent/", "bucket")], "once, not each time"
    small.endpoint.make("absent")
    small.section.run()
    assert small.reasons() == {}
    assert small.archives("absent") == [""]
    assert small.section.last_error == ""


def test_a_bucket_that_vanishes_later_leaves_its_folder_waiting(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.section.run()
    small.write("lab-one/b.log")
    small.write("lab-two/b.log")
    small.endpoint.buckets["lab-one"].down = no_such_bucket("lab-one")
    report = small.section.run()
    assert small.reasons() == {"lab-one": CREATE}
    assert small.archives("lab-two") == [""]
    assert report.failure is None
    assert "lab-one/b.log" in small.here()


def test_a_folder_that_can_be_no_bucket_waits_with_a_reason(small: SmallBatch) -> None:
    for name in ("No Bucket!", "höhe", "a\nb"):
        small.write(f"{name}/a.log")
    small.write("lab-one/a.log")
    small.section.run()
    assert set(small.reasons()) == {"No Bucket!", "höhe", "a\nb"}
    assert all("is no bucket name" in reason for reason in small.reasons().values())
    assert small.archives("lab-one") == [""]
    assert small.endpoint.asked == ["lab-one", "lab-two"], "nobody asks for such buckets"
    assert not (small.root / "No Bucket!" / ".syncd").exists()


def test_on_aws_a_name_has_to_be_one_of_aws(tmp_path: Path) -> None:
    from syncd.config.types import S3

    with small_batch(tmp_path, "lab-one", s3=S3()) as small:
        for name in ("Capital", "under_score", "ab", "1.2.3.4"):
            small.write(f"{name}/a.log")
        small.section.run()
        assert set(small.reasons()) == {"Capital", "under_score", "ab", "1.2.3.4"}


def test_what_lies_beside_the_folders_and_what_is_hidden_is_nobodys(small: SmallBatch) -> None:
    small.write("stray.log")
    small.write(".hidden/a.log")
    (small.root / "lost+found").mkdir()
    (small.root / "link").symlink_to(small.root / "lab-one")
    for _ in range(2):
        small.section.run()
    said = [(each["path"], each["kind"]) for each in small.said.of(events.FILE_SKIPPED)]
    assert said == [("link", "symlink"), ("stray.log", "file")], "once each, and nothing of what is hidden"
    assert small.here() == [".hidden/a.log", "stray.log"]
    assert [each.bucket for each in small.section.folders()] == ["lab-one", "lab-two"]
    assert small.section.buckets() == ["lab-one", "lab-two"]


def test_a_folder_without_permission_waits_and_the_others_go_on(tmp_path: Path) -> None:
    said = said_by_anybody(AS_ANYBODY, Path(__file__).parents[2], tmp_path / "theirs")
    first, second, others, mended = said.splitlines()
    assert first.startswith("lab-one ")
    assert "may not be written, so that what is archived could not be removed there" in first
    assert second.startswith("lab-two ")
    assert others == "['']"
    assert mended == "{} [''] ['']"


def test_a_folder_made_anew_under_the_same_name_is_another_one_and_goes_on(small: SmallBatch) -> None:
    small.write("lab-one/a.log", b"first")
    small.section.run()
    shutil.rmtree(small.root / "lab-one")
    small.write("lab-one/a.log", b"second")
    small.section.run()
    small.section.run()
    assert small.archives("lab-one") == ["", ""]
    assert small.here() == []
    assert small.reasons() == {}


def test_a_folder_that_is_gone_is_forgotten(small: SmallBatch) -> None:
    small.section.run()
    (small.root / "lab-two" / ".syncd" / "root.json").unlink()
    shutil.rmtree(small.root / "lab-two")
    small.section.run()
    assert [each.bucket for each in small.section.folders()] == ["lab-one"]


def test_an_archive_in_the_spool_whose_folder_is_gone_is_told_of_and_sent_when_it_is_back(small: SmallBatch) -> None:
    small.write("lab-one/a.log", b"only here")
    small.endpoint.buckets["lab-one"].intervene("put", lambda: small.endpoint.fail(lost(), "lab-one"))
    small.section.run()
    (sealed,) = small.section.store.unfinished("lab-one")
    assert sealed.state is ArchiveState.SEALED
    small.endpoint.mend()
    shutil.rmtree(small.root / "lab-one")
    report = small.section.run()
    assert [each.bucket for each in report.left] == ["lab-one"]
    assert "wait in the spool: make the folder again" in report.left[0].reason
    (small.root / "lab-one").mkdir()
    small.section.run()
    assert small.archives("lab-one") == [""]
    assert small.reasons() == {}


# --- what concerns all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state", "event"),
    [
        (lost(), "unreachable", events.ENDPOINT_LOST),
        (lost(RemoteKind.THROTTLED), "throttled", events.ENDPOINT_LOST),
        (lost(RemoteKind.EXPIRED), "auth-expired", events.CREDENTIALS_EXPIRED),
        (lost(RemoteKind.DENIED, code="InvalidAccessKeyId"), "unreachable", events.ENDPOINT_LOST),
    ],
)
def test_a_lost_endpoint_is_the_state_of_the_batch_said_once(
    small: SmallBatch, error: RemoteError, state: str, event: str
) -> None:
    small.section.run()
    small.write("lab-one/a.log")
    small.write("lab-two/a.log")
    small.endpoint.fail(error)
    for _ in range(3):
        assert small.section.run().failure is error
    assert small.section.state == state
    assert small.reasons() == {}
    assert len(small.said.of(event)) == 1
    small.endpoint.mend()
    assert small.section.run().through
    assert small.section.state == "idle"
    assert len(small.said.of(events.ENDPOINT_FOUND)) == 1
    assert small.section.last_error == ""


def test_a_lost_endpoint_is_not_asked_for_every_folder_and_the_next_run_begins_where_this_one_gave_up(
    tmp_path: Path,
) -> None:
    names = [f"lab-{letter}" for letter in "abcdef"]
    with small_batch(tmp_path, *names) as small:
        small.endpoint.fail(lost())
        small.section.run()
        assert small.endpoint.asked == ["lab-a", "lab-b"]
        small.section.run()
        assert small.endpoint.asked[2:] == ["lab-c", "lab-d"]
        small.endpoint.mend()
        small.endpoint.asked.clear()
        small.section.run()
        assert small.endpoint.asked == ["lab-e", "lab-f", "lab-a", "lab-b", "lab-c", "lab-d"]


def test_one_bucket_that_cannot_be_reached_by_itself_is_its_folders_own(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.write("lab-two/a.log")
    small.endpoint.fail(lost(code="DNS"), "lab-one")
    report = small.section.run()
    assert report.failure is None
    assert small.reasons() == {"lab-one": "memory is unavailable"}
    assert small.archives("lab-two") == [""]
    assert small.section.state == "idle"


def test_a_bucket_that_denies_is_its_folders_own(small: SmallBatch) -> None:
    small.write("lab-two/a.log")
    small.endpoint.fail(lost(RemoteKind.DENIED, code="AccessDenied"), "lab-one")
    assert small.section.run().failure is None
    assert small.reasons() == {"lab-one": "memory is denied"}
    assert small.archives("lab-two") == [""]


def test_a_missing_root_halts_it_until_it_is_back(small: SmallBatch, tmp_path: Path) -> None:
    small.root.rename(tmp_path / "away")
    for _ in range(2):
        assert isinstance(small.section.run().failure, PairHalted)
    assert small.section.state == "halted"
    assert str(small.root) in small.section.last_error
    assert len(small.said.of(events.PAIR_HALTED)) == 1
    assert small.section.buckets() == []
    (tmp_path / "away").rename(small.root)
    assert small.section.run().through
    assert small.section.state == "idle"


def test_a_spool_that_cannot_be_used_halts_it(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.spool.parent.mkdir()
    small.spool.write_text("in the way")
    report = small.section.run()
    assert isinstance(report.failure, PairHalted)
    assert str(small.spool) in str(report.failure)
    assert small.here() == ["lab-one/a.log"]
    small.spool.unlink()
    assert small.section.run().through


def test_a_stop_leaves_the_rest_for_later(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.transfers_stop.drain()
    report = small.section.run()
    assert report.stopped
    assert not report.through
    assert small.section.last_success_at is None
    assert small.here() == ["lab-one/a.log"]


# --- what an earlier process left -------------------------------------------------------------------------------


def test_what_was_staged_for_an_archive_is_kept_at_a_start_and_what_is_unknown_goes_to_the_trash(
    tmp_path: Path,
) -> None:
    with small_batch(tmp_path, "lab-one") as small:
        small.write("lab-one/a.log", b"archived")
        small.section.run()
        assert small.staged("lab-one") == 1
        ours = small.root / "lab-one" / ".syncd"
        (ours / "cleaning" / ("0" * 64)).write_bytes(b"nobody knows")
        (ours / "tmp").mkdir(exist_ok=True)
        (ours / "tmp" / "torn").write_bytes(b"half of")
        bucket = small.endpoint.buckets["lab-one"]
    with small_batch(tmp_path, "lab-one") as again:
        again.endpoint.buckets["lab-one"] = bucket
        assert again.section.run().counts["unlinked"] == 1
        assert again.staged("lab-one") == 0
        trash = [path.read_bytes() for path in (ours / "trash").iterdir()]
        assert trash == [b"nobody knows"]
        assert list((ours / "tmp").iterdir()) == []


# --- settings and plan ------------------------------------------------------------------------------------------


def test_other_settings_are_used_from_the_next_run_on(small: SmallBatch) -> None:
    small.section.reconfigure(replace(small.section.batch, min_files=3, exclude=("*.tmp",)))
    small.section.run()
    small.write("lab-one/a.log", age_s=5)
    small.write("lab-one/b.tmp", age_s=5)
    assert small.section.run().counts["archived"] == 1, "max_age is over"
    assert small.here() == ["lab-one/b.tmp"]


def test_another_root_is_opened_anew(small: SmallBatch, tmp_path: Path) -> None:
    small.section.run()
    other = tmp_path / "other"
    (other / "lab-two").mkdir(parents=True)
    (other / "lab-two" / "b.log").write_bytes(b"b")
    small.section.reconfigure(replace(small.section.batch, root=other))
    small.section.run()
    assert small.archives("lab-two") == [""]
    assert [each.bucket for each in small.section.folders()] == ["lab-two"]


def test_the_plan_tells_of_files_and_of_folders_that_wait_and_changes_nothing(small: SmallBatch) -> None:
    small.write("lab-one/d/a.log", b"12345")
    small.write("absent/a.log")
    small.write("No Bucket!/a.log")
    rows = [(bucket, row.path, row.action, row.size) for bucket, row in small.section.plan()]
    assert rows == [
        ("No Bucket!", "", "wait", 0),
        ("absent", "", "wait", 0),
        ("lab-one", "d/a.log", "archive", 5),
    ]
    assert small.endpoint.buckets["lab-one"].contents() == {}
    assert small.endpoint.asked == [], "a look probes nothing"
    assert small.here() == ["No Bucket!/a.log", "absent/a.log", "lab-one/d/a.log"]


def test_a_plan_that_nobody_can_make_says_why(small: SmallBatch) -> None:
    small.endpoint.fail(lost())
    with pytest.raises(RemoteError):
        list(small.section.plan())


def test_any_bucket_of_the_endpoint_can_be_read(small: SmallBatch) -> None:
    small.endpoint.make("elsewhere").plant("k", b"content")
    assert small.section.objects("elsewhere").head("k") is not None
    with pytest.raises(RemoteError, match="absent does not exist"):
        small.section.objects("absent").head("k")


# --- the index --------------------------------------------------------------------------------------------------


def test_without_an_index_nothing_waits_for_one(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.section.run()
    assert small.section.feed_index().health.value == "off"
    assert small.section.index is None


def test_an_index_that_cannot_be_used_is_shown_and_stops_nothing(tmp_path: Path) -> None:
    from syncd.config.types import Index

    def unusable() -> ArchiveIndex | None:
        raise ConfigError(["elasticsearch.ca_file: no such file"])

    settings = {"index": Index(url="http://127.0.0.1:1"), "manifest": "fallback"}
    with small_batch(tmp_path, "lab-one", searched=unusable, **settings) as small:
        small.write("lab-one/d/a.log")
        small.section.run()
        state = small.section.feed_index()
        assert (state.health.value, state.queued) == ("down", 1)
        assert "no such file" in state.error
        assert small.section.run().counts["unlinked"] == 1, "an unlink never waits for it"
        manifests = [key for key in small.endpoint.buckets["lab-one"].contents() if key.endswith(".manifest.json")]
        assert len(manifests) == 1, "the manifest stands in for the documents"
        (archive,) = small.section.store.archives("", limit=9)
        assert archive.manifest_at == f"s3://lab-one/{manifests[0]}"


def test_a_manifest_bucket_takes_the_manifests_of_every_folder(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one", "lab-two", manifest_bucket="manifests") as small:
        small.write("lab-one/d/a.log")
        small.write("lab-two/a.log")
        report = small.section.run()
        assert set(small.reasons()) == {"lab-one", "lab-two"}
        assert not report.through
        assert small.here() == ["lab-one/d/a.log", "lab-two/a.log"]
        manifests = small.endpoint.make("manifests")
        assert small.section.run().through
        names = sorted(key.rpartition("/")[0] for key in manifests.contents())
        assert names == ["lab-one/d", "lab-two"]
        assert small.endpoint.asked.count("manifests") == 3, "asked in vain for each, then once for both"


def test_a_time_ordered_name_in_the_spool_that_nobody_knows_is_swept(small: SmallBatch) -> None:
    small.write("lab-one/a.log")
    small.section.run()
    torn = small.spool / f"{time_uuid(1_750_000_000_000, bytes(10))}.tar"
    torn.write_bytes(b"half of it")
    (small.spool / "notes.txt").write_text("somebody's")
    small.section.run()
    assert sorted(os.listdir(small.spool)) == ["notes.txt"]
