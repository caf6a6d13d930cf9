"""The archiver's runs over one bucket folder: what is packed, what waits, what goes, and what never does."""

from __future__ import annotations

import hashlib
import os
import socket
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.batch_desk import BUCKET, BatchDesk
from support.fake_store import FakeObjects
from support.model_fuse import Trouble
from syncd import events
from syncd.archive.plan import ALONE, BUSY
from syncd.archive.send import write_manifest
from syncd.config.types import S3, Index
from syncd.core.manifest import find_pointer, load
from syncd.core.model import ProofKind
from syncd.core.timeuuid import is_time_uuid, time_uuid
from syncd.engine.pool import Pool
from syncd.errors import ItemError, RemoteError, RemoteKind
from syncd.ports import Capabilities

MakeDesk = Callable[..., BatchDesk]
HOUR = 3600.0
WAITS = {"min_files": 20, "max_age": timedelta(hours=1), "min_age": timedelta(seconds=30)}
UUID = time_uuid(1_700_000_000_000, bytes(10))
AWS = S3()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeDesk]:
    """Make a desk of these settings."""
    desks: list[BatchDesk] = []

    def made(name: str = "desk", **settings: Any) -> BatchDesk:
        desks.append(BatchDesk(tmp_path / name, **settings))
        return desks[-1]

    yield made
    for desk in desks:
        desk.close()


@pytest.fixture
def desk(make: MakeDesk) -> BatchDesk:
    return make()


def folders_of(desk: BatchDesk) -> dict[str, list[str]]:
    """Key folder to the members of its archives, in archive order."""
    found: dict[str, list[str]] = {}
    for key, held in desk.archives().items():
        found.setdefault(key.rpartition("/")[0], []).extend(held)
    return found


# --- what an archive is ------------------------------------------------------------------------------------


def test_small_files_become_one_archive_of_their_key_folder_and_are_gone_from_here(desk: BatchDesk) -> None:
    files = {f"host/2026/{name}": name.encode() * 50 for name in ("b", "a", "C", "ä")}
    for path, body in files.items():
        desk.write(path, body)
    first, second, last = desk.finish()
    assert (first.archives, first.files, first.bytes, first.staged) == (1, 4, 250, 4)
    assert (second.archives, second.unlinked, last.unlinked) == (0, 4, 0)
    (key,) = desk.archives()
    assert key.startswith("host/2026/")
    assert is_time_uuid(key.removeprefix("host/2026/").removesuffix(".tar"))
    assert list(desk.archives()[key].items()) == [(path, files[path]) for path in sorted(files, key=str.encode)]
    assert desk.proven() == Counter(files.items())
    assert (desk.files(), desk.staged(), desk.trash(), desk.spooled()) == ({}, [], [], [])


def test_the_manifest_beside_it_and_within_it_tells_where_each_file_lies(desk: BatchDesk) -> None:
    desk.write("logs/one", b"first")
    desk.write("logs/two", b"second")
    desk.finish()
    (key,) = desk.archives()
    body, manifest = desk.bucket.contents()[key], desk.manifest(key)
    assert manifest["archive"]["bucket"] == BUCKET
    assert manifest["archive"]["key"] == key
    assert manifest["archive"]["url"] == f"http://s3/{BUCKET}/{key}"
    assert manifest["host"] == "desk"
    for member, content in zip(manifest["members"], (b"first", b"second"), strict=True):
        assert body[member["offset"] : member["offset"] + member["size"]] == content
        assert member["sha256"] == hashlib.sha256(content).hexdigest()
    pointer = find_pointer(body[-512:])
    assert pointer is not None
    beside = desk.bucket.contents()[key.removesuffix(".tar") + ".manifest.json"]
    assert body[pointer.offset : pointer.offset + pointer.size] == beside
    assert load(beside).uuid == manifest["archive"]["uuid"]


def test_mtime_mode_and_owner_are_kept(desk: BatchDesk) -> None:
    file = desk.write("logs/one", b"first")
    os.chmod(file, 0o640)
    os.utime(file, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_789))
    owner = file.stat().st_uid
    desk.finish()
    (body,) = (body for key, body in desk.bucket.contents().items() if key.endswith(".tar"))
    (desk.place / "it.tar").write_bytes(body)
    with tarfile.open(desk.place / "it.tar") as tar:
        found = tar.getmember("logs/one")
    assert (found.mode, found.uid, found.mtime) == (0o640, owner, pytest.approx(1_600_000_000.123456789))


