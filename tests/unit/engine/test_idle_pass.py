"""What costs nothing: what was left for good, and the names that could not be seen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from support.lone_host import LoneHost, lone_host
from support.model_records import MemoryRecords
from syncd.core.model import Deletes, Mode, Record
from syncd.core.paths import RelPath
from syncd.engine.sight import Sight


class Counting(MemoryRecords):
    """Records that count how often one of them is looked up: a path that is settled at a glance never is."""

    looks = 0

    def get(self, path: RelPath) -> Record | None:
        self.looks += 1
        return super().get(path)


def counting(root: Path, **settings: object) -> LoneHost:
    host = lone_host(root, **settings)
    host.host.records = Counting(host.host.fuse.through)
    host.host.restart()
    return host


def looks_of_a_pass(host: LoneHost) -> int:
    records = host.host.records
    assert isinstance(records, Counting)
    records.looks = 0
    host.bucket.requests.clear()
    assert host.run().steps == []
    assert dict(host.bucket.requests) == {"list": 1}
    return records.looks


@pytest.mark.parametrize("deletes", [Deletes.KEEP, Deletes.LEAVE])
def test_files_rotated_away_in_an_upload_pair_cost_no_look(tmp_path: Path, deletes: Deletes) -> None:
    host = counting(tmp_path / "root", mode=Mode.UPLOAD, deletes=deletes)
    for number in range(30):
        host.write(f"f{number}", b"%d" % number)
    host.run()
    host.run()
    assert looks_of_a_pass(host) == 0
    for number in range(30):
        (host.host.path / f"f{number}").unlink()
    host.run()
    assert looks_of_a_pass(host) == 0
    assert len(host.objects()) == 30


@pytest.mark.parametrize("deletes", [Deletes.KEEP, Deletes.LEAVE])
def test_objects_that_expired_in_a_download_pair_cost_no_look(tmp_path: Path, deletes: Deletes) -> None:
    host = counting(tmp_path / "root", mode=Mode.DOWNLOAD, deletes=deletes)
    for number in range(30):
        host.bucket.plant(f"p/f{number}", b"%d" % number)
    host.run()
    for number in range(30):
        host.bucket.take_away(f"p/f{number}")
    for _ in range(2):
        host.run()
    assert looks_of_a_pass(host) == 0
    assert len(host.files()) == 30


def test_a_file_that_is_back_after_it_was_rotated_away_goes_up(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD)
    host.write("f", b"1")
    host.run()
    (host.host.path / "f").unlink()
    host.run()
    host.write("f", b"2")
    host.run()
    assert host.objects() == {"f": b"2"}


def test_what_lies_at_or_below_a_name_that_could_not_be_seen_is_blind_and_nothing_else_is() -> None:
    sight = Sight()
    assert not sight.is_blind("a")
    sight.blind.update({"a/b", "c"})
    for path, blind in {"a": False, "a/b": True, "a/b/x/y": True, "a/bc": False, "a/c": False, "c": True}.items():
        assert sight.is_blind(path) is blind, path


def test_a_hundred_thousand_blind_names_slow_no_question_down() -> None:
    sight = Sight()
    sight.blind.update(f"node_modules/.bin/link{number}" for number in range(100_000))
    began = time.process_time()
    for number in range(1000):
        assert not sight.is_blind(f"z/{number}")
    assert time.process_time() - began < 1.0
