"""The socket's file: how it is made, what stands in its way, and its end."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from support.anybody import said_by_anybody
from syncd.control.endpoint import MAX_PATH, listening
from syncd.errors import ConfigError, FatalError


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_without_a_group_the_socket_is_for_its_owner_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        with listening(folder / "control", group=None):
            assert mode(folder / "control") == 0o600
    finally:
        os.umask(before)


def test_with_a_group_the_group_may_open_it(folder: Path) -> None:
    with listening(folder / "control", group=os.getgid()):
        assert mode(folder / "control") == 0o660
        assert (folder / "control").lstat().st_gid == os.getgid()


def test_a_group_that_cannot_be_given_leaves_it_to_the_owner(folder: Path) -> None:
    foreign = max(os.getgroups(), default=0) + 4711
    assert said_by_anybody(LISTEN, folder / "control", str(foreign)) == f"0o600 {os.getegid()}\n"


LISTEN = """
import sys
from pathlib import Path
from syncd.control.endpoint import listening
path = Path(sys.argv[1])
with listening(path, group=int(sys.argv[2])):
    seen = path.lstat()
    print(oct(seen.st_mode & 0o7777), seen.st_gid)
"""


def test_the_file_is_gone_afterwards(folder: Path) -> None:
    with listening(folder / "control", group=None):
        pass
    assert list(folder.iterdir()) == []


def test_a_file_that_is_no_longer_ours_stays(folder: Path) -> None:
    path = folder / "control"
    with listening(path, group=None):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


def test_a_missing_folder_is_made(folder: Path) -> None:
    with listening(folder / "syncd" / "control", group=None):
        assert mode(folder / "syncd") == 0o700


def test_a_stale_socket_is_replaced(folder: Path) -> None:
    path = folder / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with listening(path, group=None), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_living_socket_is_left_alone(folder: Path) -> None:
    path = folder / "control"
    with listening(path, group=None):
        with pytest.raises(FatalError, match="another daemon answers"), listening(path, group=None):
            pass
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_file_that_is_no_socket_is_left_alone(folder: Path) -> None:
    path = folder / "control"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="no socket"), listening(path, group=None):
        pass
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_is_a_configuration_error(folder: Path) -> None:
    path = folder / ("x" * MAX_PATH)
    with pytest.raises(ConfigError, match="bytes, and a Unix socket takes 107"), listening(path, group=None):
        pass


def test_the_longest_path_serves(folder: Path) -> None:
    path = folder / ("x" * (MAX_PATH - len(os.fsencode(folder)) - 1))
    with listening(path, group=None), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_folder_that_cannot_be_is_a_configuration_error(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"), listening(folder / "file" / "control", group=None):
        pass