def test_the_archive_says_whose_it_is_and_what_it_holds(desk: BatchDesk) -> None:
    desk.write("logs/one", b"first")
    desk.run()
    (archive,) = desk.journal.archives("", limit=9)
    stored = desk.bucket.live(archive.key)
    assert stored is not None
    said = stored.headers.metadata
    assert said["syncd-op"] == archive.operation
    assert said["file-hash"] == archive.sha256 == stored.sha256
    assert said["source-host-id"] == "id-of-desk"
    assert stored.headers.content_type == "application/x-tar"
    assert archive.proof is ProofKind.ETAG
    assert archive.manifest_at == f"s3://{BUCKET}/{archive.key.removesuffix('.tar')}.manifest.json"


def test_small_archives_stay_out_of_the_class_that_bills_128_kb(make: MakeDesk) -> None:
    desk = make(s3=AWS)
    desk.write("small/one", b"1")
    desk.write("big/one", b"1" * 200_000)
    desk.run()
    classes = {key.partition("/")[0]: desk.bucket.live(key).headers.storage_class for key in desk.archives()}  # type: ignore[union-attr]
    assert classes == {"small": "", "big": "STANDARD_IA"}


def test_folders_are_never_mixed(desk: BatchDesk) -> None:
    for path in ("top", "a/one", "a/two", "a/b/three", "ab/four"):
        desk.write(path, path.encode())
    desk.finish()
    assert folders_of(desk) == {
        "": ["top"],
        "a": ["a/one", "a/two"],
        "a/b": ["a/b/three"],
        "ab": ["ab/four"],
    }


def test_an_archive_is_cut_by_size_and_by_number(make: MakeDesk) -> None:
    desk = make(max_size=250, max_files=3)
    for number in range(5):
        desk.write(f"large/{number}", b"x" * 100)
        desk.write(f"many/{number}", b"")
    desk.finish()
    assert sorted((key.partition("/")[0], len(held)) for key, held in desk.archives().items()) == [
        *[("large", 1), ("large", 2), ("large", 2)],
        *[("many", 2), ("many", 3)],
    ]
    assert not desk.files()


def test_many_archives_go_up_at_once(make: MakeDesk) -> None:
    pool = Pool(4)
    try:
        desk = make(pool=pool)
        files = {f"folder-{number}/{name}": f"{number}{name}".encode() for number in range(40) for name in "ab"}
        for path, body in files.items():
            desk.write(path, body)
        desk.finish()
        assert desk.proven() == Counter(files.items())
        assert len(desk.archives()) == 40
        assert not desk.files()
    finally:
        pool.close()


# --- what waits --------------------------------------------------------------------------------------------


def test_a_folder_waits_for_enough_files_or_for_its_age(make: MakeDesk) -> None:
    desk = make(**WAITS)
    for number in range(20):
        desk.write(f"full/{number}", b"x")
    desk.write("few/one", b"1")
    desk.clock.ahead = 60
    first = desk.run()
    assert list(folders_of(desk)) == ["full"]
    assert (first.waiting_files, first.waiting_bytes) == (1, 1)
    desk.clock.ahead = HOUR + 5
    desk.run()
    assert sorted(folders_of(desk)) == ["few", "full"]


def test_a_young_file_waits_and_the_run_says_until_when(make: MakeDesk) -> None:
    desk = make(**WAITS | {"min_files": 1})
    desk.write("logs/one", b"1")
    report = desk.run()
    assert (report.archives, report.waiting_files) == (0, 1)
    assert report.next_due_s == pytest.approx(30, abs=2)
    assert report.oldest_at == pytest.approx(desk.clock.now(), abs=2)


def test_a_person_who_asks_waits_for_no_number(make: MakeDesk) -> None:
    desk = make(**WAITS)
    desk.write("few/one", b"1")
    desk.clock.ahead = 60
    assert desk.run(forced=True).files == 1


def test_a_run_seals_no_more_than_the_spool_takes_and_the_next_goes_on(make: MakeDesk) -> None:
    desk = make(spool_max=60_000)
    for name in "abc":
        desk.write(f"{name}/file", b"x" * 1000)
    first = desk.run()
    assert first.files == 2
    assert first.next_due_s == 0
    desk.finish()
    assert len(desk.proven()) == 3


