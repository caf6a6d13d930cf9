"""Every method of the table, tried by users of every kind: the list is the code's own, so a new one is tried too."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control_socket import EventList, serve
from support.stub_daemon import StubDaemon
from syncd import events
from syncd.control.methods import METHODS
from syncd.control.server import Groups
from syncwire import names

NOBODY = 65534
READERS, ADMINS, STRANGERS = 54321, 54322, 54323

ASK = """
import json, os, socket, sys
path, uid, gid, groups, calls = sys.argv[1], *map(json.loads, sys.argv[2:])
os.setgroups(groups); os.setgid(gid); os.setuid(uid)
sock = socket.socket(socket.AF_UNIX)
try:
    sock.connect(path)
except PermissionError:
    print(json.dumps("no entry")); raise SystemExit
answers = {}
for method, parameters in calls.items():
    sock.sendall(json.dumps({"method": "io.syncd." + method, "parameters": parameters}).encode() + b"\\0")
    frame = b""
    while not frame.endswith(b"\\0"):
        frame += sock.recv(65536)
    answers[method] = json.loads(frame[:-1]).get("error", "ok")
print(json.dumps(answers))
"""

GIVEN: dict[str, Any] = {"keep": "both", "level": "info", "keys": ["lab/a"], "wait": False}
"""Values for parameters that take no plain text; every other one that must be there is "logs"."""

CALLS = {
    name: {each: GIVEN.get(each, "logs") for each, takes in method.takes.items() if takes.required}
    for name, method in sorted(METHODS.items())
}
LOOKING = {name for name, method in METHODS.items() if not method.changes}
CHANGING = set(METHODS) - LOOKING


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sr") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def asked(path: Path, *, uid: int, gid: int, groups: list[int]) -> Any:
    """The outcome of every method for a process of that user."""
    words = [json.dumps(each) for each in (uid, gid, groups, CALLS)]
    command = [sys.executable, "-I", "-S", "-c", ASK, str(path), *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd="/")
    return json.loads(ran.stdout)


@pytest.mark.root
@pytest.mark.parametrize(
    ("uid", "gid", "groups"),
    [(NOBODY, NOBODY, [READERS]), (NOBODY, READERS, []), (NOBODY, NOBODY, [READERS, STRANGERS])],
)
def test_who_may_only_look_gets_every_answer_and_changes_nothing(
    folder: Path, uid: int, gid: int, groups: list[int]
) -> None:
    daemon, seen = StubDaemon(), EventList()
    with serve(daemon, folder, groups=Groups(readers=READERS, admins=ADMINS), events=seen) as server:
        answers = asked(server.path, uid=uid, gid=gid, groups=groups)
    assert {name for name, answer in answers.items() if answer == names.PERMISSION_DENIED} == CHANGING
    assert {name for name, answer in answers.items() if answer == "ok"} == LOOKING
    assert daemon.told == []
    assert [what[0] for what in daemon.archives.asked if what[0] in {"restore", "reindex"}] == []
    refused = [fields for event, fields in seen.emitted if event == events.REQUEST_REFUSED]
    assert [(each["method"], each["uid"]) for each in refused] == [(name, uid) for name in sorted(CHANGING)]


@pytest.mark.root
@pytest.mark.parametrize(
    ("uid", "gid", "groups"), [(NOBODY, NOBODY, [READERS, ADMINS]), (NOBODY, ADMINS, [READERS]), (0, 0, [])]
)
def test_who_may_change_may_do_all_of_it(folder: Path, uid: int, gid: int, groups: list[int]) -> None:
    daemon, seen = StubDaemon(), EventList()
    with serve(daemon, folder, groups=Groups(readers=READERS, admins=ADMINS), events=seen) as server:
        answers = asked(server.path, uid=uid, gid=gid, groups=groups)
    assert set(answers) == set(METHODS)
    assert set(answers.values()) == {"ok"}
    assert seen.names() == []
    assert len(daemon.told) + len([what for what in daemon.archives.asked if what[0] in {"restore", "reindex"}]) == len(
        CHANGING
    )


@pytest.mark.root
@pytest.mark.parametrize("groups", [[], [STRANGERS], [ADMINS]])
def test_who_is_not_of_the_group_gets_not_even_a_connection(folder: Path, groups: list[int]) -> None:
    daemon = StubDaemon()
    with serve(daemon, folder, groups=Groups(readers=READERS, admins=ADMINS)) as server:
        assert asked(server.path, uid=NOBODY, gid=NOBODY, groups=groups) == "no entry"
    assert daemon.told == []
