"""A renamed file: copied on the server where a copy can be pinned to its source, sent where it cannot."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING
from support.lone_host import LoneHost, lone_host
from syncd.core.model import Deletes, Mode
from syncd.ports import Capabilities

BODY = b"a line that moves house\n"


def renamed(
    tmp_path: Path, deletes: Deletes, mode: Mode = Mode.UPLOAD, capabilities: Capabilities = EVERYTHING
) -> LoneHost:
    """A host whose one file was sent as old.log and is called new.log now; requests are counted from here on."""
    host = lone_host(tmp_path / "root", mode=mode, deletes=deletes, capabilities=capabilities)
    host.write("old.log", BODY)
    host.run()
    (host.host.path / "old.log").rename(host.host.path / "new.log")
    host.bucket.requests.clear()
    return host


@pytest.mark.parametrize("deletes", [Deletes.KEEP, Deletes.LEAVE])
def test_where_deletions_stay_here_the_old_key_stays_and_no_bytes_are_sent(tmp_path: Path, deletes: Deletes) -> None:
    host = renamed(tmp_path, deletes)
    host.run()
    host.run()
    assert host.objects() == {"old.log": BODY, "new.log": BODY}
    assert (host.bucket.requests["put"], host.bucket.requests["copy"]) == (0, 1)
    assert host.files() == {"new.log": BODY}


def test_where_they_propagate_the_old_key_goes_under_its_etag_and_is_kept_aside(tmp_path: Path) -> None:
    host = renamed(tmp_path, Deletes.PROPAGATE)
    host.run()
    host.run()
    assert host.objects() == {"new.log": BODY}
    assert host.bucket.requests["put"] == 0
    aside = [key for key in host.bucket.contents() if key.startswith("p/.syncd/trash/")]
    assert len(aside) == 1


def test_where_a_copy_cannot_be_pinned_the_file_is_sent(tmp_path: Path) -> None:
    host = renamed(tmp_path, Deletes.LEAVE, capabilities=replace(EVERYTHING, copy_if_match=False))
    host.run()
    assert host.objects() == {"old.log": BODY, "new.log": BODY}
    assert (host.bucket.requests["put"], host.bucket.requests["copy"]) == (1, 0)


def test_a_file_of_the_old_ones_inode_and_time_with_other_bytes_is_sent(tmp_path: Path) -> None:
    host = renamed(tmp_path, Deletes.LEAVE)
    file = host.host.path / "new.log"
    before = file.stat()
    file.write_bytes(BODY.upper())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    host.run()
    assert host.objects() == {"old.log": BODY, "new.log": BODY.upper()}
    assert host.bucket.requests["copy"] == 0