def test_filters_choose_what_is_archived(make: MakeDesk) -> None:
    desk = make(include=("*.log",), exclude=("private/",))
    desk.write("a/one.log", b"1")
    desk.write("a/two.txt", b"2")
    desk.write("private/three.log", b"3")
    desk.finish()
    assert desk.proven() == Counter({("a/one.log", b"1"): 1})
    assert set(desk.files()) == {"a/two.txt", "private/three.log"}


def test_a_plan_tells_of_each_file_and_changes_nothing(make: MakeDesk) -> None:
    desk = make(**WAITS | {"min_files": 2}, max_size=1000)
    for path, size in (("full/one", 10), ("full/two", 10), ("few/one", 10), ("large", 2000), ("full/open", 10)):
        desk.write(path, b"x" * size)
    desk.clock.ahead = 60
    before = desk.files()
    with desk.holding("full/open"):
        rows = {row.path: (row.action, row.folder) for row in desk.plan()}
    assert rows == {
        "full/one": ("archive", "full"),
        "full/two": ("archive", "full"),
        "full/open": ("leave", ""),
        "few/one": ("wait", "few"),
        "large": ("upload", ""),
    }
    assert desk.files() == before
    assert not desk.spool_path.exists()
    assert not desk.bucket.requests


def test_a_plan_tells_what_is_on_its_way_already(make: MakeDesk) -> None:
    desk = make(max_size=1000)
    desk.write("logs/one", b"1")
    desk.write("large", b"L" * 2000)
    desk.fuse.arm(Trouble(frozenset({"tree.stage"}), 1, True, refuse))
    desk.run()
    rows = {row.path: (row.action, row.reason) for row in desk.plan()}
    assert rows == {"logs/one": ("leave", BUSY), "large": ("leave", ALONE)}


def refuse() -> None:
    raise ItemError("logs/one", "not permitted")


# --- files that are in use, or change ------------------------------------------------------------------------


def test_fifty_files_that_somebody_has_open_stay_and_no_others(desk: BatchDesk) -> None:
    for number in range(120):
        desk.write(f"logs/{number:03}", str(number).encode())
    held = {f"logs/{number:03}" for number in range(0, 100, 2)}
    descriptors = [os.open(desk.folder / path, os.O_RDONLY) for path in held]
    try:
        reports = desk.finish()
        assert set(desk.files()) == held
        assert reports[-1].open == 50
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    desk.finish()
    assert not desk.files()
    assert desk.proven() == Counter({(f"logs/{number:03}", str(number).encode()): 1 for number in range(120)})


def test_a_file_opened_while_its_archive_goes_up_stays_until_it_is_closed(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    held: list[int] = []
    desk.bucket.intervene("put", lambda: held.append(os.open(desk.folder / "logs/one", os.O_RDONLY)))
    report = desk.run()
    assert (report.archives, report.staged, report.open) == (1, 0, 1)
    assert desk.run().open == 1
    assert desk.files() == {"logs/one": b"1"}
    os.close(held[0])
    desk.finish()
    assert not desk.files()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})


def test_a_staged_file_that_somebody_has_open_comes_back_until_it_is_closed(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.run()
    (staged,) = (desk.folder / ".syncd" / "cleaning").iterdir()
    with staged.open("rb"):
        assert desk.run().open == 1
        assert desk.files() == {"logs/one": b"1"}
    desk.finish()
    assert not desk.files()


def test_a_version_written_while_the_archive_goes_up_is_archived_next(desk: BatchDesk) -> None:
    desk.write("logs/one", b"old")
    desk.bucket.intervene("put", lambda: desk.write("logs/one", b"new"))
    report = desk.run()
    assert (report.archives, report.staged, report.kept) == (1, 0, 1)
    assert desk.files() == {"logs/one": b"new"}
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"old"): 1, ("logs/one", b"new"): 1})
    assert not desk.files()


def test_a_version_written_between_the_two_phases_is_archived_next(desk: BatchDesk) -> None:
    desk.write("logs/one", b"old")
    desk.run()
    desk.write("logs/one", b"new")
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"old"): 1, ("logs/one", b"new"): 1})
    assert (desk.files(), desk.staged()) == ({}, [])


