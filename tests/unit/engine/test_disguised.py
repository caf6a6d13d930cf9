"""Other bytes under the old size, time and inode: whoever did it, the object that gives way is kept."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from support.lone_host import LoneHost, lone_host
from syncd.core.model import LocalState, Mode
from syncd.core.paths import RelPath

PATH = RelPath("a.log")
GOOD = b"what was measured\n"
ROTTEN = b"what was m?asured\n"


def rot(host: LoneHost) -> None:
    """The bytes change in place; size, time and inode stay."""
    file = host.host.path / PATH
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(ROTTEN)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def rot_unseen(host: LoneHost) -> None:
    """The same by the disk alone: not even the time of the last change moves (which a test cannot hold back)."""
    rot(host)
    record = host.host.records.get(PATH)
    now = host.host.root.lstat(PATH)
    assert record is not None
    assert now is not None
    host.host.records._rows[PATH] = replace(record, stat=now)


def kept_aside(host: LoneHost) -> list[bytes]:
    return [body for key, body in host.bucket.contents().items() if key.startswith("p/.syncd/trash/")]


def test_bytes_that_changed_under_an_old_time_go_up_and_the_object_is_kept_aside(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD)
    host.write(PATH, GOOD)
    host.run()
    rot(host)
    host.run()
    assert host.objects() == {PATH: ROTTEN}
    assert kept_aside(host) == [GOOD]


def test_a_disk_that_rots_does_not_cost_the_good_object_where_the_pair_cleans(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, cleanup=True)
    host.write(PATH, GOOD)
    host.run()
    rot_unseen(host)
    for _ in range(6):
        host.run()
    assert GOOD in host.bucket.contents().values()
    assert ROTTEN in [*host.bucket.contents().values(), *host.host.everything().values()]


def test_an_ordinary_edit_keeps_nothing_aside(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD)
    host.write(PATH, GOOD)
    host.run()
    host.write(PATH, ROTTEN)
    host.run()
    assert host.objects() == {PATH: ROTTEN}
    assert kept_aside(host) == []
    record = host.host.records.get(PATH)
    assert record is not None
    assert record.local is LocalState.PRESENT
