"""Where the client looks for the socket, and what its exit codes mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncwire import names
from syncwire.client import NotRunning, connect
from syncwire.exits import GRAVITY, Exit, gravest, of_error
from syncwire.places import candidates


def test_a_flag_is_the_only_place() -> None:
    assert list(candidates("/tmp/s", {"SYNCTL_SOCKET": "/tmp/t"})) == ["/tmp/s"]


def test_the_variable_comes_after_the_flag() -> None:
    assert list(candidates(None, {"SYNCTL_SOCKET": "/tmp/t"})) == ["/tmp/t"]


def test_without_either_the_list_is_that_of_the_daemon(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/7", "STATE_DIRECTORY": "/var/lib/x"}
    assert list(candidates(None, environ, config=str(tmp_path / "none"))) == [
        "/run/syncd/control",
        "/run/a/control",
        "/run/user/7/syncd/control",
        "/var/lib/x/control",
    ]


def test_the_configuration_names_a_socket_and_a_state_folder(tmp_path: Path) -> None:
    config = tmp_path / "syncd.toml"
    config.write_text('[daemon]\nsocket = "/srv/s"\nstate_dir = "/srv/state"\n')
    found = list(candidates(None, {"STATE_DIRECTORY": "/var/lib/x"}, config=str(config)))
    assert found == ["/run/syncd/control", "/srv/s", "/srv/state/control"]


@pytest.mark.parametrize("text", ["[daemon", "daemon = 3", "[daemon]\nsocket = 7", "\udcff"])
def test_a_configuration_that_cannot_be_read_is_passed_over(tmp_path: Path, text: str) -> None:
    config = tmp_path / "syncd.toml"
    config.write_bytes(text.encode("utf-8", "surrogateescape"))
    found = list(candidates(None, {"XDG_STATE_HOME": "/home/a/.state"}, config=str(config)))
    assert found == ["/run/syncd/control", "/home/a/.state/syncd/control"]


def test_nobody_there_names_every_place_that_was_tried(tmp_path: Path) -> None:
    places = [str(tmp_path / "a"), str(tmp_path / ("b" * 300))]
    with pytest.raises(NotRunning) as caught:
        connect(places)
    assert caught.value.tried == places


def test_the_gravest_code_wins() -> None:
    assert [gravest(GRAVITY[index:]) for index in range(len(GRAVITY))] == list(GRAVITY)
    assert list(GRAVITY) == [78, 7, 1, 10, 4, 5, 6, 0]
    assert gravest([]) is Exit.OK


def test_errors_of_the_wire_have_exit_codes() -> None:
    codes = {name: of_error(name) for name in (names.NOT_FOUND, names.BAD_REQUEST, names.HALTED, names.BUSY)}
    assert codes == {names.NOT_FOUND: 1, names.BAD_REQUEST: 2, names.HALTED: 7, names.BUSY: 5}
