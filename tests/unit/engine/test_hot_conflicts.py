"""A hot file whose object changed meanwhile: settled at once, for the next pass may be long in coming."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.lone_host import lone_host
from syncd.core.model import ConflictPolicy, KeepVersions

THEIRS, OURS = b"what another host wrote\n", b"what was closed here\n"


@pytest.mark.parametrize("conflict", list(ConflictPolicy))
def test_a_version_that_meets_a_conflict_on_the_hot_path_needs_no_pass_to_be_safe(
    tmp_path: Path, conflict: ConflictPolicy
) -> None:
    host = lone_host(tmp_path / "root", conflict=conflict, keep_versions=KeepVersions.ALL)
    host.write("a.log", b"what both had\n")
    host.run()
    host.bucket.plant("p/a.log", THEIRS)
    host.write("a.log", OURS)
    host.host.run_hot("a.log")
    host.write("a.log", b"the next edit, before any pass\n")
    kept = {*host.host.everything().values(), *host.bucket.contents().values()}
    assert OURS in kept
    assert THEIRS in kept
