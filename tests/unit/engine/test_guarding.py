"""Between a plan and its execution: what counts as a removal, who accepts it, and the intent before the batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.config.types import MaxDelete
from syncd.core.model import Deletes, Mode
from syncd.ports import ListPage

FILES = {f"d/{number}": b"body %d" % number for number in range(6)}
THREE = MaxDelete(share=None, count=3)


@pytest.fixture
def in_step(tmp_path: Path) -> LoneHost:
    """Six files on both sides, deletions propagate, and more than three in a pass need a person."""
    host = lone_host(tmp_path / "root", deletes=Deletes.PROPAGATE, max_delete=THREE)
    for path, body in FILES.items():
        host.write(path, body)
    host.write("stays", b"stays")
    host.run()
    assert host.objects() == FILES | {"stays": b"stays"}
    return host


def remove(host: LoneHost, *paths: str) -> None:
    for path in paths:
        (host.host.path / path).unlink()


def rename_all(host: LoneHost) -> dict[str, bytes]:
    os.rename(host.host.path / "d", host.host.path / "moved")
    return {path.replace("d/", "moved/"): body for path, body in FILES.items()}


def test_a_few_deletions_are_carried_over(in_step: LoneHost) -> None:
    remove(in_step, "d/0", "d/1", "d/2")
    assert not in_step.run().report.halted_plan
    assert "d/0" not in in_step.objects()


def test_more_than_the_limit_halts_all_of_them_and_new_files_keep_going_up(in_step: LoneHost) -> None:
    remove(in_step, "d/0", "d/1", "d/2", "d/3")
    in_step.write("new", b"new")
    report = in_step.run().report
    assert report.halted_plan
    assert "4 files" in report.halt_reason
    assert in_step.objects() == FILES | {"stays": b"stays", "new": b"new"}


def test_a_halt_stops_overwrites_too(in_step: LoneHost) -> None:
    remove(in_step, "d/0", "d/1", "d/2", "d/3")
    in_step.write("stays", b"encrypted by somebody")
    in_step.run()
    assert in_step.objects()["stays"] == b"stays"


def test_what_a_person_accepted_goes_and_is_kept_aside(in_step: LoneHost) -> None:
    remove(in_step, "d/0", "d/1", "d/2", "d/3")
    assert in_step.host.records.accept_plan(in_step.run().report.halted_plan)
    assert not in_step.run().report.halted_plan
    assert in_step.objects() == {"d/4": FILES["d/4"], "d/5": FILES["d/5"], "stays": b"stays"}
    kept = {body for key, body in in_step.bucket.contents().items() if key.startswith("p/.syncd/")}
    assert kept >= {FILES[f"d/{number}"] for number in range(4)}


def test_accepting_one_plan_accepts_nothing_newer(in_step: LoneHost) -> None:
    remove(in_step, "d/0", "d/1", "d/2", "d/3")
    plan = in_step.run().report.halted_plan
    assert in_step.host.records.accept_plan(plan)
    in_step.write("d/3", b"written again")
    in_step.run()
    assert in_step.objects()["d/3"] == b"written again"


def test_another_plan_cannot_be_accepted_by_its_old_name(in_step: LoneHost) -> None:
    remove(in_step, "d/0", "d/1", "d/2", "d/3")
    old = in_step.run().report.halted_plan
    remove(in_step, "d/4")
    assert in_step.run().report.halted_plan != old
    assert not in_step.host.records.accept_plan(old)


def test_a_renamed_folder_is_no_mass_deletion(in_step: LoneHost) -> None:
    moved = rename_all(in_step)
    assert not in_step.run().report.halted_plan
    assert in_step.objects() == moved | {"stays": b"stays"}


def test_a_renamed_folder_that_the_watcher_sent_already_is_none_either(in_step: LoneHost) -> None:
    moved = rename_all(in_step)
    for path in moved:
        in_step.host.run_hot(path)
    assert not in_step.run().report.halted_plan
    assert in_step.objects() == moved | {"stays": b"stays"}


def test_a_rename_whose_new_name_went_as_well_is_a_deletion(in_step: LoneHost) -> None:
    moved = rename_all(in_step)
    for path in moved:
        in_step.host.run_hot(path)
    remove(in_step, *moved)
    assert in_step.run().report.halted_plan


def test_a_file_with_two_names_loses_both_by_deletions(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", deletes=Deletes.PROPAGATE, max_delete=THREE)
    host.write("stays", b"stays")
    for number in range(3):
        host.write(f"a{number}", b"body %d" % number)
        os.link(host.host.path / f"a{number}", host.host.path / f"b{number}")
    host.run()
    remove(host, *(f"{letter}{number}" for letter in "ab" for number in range(3)))
    assert host.run().report.halted_plan


# --- the intent ---------------------------------------------------------------------------------------------


def generation(host: LoneHost) -> int:
    """What the root's marker says; the database says the same."""
    marker = host.host.root.marker()
    assert marker is not None
    assert marker.generation == host.host.records.generation()
    return marker.generation


