"""A folder that stands where a file is to be is seen before a byte is fetched for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.lone_host import PREFIX, lone_host


@pytest.mark.parametrize("inside", ["empty/deeper", ".syncd"])
def test_an_object_whose_name_is_a_folder_of_nothing_to_sync_is_not_fetched_each_pass(
    tmp_path: Path, inside: str
) -> None:
    lone = lone_host(tmp_path)
    (tmp_path / "a" / inside).mkdir(parents=True)
    lone.bucket.plant(f"{PREFIX}a", b"a file there")
    for _ in range(2):
        passed = lone.run()
        assert (passed.steps, passed.report.shown["unrepresentable"]) == ([], 1)
    assert lone.bucket.requests["get"] == 0
    assert (tmp_path / "a" / inside).is_dir()


def test_an_empty_folder_gives_way(tmp_path: Path) -> None:
    lone = lone_host(tmp_path)
    (tmp_path / "a").mkdir()
    lone.bucket.plant(f"{PREFIX}a", b"a file there")
    lone.run()
    assert lone.files() == {"a": b"a file there"}
