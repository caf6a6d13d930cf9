"""A root whose inode numbers do not last: it is read once more, twice at most, and sends nothing again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from support.fake_store import FakeObjects
from support.renumbered import Numbers, Renumbered
from support.small_section import SmallSection, small_section
from syncd import events
from syncd.core.model import Mode
from syncd.local.root import Root
from syncd.ports import LocalTree

FILES = 30


@dataclass
class Mount:
    """The section, and the numbers that its file system gives."""

    small: SmallSection
    numbers: Numbers

    def anew(self) -> None:
        """From now on every file has another number."""
        self.numbers.shift += 1_000

    def run(self) -> dict[str, int]:
        """A pass; the counts that it tells."""
        self.numbers.reads.clear()
        report, _ = self.small.section.run_pass()
        return report.counts

    @property
    def told(self) -> bool:
        """Whether it was said that the numbers are given up."""
        return events.INODES_DROPPED in self.small.said.names()


@pytest.fixture
def mount(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Mount]:
    numbers = Numbers()

    def tree(root: Root) -> LocalTree:
        return cast("LocalTree", Renumbered(root, numbers))

    cleans = getattr(request, "param", False)
    with small_section(tmp_path, bucket=FakeObjects(), tree=tree, mode=Mode.UPLOAD, cleanup=cleans) as small:
        for number in range(FILES):
            file = small.write(f"{number:02}.log", b"%d" % number)
            os.utime(file, (1, 1))
        _rest(small)
        mount = Mount(small, numbers)
        mount.run()
        yield mount


def _rest(small: SmallSection) -> None:
    """Until the files are so old that their stat vouches for them (two seconds)."""
    youngest = max(file.stat().st_ctime for file in small.root.glob("*.log"))
    while time.time() < youngest + 2.1:
        small.stop.wait(0.1)


def test_new_numbers_in_every_pass_are_given_up_and_nothing_is_read_any_more(mount: Mount) -> None:
    writes = len(mount.small.bucket.history())
    for _ in range(2):
        mount.anew()
        mount.run()
        assert len(mount.numbers.reads) == FILES
    assert mount.told
    for _ in range(3):
        mount.anew()
        mount.run()
        assert mount.numbers.reads == []
    assert len(mount.small.bucket.history()) == writes, "a new number is no new content"


def test_new_numbers_once_are_a_backup_that_came_back(mount: Mount) -> None:
    mount.anew()
    mount.run()
    mount.run()
    mount.anew()
    mount.run()
    assert not mount.told


def test_an_edit_is_seen_where_numbers_do_not_last(mount: Mount) -> None:
    for _ in range(3):
        mount.anew()
        mount.run()
    mount.small.write("07.log", b"other")
    mount.anew()
    assert mount.run()["uploaded"] == 1
    assert mount.small.objects()["07.log"] == b"other"


@pytest.mark.parametrize("mount", [True], indirect=True)
def test_files_are_cleaned_where_numbers_do_not_last(mount: Mount) -> None:
    for _ in range(4):
        mount.anew()
        mount.run()
        mount.small.section.open().records.set_renumbered_passes(2)
        mount.small.section.close()
    assert list(mount.small.root.glob("*.log")) == []
    assert len(mount.small.objects()) == FILES
