"""Where restored files may go: what the daemon may write, what the caller means, and nothing that is archived again."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from support.anybody import said_by_anybody
from syncd.control.port import BadRequest
from syncd.errors import SyncdError
from syncd.local.root import Root
from syncd.runtime.destination import Destinations

PROPOSAL = Path("/var/lib/syncd/restored")


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    root = tmp_path / "batch"
    root.mkdir()
    return root


@pytest.fixture
def destinations(taken: Path) -> Destinations:
    return Destinations(lambda: [(taken, "batch small would archive it again")], proposal=PROPOSAL)


def view_of(path: Path, *, told: Path | None = None) -> str:
    seen = path.stat()
    return f"{seen.st_dev}:{seen.st_ino}:{told or path}"


def test_a_folder_that_may_be_written_is_taken(destinations: Destinations, tmp_path: Path) -> None:
    assert destinations.check(str(tmp_path), view_of(tmp_path)) == tmp_path
    assert destinations.check(f"{tmp_path}/new/./deeper/", view_of(tmp_path)) == tmp_path / "new/deeper"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("to", ["", "back", "./back", "/tmp/\0"])
def test_a_folder_is_named_from_the_root_on(destinations: Destinations, to: str) -> None:
    with pytest.raises(BadRequest, match="no absolute path"):
        destinations.check(to, None)


@pytest.mark.parametrize("below", ["", "lab", "lab/deeper"])
def test_nothing_is_restored_to_where_it_would_be_archived_again(
    destinations: Destinations, taken: Path, below: str
) -> None:
    with pytest.raises(BadRequest, match="batch small would archive it again") as refused:
        destinations.check(str(taken / below), None)
    assert refused.value.hint == f"try --to {PROPOSAL}"


def test_nor_by_a_detour(destinations: Destinations, taken: Path, tmp_path: Path) -> None:
    (tmp_path / "detour").symlink_to(taken)
    for to in (tmp_path / "detour/lab", tmp_path / "x/../batch"):
        with pytest.raises(BadRequest, match="archive it again"):
            destinations.check(str(to), None)


def test_a_folder_that_the_daemon_sees_otherwise_is_refused(destinations: Destinations, tmp_path: Path) -> None:
    for view in (view_of(tmp_path, told=Path("/")), view_of(tmp_path, told=tmp_path / "hidden")):
        with pytest.raises(SyncdError, match="the daemon sees another") as refused:
            destinations.check(str(tmp_path), view)
        assert "PrivateTmp" in refused.value.hint
        assert str(PROPOSAL) in refused.value.hint


@pytest.mark.parametrize("view", ["", "x", "1:2", "1:2:tmp", "a:b:/", "-1:2:/"])
def test_a_view_that_is_none_is_no_view(destinations: Destinations, tmp_path: Path, view: str) -> None:
    with pytest.raises(BadRequest, match="DEVICE:INODE:PATH"):
        destinations.check(str(tmp_path), view)


def test_a_file_in_the_way_of_the_folder_is_said(destinations: Destinations, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for to in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(SyncdError, match="cannot take restored files"), destinations.open(to):
            pass


def test_it_is_made_and_left_with_the_files_alone(destinations: Destinations, tmp_path: Path) -> None:
    back = tmp_path / "a/b"
    with destinations.open(back) as root:
        assert isinstance(root, Root)
        assert (back / ".syncd/tmp").is_dir()
    assert list(back.iterdir()) == []


def test_the_last_of_two_callers_tidies_up(destinations: Destinations, tmp_path: Path) -> None:
    with destinations.open(tmp_path) as outer:
        with destinations.open(tmp_path):
            pass
        with outer.temporary() as temporary:
            temporary.write(b"still possible")
    assert not (tmp_path / ".syncd").exists()


def test_what_a_killed_restore_left_is_gone_after_the_next(destinations: Destinations, tmp_path: Path) -> None:
    (tmp_path / ".syncd/tmp").mkdir(parents=True)
    (tmp_path / ".syncd/tmp/0123").write_bytes(b"half")
    with destinations.open(tmp_path):
        pass
    assert not (tmp_path / ".syncd").exists()


def test_a_synced_root_keeps_its_own_partial_files(destinations: Destinations, tmp_path: Path) -> None:
    (tmp_path / ".syncd/tmp").mkdir(parents=True)
    (tmp_path / ".syncd/tmp/0123").write_bytes(b"somebody writes it")
    (tmp_path / ".syncd/root.json").write_text('{"uuid": "a", "generation": 0}')
    with destinations.open(tmp_path):
        pass
    assert (tmp_path / ".syncd/tmp/0123").exists()


TRY = """
import sys
from pathlib import Path
from syncd.errors import SyncdError
from syncd.runtime.destination import Destinations
destinations = Destinations(list, proposal=Path("/var/lib/syncd/restored"))
try:
    destinations.check(sys.argv[1], None)
except SyncdError as error:
    print(error)
"""


@pytest.mark.parametrize("below", ["", "new/deeper"])
def test_a_folder_that_the_daemons_user_may_not_write_is_said_with_its_name(tmp_path: Path, below: str) -> None:
    tmp_path.chmod(0o555)
    try:
        said = said_by_anybody(TRY, tmp_path / below)
    finally:
        tmp_path.chmod(0o755)
    user = pwd.getpwuid(os.geteuid()).pw_name
    assert said == (
        f"{tmp_path / below} cannot take restored files: it may not write to {tmp_path}; the daemon runs as {user} "
        "(try --to /var/lib/syncd/restored)\n"
    )