def test_a_staged_file_that_was_written_to_comes_back(desk: BatchDesk) -> None:
    written = desk.write("logs/one", b"old").stat()
    desk.run()
    (staged,) = (desk.folder / ".syncd" / "cleaning").iterdir()
    staged.write_bytes(b"new")
    os.utime(staged, ns=(written.st_atime_ns, written.st_mtime_ns))  # its stat tells nothing
    assert desk.run().kept == 1
    assert desk.files() == {"logs/one": b"new"} or desk.proven()["logs/one", b"new"]
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"old"): 1, ("logs/one", b"new"): 1})


def test_a_staged_file_that_was_written_to_goes_to_trash_where_its_place_is_taken(desk: BatchDesk) -> None:
    desk.write("logs/one", b"old")
    desk.run()
    (staged,) = (desk.folder / ".syncd" / "cleaning").iterdir()
    staged.write_bytes(b"late")
    desk.write("logs/one", b"new")
    desk.finish()
    assert desk.trash() == [b"late"]
    assert [row.path for row in desk.database.trash.rows()] == ["logs/one"]
    assert desk.proven() == Counter({("logs/one", b"old"): 1, ("logs/one", b"new"): 1})


def test_an_original_that_somebody_removed_is_no_trouble(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.bucket.intervene("put", (desk.folder / "logs/one").unlink)
    report = desk.run()
    assert (report.archives, report.unlinked, report.errors) == (1, 1, 0)
    assert desk.journal.unfinished(BUCKET) == []


# --- the store -------------------------------------------------------------------------------------------------


def test_what_somebody_else_put_under_our_key_is_left_and_the_files_go_under_another(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")

    def plant() -> None:
        (archive,) = desk.journal.unfinished(BUCKET)
        desk.bucket.plant(archive.key, b"not ours")

    desk.bucket.intervene("put", plant)
    report = desk.run()
    assert (report.archives, report.errors) == (0, 1)
    assert desk.heard.names().count(events.ARCHIVE_FAILED) == 1
    assert desk.files() == {"logs/one": b"1"}
    assert desk.spooled() == []
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})
    assert b"not ours" in desk.bucket.contents().values()


def test_a_lost_answer_is_found_by_the_next_run_and_nothing_is_sent_twice(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.bucket.fail_next("put", RemoteError(RemoteKind.UNAVAILABLE, "no answer"), when="after")
    report = desk.run()
    assert isinstance(report.failure, RemoteError)
    assert report.archives == 0
    assert desk.files() == {"logs/one": b"1"}
    assert len(desk.spooled()) == 1
    second = desk.run()
    assert (second.archives, second.failure) == (1, None)
    assert desk.bucket.requests["put"] == 2  # the archive, and then its manifest
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})


def test_an_endpoint_that_is_down_ends_the_run_and_harms_nothing(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.bucket.down = RemoteError(RemoteKind.UNAVAILABLE, "nobody answers")
    for _ in range(2):
        report = desk.run()
        assert report.failure is desk.bucket.down
    assert desk.files() == {"logs/one": b"1"}
    desk.bucket.down = None
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})


class Liar(FakeObjects):
    """Keeps other bytes than it was given, as long as it lies."""

    lying = True

    def _store(self, key: str, body: bytes, headers: Any, sums: Any, etag: Any = None) -> Any:
        if self.lying and key.endswith(".tar"):
            sums, body = type(sums)(), body[:-1] + bytes([body[-1] ^ 1])
        return super()._store(key, body, headers, sums, etag)


@pytest.mark.parametrize("etag_is_md5", [True, False])
def test_a_store_that_keeps_other_bytes_gets_no_original(make: MakeDesk, *, etag_is_md5: bool) -> None:
    honours = Capabilities(
        put_if_none_match=True, put_if_match=True, delete_if_match=True, etag_is_md5=etag_is_md5, probed_at=1.0
    )
    bucket = Liar(bucket=BUCKET, capabilities=honours)
    desk = make(bucket=bucket)
    desk.write("logs/one", b"1")
    for _ in range(3):
        report = desk.run()
        assert (report.archives, report.errors, report.failure) == (0, 1, None)
    assert desk.files() == {"logs/one": b"1"}
    assert len(desk.archives()) == 1, "the same archive is sent again, not a new one each time"
    bucket.lying = False
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})
    assert not desk.files()


def test_without_checksums_and_md5_the_archive_is_read_back(make: MakeDesk) -> None:
    bucket = FakeObjects(bucket=BUCKET, capabilities=Capabilities(probed_at=1.0))
    desk = make(bucket=bucket)
    desk.write("logs/one", b"1")
    desk.finish()
    (archive,) = desk.journal.archives("", limit=9)
    assert archive.proof is ProofKind.READBACK
    assert bucket.requests["get"] == 2  # the archive and its manifest
    assert not desk.files()


