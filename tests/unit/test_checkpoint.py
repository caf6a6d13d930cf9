"""A checkpoint tells its points to whoever listens, and costs nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncd import checkpoint


@pytest.fixture
def heard() -> Iterator[list[str]]:
    names: list[str] = []
    checkpoint.arm(names.append)
    yield names
    checkpoint.arm(None)


def test_both_points_are_told_in_order(heard: list[str]) -> None:
    with checkpoint.S3_PUT:
        heard.append("the call")
    assert heard == ["s3.put.before", "the call", "s3.put.after"]


def test_a_call_that_raised_has_no_point_after_it(heard: list[str]) -> None:
    with pytest.raises(OSError, match="full"), checkpoint.LOCAL_SYNC_FILE:
        raise OSError("full")
    assert heard == ["local.sync_file.before"]


def test_nobody_listens_unless_asked() -> None:
    with checkpoint.STORE_COMMIT:
        pass


def test_one_may_stand_in_another(heard: list[str]) -> None:
    with checkpoint.LOCAL_RENAME, checkpoint.LOCAL_RENAME:
        pass
    assert heard == ["local.rename.before", "local.rename.before", "local.rename.after", "local.rename.after"]
