"""A conflict copy can be edited like any file: its name is then taken, and the same conflict finds another one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from support.lone_host import PREFIX, lone_host
from syncd.core.model import ConflictPolicy, HashType, Mode
from syncd.core.paths import RelPath, conflict_name


@pytest.mark.parametrize("hash", HashType)
def test_a_conflict_whose_name_is_taken_by_other_content_is_settled_under_further_digits(
    tmp_path: Path, hash: HashType
) -> None:
    lone = lone_host(tmp_path, mode=Mode.UPLOAD, conflict=ConflictPolicy.REMOTE, hash=hash)
    lone.write("a.log", b"ours")
    lone.bucket.plant(f"{PREFIX}a.log", b"theirs")
    lone.run()
    (copy,) = lone.objects().keys() - {"a.log"}
    lone.bucket.plant(f"{PREFIX}{copy}", b"the copy, edited")
    lone.host.records.drop_all()
    lone.run()
    (other,) = lone.objects().keys() - {"a.log", copy}
    assert lone.objects() == {"a.log": b"theirs", copy: b"the copy, edited", other: b"ours"}
    assert other.startswith("a.conflict-")
    before = dict(lone.bucket.requests)
    assert lone.run().steps == []
    assert lone.bucket.requests["put"] == before["put"]
    lone.host.records.drop_all()
    lone.run()
    assert len(lone.objects()) == 3


def test_where_every_name_is_taken_nothing_is_overwritten_and_the_file_stays(tmp_path: Path) -> None:
    lone = lone_host(tmp_path, mode=Mode.UPLOAD, conflict=ConflictPolicy.REMOTE, hash=HashType.MD5)
    lone.write("a", b"ours")
    lone.bucket.plant(f"{PREFIX}a", b"theirs")
    digest = hashlib.md5(b"ours").hexdigest()
    for further in (0, 12):
        lone.bucket.plant(PREFIX + conflict_name(RelPath("a"), digest[further:]), b"somebody's")
    before = lone.objects()
    lone.run()
    assert lone.objects() == before
    assert lone.files() == {"a": b"ours"}
