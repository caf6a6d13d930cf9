"""The state folder and the socket: where each is looked for, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.config.locate import find_socket, find_state_dir, locate
from syncd.config.types import Config, Daemon
from syncd.errors import ConfigError

STATE_STEPS = [
    ({"STATE_DIRECTORY": "/var/lib/syncd:/var/lib/more", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/var/lib/syncd"),
    ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/syncd"),
    ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/syncd"),
    ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/syncd"),
]
SOCKET_STEPS = [
    ({"RUNTIME_DIRECTORY": "/run/syncd:/run/more", "XDG_RUNTIME_DIR": "/run/user/1"}, "/run/syncd/control"),
    ({"XDG_RUNTIME_DIR": "/run/user/1"}, "/run/user/1/syncd/control"),
    ({"XDG_RUNTIME_DIR": "relative"}, "/state/control"),
    ({}, "/state/control"),
]


@pytest.mark.parametrize(("environ", "expected"), STATE_STEPS)
def test_the_state_folder_by_variables(environ: dict[str, str], expected: str) -> None:
    assert find_state_dir(flag=None, configured=None, environ=environ) == Path(expected)


def test_a_flag_comes_before_the_file_and_both_before_variables() -> None:
    environ = {"STATE_DIRECTORY": "/v", "RUNTIME_DIRECTORY": "/r"}
    config = Config(daemon=Daemon(state_dir=Path("/c"), socket=Path("/c/sock")))
    places = locate(config, environ)
    assert (places.state_dir, places.socket) == (Path("/c"), Path("/c/sock"))
    places = locate(config, environ, state_dir=Path("/f"), socket=Path("/f/sock"))
    assert (places.state_dir, places.socket) == (Path("/f"), Path("/f/sock"))


def test_a_relative_flag_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    places = locate(Config(), {}, state_dir=Path("state"), socket=Path("sock"))
    assert (places.state_dir, places.socket) == (tmp_path / "state", tmp_path / "sock")


def test_no_home_is_a_problem_with_a_hint() -> None:
    with pytest.raises(ConfigError) as caught:
        find_state_dir(flag=None, configured=None, environ={"HOME": ""})
    assert "--state-dir" in caught.value.hint


@pytest.mark.parametrize(("environ", "expected"), SOCKET_STEPS)
def test_the_socket_by_variables(environ: dict[str, str], expected: str) -> None:
    assert find_socket(flag=None, configured=None, environ=environ, state_dir=Path("/state")) == Path(expected)


def test_a_socket_path_has_107_bytes_at_most() -> None:
    fits = Path("/" + "é" * 53)
    assert find_socket(flag=fits, configured=None, environ={}, state_dir=Path("/s")) == fits
    with pytest.raises(ConfigError) as caught:
        find_socket(flag=None, configured=None, environ={}, state_dir=Path("/" + "s" * 99))
    assert "108 bytes" in caught.value.problems[0]
    assert "--socket" in caught.value.hint