def test_a_batch_of_removals_is_announced_in_the_database_and_the_root(in_step: LoneHost) -> None:
    before = generation(in_step)
    remove(in_step, "d/0")
    in_step.run()
    assert generation(in_step) == before + 1
    in_step.run()
    assert generation(in_step) == before + 1


def test_accepted_removals_are_announced_also_where_newer_ones_halt(in_step: LoneHost) -> None:
    """A database restored from before this batch must be known as such, whoever let the batch through."""
    remove(in_step, "d/0", "d/1", "d/2", "d/3")
    assert in_step.host.records.accept_plan(in_step.run().report.halted_plan)
    before = generation(in_step)
    for number in range(4):
        in_step.write(f"e/{number}", b"other %d" % number)
        in_step.host.run_hot(f"e/{number}")
    remove(in_step, *(f"e/{number}" for number in range(4)))
    assert in_step.run().report.halted_plan
    assert "d/0" not in in_step.objects()
    assert "e/0" in in_step.objects()
    assert generation(in_step) == before + 1


def test_where_the_root_cannot_be_marked_nothing_is_removed(in_step: LoneHost) -> None:
    (in_step.host.path / ".syncd" / "root.json").unlink()
    remove(in_step, "d/0")
    in_step.write("d/1", b"edited")
    in_step.run()
    assert in_step.objects()["d/0"] == FILES["d/0"]
    assert in_step.objects()["d/1"] == b"edited"


# --- a side that was not seen -------------------------------------------------------------------------------


class HalfListed(FakeObjects):
    """A bucket of which one first component failed to be listed."""

    failed = ""

    @property
    def incomplete(self) -> frozenset[str]:
        return frozenset({self.failed}) if self.failed else frozenset()

    def list(self, prefix: str) -> Iterator[ListPage]:
        for page in super().list(prefix):
            kept = [row for row in page.objects if not (self.failed and row.key.startswith(f"p/{self.failed}/"))]
            yield replace(page, objects=kept)


@pytest.mark.parametrize("mode", [Mode.BIDIRECTIONAL, Mode.DOWNLOAD])
@pytest.mark.parametrize("deletes", list(Deletes))
def test_nothing_follows_from_what_is_absent_where_the_listing_failed(
    tmp_path: Path, mode: Mode, deletes: Deletes
) -> None:
    host = lone_host(tmp_path / "root", bucket=HalfListed, mode=mode, deletes=deletes)
    for path, body in FILES.items():
        host.bucket.plant(f"p/{path}", body)
    host.bucket.plant("p/other/a", b"a")
    host.run()
    assert host.files() == FILES | {"other/a": b"a"}
    assert isinstance(host.bucket, HalfListed)
    host.bucket.failed = "d"
    steps = host.run().steps
    assert [path for path, _ in steps if path.startswith("d/")] == []
    assert host.files() == FILES | {"other/a": b"a"}
    host.bucket.failed = ""
    host.run()
    assert host.objects() == FILES | {"other/a": b"a"}


def test_a_root_that_lost_everything_halts(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", deletes=Deletes.PROPAGATE, capabilities=EVERYTHING)
    for path, body in FILES.items():
        host.write(path, body)
    host.run()
    remove(host, *FILES)
    assert "empty" in host.run().report.halt_reason
    assert host.objects() == FILES