def test_an_archive_in_parts_is_proven_by_its_etag(make: MakeDesk) -> None:
    desk = make()
    desk.write("logs/one", os.urandom(70 << 20))
    report = desk.run()
    (archive,) = desk.journal.archives("", limit=9)
    assert report.errors == 0
    assert archive.etag.endswith("-3")
    assert archive.proof is ProofKind.ETAG
    assert desk.bucket.requests["get"] == 0


def test_an_archive_that_is_gone_before_its_originals_gives_them_back(desk: BatchDesk) -> None:
    files = {"logs/one": b"1", "logs/two": b"2"}
    for path, body in files.items():
        desk.write(path, body)
    desk.run()
    (key,) = desk.archives()
    desk.bucket.take_away(key)
    report = desk.run()
    assert report.errors == 1
    (said,) = desk.heard.of(events.ARCHIVE_MISSING)
    assert (said["key"], said["files"]) == (key, 2)
    desk.finish()
    assert {key: dict(held) for key, held in desk.archives().items()} == {next(iter(desk.archives())): files}
    assert not desk.files()


def test_an_archive_that_was_replaced_gives_its_originals_back(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.run()
    (key,) = desk.archives()
    desk.bucket.plant(key, b"something else")
    desk.run()
    assert desk.heard.names().count(events.ARCHIVE_MISSING) == 1
    assert desk.files() == {"logs/one": b"1"} or desk.staged() == [b"1"]


# --- manifests ---------------------------------------------------------------------------------------------------


def test_manifests_go_to_a_bucket_of_their_own(make: MakeDesk) -> None:
    desk = make(manifest_bucket="manifests")
    desk.write("logs/one", b"1")
    desk.finish()
    (key,) = desk.archives()
    name = f"{BUCKET}/{key.removesuffix('.tar')}.manifest.json"
    assert list(desk.manifests.contents()) == [name]
    assert list(desk.bucket.contents()) == [key]
    (archive,) = desk.journal.archives("", limit=9)
    assert archive.manifest_at == f"s3://manifests/{name}"


def test_a_fallback_manifest_is_written_when_it_is_asked_for(make: MakeDesk) -> None:
    desk = make(manifest="fallback", index=Index(url="http://search"))
    desk.write("logs/one", b"1")
    desk.run()
    (key,) = desk.archives()
    assert list(desk.bucket.contents()) == [key]
    ((queued),) = desk.journal.due(desk.clock.now(), limit=9)
    archive = desk.journal.get(queued.archive.uuid)
    where = write_manifest(desk.world, archive, archive.etag)
    assert where == f"s3://{BUCKET}/{key.removesuffix('.tar')}.manifest.json"
    assert [member["key"] for member in desk.manifest(key)["members"]] == ["logs/one"]
    assert write_manifest(desk.world, archive, archive.etag) == where, "twice is the same"


def test_a_manifest_that_cannot_be_stored_keeps_the_originals(make: MakeDesk) -> None:
    desk = make(manifest_bucket="manifests")
    desk.write("logs/one", b"1")
    desk.manifests.fail_next("put", RemoteError(RemoteKind.REJECTED, "no"), times=1)
    report = desk.run()
    assert (report.archives, report.errors) == (0, 1)
    assert desk.files() == {"logs/one": b"1"}
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})
    assert len(desk.archives()) == 1


# --- files that no archive takes -----------------------------------------------------------------------------------


def test_a_file_over_the_limit_goes_up_alone_and_is_cleaned(make: MakeDesk) -> None:
    desk = make(max_size=1000)
    desk.write("logs/large", b"L" * 2000)
    desk.write("logs/small", b"s")
    reports = desk.finish()
    assert (reports[0].alone, reports[0].alone_bytes) == (1, 2000)
    assert desk.bucket.contents()["logs/large"] == b"L" * 2000
    assert desk.proven() == Counter({("logs/small", b"s"): 1})
    assert (desk.files(), desk.staged()) == ({}, [])
    desk.write("logs/large", b"M" * 3000)
    desk.finish()
    assert desk.bucket.contents()["logs/large"] == b"M" * 3000
    assert not desk.files()


def test_a_large_file_that_somebody_has_open_stays(make: MakeDesk) -> None:
    desk = make(max_size=1000)
    desk.write("large", b"L" * 2000)
    with desk.holding("large"):
        report = desk.run()
        assert (report.alone, report.open) == (0, 1)
    desk.run()
    with desk.holding("large"):
        assert desk.run().open == 1
        assert set(desk.files()) == {"large"}
    desk.finish()
    assert not desk.files()


def test_one_file_that_fails_does_not_keep_the_others(make: MakeDesk) -> None:
    desk = make(max_size=1000)
    desk.write("large", b"L" * 2000)
    desk.write("logs/small", b"s")
    desk.bucket.fail_next("put", RemoteError(RemoteKind.REJECTED, "no such thing"), times=1)
    report = desk.run()
    assert (report.errors, report.alone) == (1, 1)
    desk.finish()
    assert not desk.files()


# --- names -----------------------------------------------------------------------------------------------------------


def test_odd_names_and_contents_are_packed_as_they_are(desk: BatchDesk) -> None:
    files = {
        "a/line\nbreak": b"1",
        "a/" + "n" * 255: b"2",
        "a/empty": b"",
        "a/caf\u00e9": b"one form",
        "a/cafe\u0301": b"another",
        "a/ back\\slash*?[": b"3",
        f"a/{UUID}.tar": b"a user's own",
        f"a/{UUID}.manifest.json": b"{}",
        "a/" + "/".join(["deep" * 20] * 10) + "/file": b"4",
    }
    for path, body in files.items():
        desk.write(path, body)
    (desk.folder / "a" / "nothing" / "in here").mkdir(parents=True)
    desk.finish()
    assert desk.proven() == Counter(files.items())
    assert not desk.files()
    assert (desk.folder / "a" / "nothing" / "in here").is_dir()


def test_sparse_files_and_hard_links_are_packed_whole(desk: BatchDesk) -> None:
    with desk.write("a/sparse", b"").open("r+b") as file:
        file.truncate(3 << 20)
    desk.write("a/first", b"linked")
    os.link(desk.folder / "a/first", desk.folder / "a/second")
    desk.finish()
    assert desk.proven() == Counter(
        {("a/sparse", bytes(3 << 20)): 1, ("a/first", b"linked"): 1, ("a/second", b"linked"): 1}
    )
    assert not desk.files()


def test_what_is_no_file_or_no_key_is_said_once_and_left(desk: BatchDesk) -> None:
    desk.write("a/one", b"1")
    (desk.folder / "a" / "link").symlink_to("one")
    os.mkfifo(desk.folder / "a" / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(desk.folder / "a")
        listener.bind("socket")
        os.chdir("/")
        bad = os.fsencode(desk.folder) + b"/a/\xff"
        with open(bad, "wb"):
            pass
        reports = desk.finish()
    assert reports[0].skipped == 4
    kinds = Counter(fields["kind"] for fields in desk.heard.of(events.FILE_SKIPPED))
    assert kinds == {"symlink": 1, "special": 2, "unrepresentable": 1}
    assert desk.proven() == Counter({("a/one", b"1"): 1})
    assert os.path.exists(bad)


def test_a_path_beyond_what_a_key_holds_is_said_and_one_whose_archive_would_be_goes_alone(desk: BatchDesk) -> None:
    here = os.open(desk.folder, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(22):  # 22 * 200 > 4096
        os.mkdir("d" * 199, dir_fd=here)
        inner = os.open("d" * 199, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = inner
        os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    reports = desk.finish()
    assert reports[0].skipped == 1, "the folder below which no key fits"
    alone = "/".join(["d" * 199] * 5) + "/f"
    assert alone in desk.bucket.contents()
    assert set(desk.proven()) == {("/".join(["d" * 199] * depth) + "/f", b"") for depth in range(1, 5)}


def test_a_clock_that_went_back_an_hour_stops_nobody(make: MakeDesk) -> None:
    desk = make(**WAITS | {"min_files": 1})
    desk.write("logs/one", b"1")
    desk.clock.ahead = -HOUR
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"1"): 1})
    assert not desk.files()


def test_a_bucket_that_does_not_exist_ends_the_run(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.bucket.down = RemoteError(RemoteKind.MISSING, "no such bucket", code="NoSuchBucket")
    assert desk.run().failure is desk.bucket.down
    assert desk.files() == {"logs/one": b"1"}
