"""The control socket as the outside meets it: another client, other users, synctl in processes of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import varlink

from support.control_socket import EventList, Raw, serve, until
from support.stub_daemon import PLAN_ROW, StubDaemon, pair_row, status_row
from syncd import events
from syncd.control.connection import Patience
from syncd.control.server import ControlServer, Groups

NOBODY = 65534
READERS, ADMINS = 54321, 54322
PATIENT = Patience(farewell=2.0)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sc") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def daemon() -> StubDaemon:
    return StubDaemon()


@pytest.fixture
def server(daemon: StubDaemon, folder: Path) -> Iterator[ControlServer]:
    with serve(daemon, folder, patience=PATIENT) as server:
        yield server


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in {"SYNCTL_SOCKET", "NO_COLOR", "COLUMNS"}}
    return {**kept, "PYTHONUTF8": "1", **more}


def synctl(server: ControlServer | Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = server.path if isinstance(server, ControlServer) else server
    command = [sys.executable, "-m", "synctl", "--socket", str(path), *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, env=environment(**more), check=False, encoding="utf-8"
    )


# --- the protocol, driven by the varlink package ---------------------------------------------------------------


def varlink_cli(*words: str) -> str:
    command = [sys.executable, "-W", "ignore", "-m", "varlink.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def test_the_varlink_client_lists_our_interfaces(server: ControlServer) -> None:
    info = varlink_cli("info", f"unix:{server.path}")
    assert "Product: syncd" in info
    assert "Version: 0.3.0" in info
    assert [line.strip() for line in info.splitlines()[-2:]] == ["org.varlink.service", "io.syncd"]


def test_the_varlink_client_reads_our_description(server: ControlServer) -> None:
    assert "method ForceSync(" in varlink_cli("help", f"unix:{server.path}/io.syncd")


def test_the_varlink_client_calls_status(server: ControlServer, daemon: StubDaemon) -> None:
    assert json.loads(varlink_cli("call", f"unix:{server.path}/io.syncd.Status", "{}")) == daemon.answer


def test_the_varlink_client_streams_progress(server: ControlServer, daemon: StubDaemon) -> None:
    daemon.progress_rows = [{"pair": "logs", "pending_files": 1}]
    told = varlink_cli("call", "-m", f"unix:{server.path}/io.syncd.ForceSync", '{"wait": false}')
    assert json.loads("[" + told.replace("}\n{", "},{") + "]") == [
        {"progress": {"pair": "logs", "pending_files": 1}},
        {"cycles": [], "exit_code": 0, "missing": []},
    ]


def test_the_varlink_library_calls_streams_and_gets_our_errors(server: ControlServer, daemon: StubDaemon) -> None:
    daemon.plan_rows = [{**PLAN_ROW, "path": str(index)} for index in range(3000)]
    with varlink.Client(f"unix:{server.path}") as client, client.open("io.syncd") as connection:
        assert connection.Version()["version"] == "0.3.0"
        pages = list(connection.Plan("logs", _more=True))
        assert [row["path"] for page in pages for row in page["rows"]] == [str(index) for index in range(3000)]
        assert len(pages) > 1
        with pytest.raises(varlink.VarlinkError) as caught:
            connection.Pause(name="nope")
        assert caught.value.error() == "io.syncd.NotFound"


# --- other users -------------------------------------------------------------------------------------------------

ASK = """
import json, os, socket, sys
os.setgroups(json.loads(sys.argv[2])); os.setgid(int(sys.argv[3])); os.setuid(int(sys.argv[4]))
sock = socket.socket(socket.AF_UNIX)
try:
    sock.connect(sys.argv[1])
except PermissionError:
    print(json.dumps("no entry")); raise SystemExit
answers = []
for method in ("io.syncd.Version", "io.syncd.Pause"):
    sock.sendall(json.dumps({"method": method}).encode() + b"\\0")
    frame = b""
    while not frame.endswith(b"\\0"):
        frame += sock.recv(4096)
    answers.append(json.loads(frame[:-1]).get("error", "ok"))
print(json.dumps(answers))
"""


def asked_as(server: ControlServer, *, uid: int, gid: int, groups: list[int]) -> Any:
    command = [sys.executable, "-I", "-S", "-c", ASK, str(server.path), json.dumps(groups), str(gid), str(uid)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True, cwd="/")
    return json.loads(ran.stdout)


@pytest.mark.root
@pytest.mark.parametrize(
    ("uid", "gid", "groups", "answers"),
    [
        (NOBODY, NOBODY, [], "no entry"),
        (NOBODY, NOBODY, [ADMINS], "no entry"),
        (NOBODY, NOBODY, [READERS], ["ok", "io.syncd.PermissionDenied"]),
        (NOBODY, READERS, [], ["ok", "io.syncd.PermissionDenied"]),
        (NOBODY, NOBODY, [READERS, ADMINS], ["ok", "ok"]),
        (NOBODY, ADMINS, [READERS], ["ok", "ok"]),
        (NOBODY, NOBODY, [READERS, *range(60000, 60200), ADMINS], ["ok", "ok"]),
        (0, 0, [], ["ok", "ok"]),
    ],
)
def test_the_kernel_says_who_may_look_and_who_may_change(
    daemon: StubDaemon, folder: Path, uid: int, gid: int, groups: list[int], answers: Any
) -> None:
    seen = EventList()
    with serve(daemon, folder, groups=Groups(readers=READERS, admins=ADMINS), events=seen) as server:
        assert asked_as(server, uid=uid, gid=gid, groups=groups) == answers
    refused = "io.syncd.PermissionDenied" in answers
    assert seen.names() == ([events.REQUEST_REFUSED] if refused else [])
    assert daemon.told == ([("pause", None, None)] if answers == ["ok", "ok"] else [])


@pytest.mark.root
def test_without_the_group_only_the_owner_gets_in(daemon: StubDaemon, folder: Path) -> None:
    with serve(daemon, folder, groups=Groups()) as server:
        assert asked_as(server, uid=NOBODY, gid=NOBODY, groups=[READERS]) == "no entry"


# --- clients that misbehave ------------------------------------------------------------------------------------------


def test_junk_floods_and_hanging_clients_do_not_delay_status(daemon: StubDaemon, folder: Path) -> None:
    with serve(daemon, folder, clients=16) as server:
        bad = [socket.socket(socket.AF_UNIX) for _ in range(60)]
        try:
            for index, sock in enumerate(bad):
                sock.settimeout(0.05)
                sock.connect(str(server.path))
                try:
                    sock.sendall([b"x" * 300_000, b"\0" * 50, b'{"method"', b""][index % 4])
                except OSError:
                    continue  # cut off while it sent
            began = time.monotonic()
            with Raw(server.path) as good:
                assert good.call("io.syncd.Status") == {"parameters": daemon.answer}
            assert time.monotonic() - began < 1.0
        finally:
            for sock in bad:
                sock.close()
        until(lambda: server.connections() == 0)


# --- synctl -----------------------------------------------------------------------------------------------------------


def test_synctl_shows_a_healthy_daemon(server: ControlServer) -> None:
    ran = synctl(server, "status")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok\n")


def test_status_as_json_is_the_daemons_own(server: ControlServer, daemon: StubDaemon) -> None:
    ran = synctl(server, "status", "--json")
    assert json.loads(ran.stdout) == daemon.answer


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"health": "degraded", "health_reasons": ["it polls"]}, 6),
        ({"health": "failing"}, 1),
        ({"health": "failing", "pairs": [pair_row(state="halted", halted_plan_id="p-1")]}, 7),
    ],
)
def test_the_exit_code_of_status_is_its_health(
    server: ControlServer, daemon: StubDaemon, changed: dict[str, Any], code: int
) -> None:
    daemon.answer = status_row(**changed)
    assert synctl(server, "status").returncode == code


def test_no_daemon_is_exit_3_in_one_sentence(folder: Path) -> None:
    ran = synctl(folder / "none", "status")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith(f"synctl: syncd is not running: nobody answers on {folder}/none.")


def test_a_stale_socket_is_a_daemon_that_is_not_running(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "stale"))
    assert synctl(folder / "stale", "force-sync").returncode == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["force-sync", "logs", "--path", "a/b"], ("force_sync", "logs", "a/b", False, None)),
        (["sync", "--timeout", "5m"], ("force_sync", None, None, False, 300.0)),
        (["pause", "logs", "--for", "2h"], ("pause", "logs", 7200.0)),
        (["resume", "--accept", "p-1"], ("resume", None, "p-1")),
        (["conflicts", "resolve", "logs-3", "--keep", "both"], ("resolve_conflict", "logs-3", "both")),
        (["trash", "restore", "logs-4", "--to", "x"], ("trash_restore", "logs-4", "x")),
        (["reload"], ("reload",)),
        (["loglevel", "debug"], ("set_log_level", "debug")),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_verb_reaches_the_daemon(
    server: ControlServer, daemon: StubDaemon, words: list[str], told: tuple[Any, ...], form: list[str]
) -> None:
    ran = synctl(server, *words, *form)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert daemon.told == [told]
    if form:
        assert json.loads(ran.stdout)["schema_version"] == 1
    else:
        assert ran.stdout


@pytest.mark.parametrize(
    "words",
    [["plan"], ["explain", "a/one.gz"], ["history", "--since", "2h"], ["conflicts"], ["trash", "list"], ["doctor"],
     ["config", "show"], ["version"]],
)  # fmt: skip
def test_every_looking_verb_has_a_versioned_json_form(server: ControlServer, words: list[str]) -> None:
    ran = synctl(server, *words, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["schema_version"] == 1


def test_a_wait_that_runs_out_is_exit_10_and_lists_what_is_missing(server: ControlServer, daemon: StubDaemon) -> None:
    missing = [{"pair": "logs", "path": f"a/{index}.gz", "reason": "still written"} for index in range(5000)]
    daemon.sync_answer = {"cycles": [], "missing": missing, "exit_code": 10}
    daemon.release.set()
    ran = synctl(server, "force-sync", "--wait", "--timeout", "1")
    assert ran.returncode == 10
    lines = ran.stdout.splitlines()
    assert lines[0] == "not on the other side yet: 5,000 files"
    assert lines[-1] == "  logs: a/4999.gz: still written"
    assert len(lines) == 5001


def test_an_unknown_name_is_exit_1_with_what_to_do(server: ControlServer) -> None:
    ran = synctl(server, "plan", "nope")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "synctl: no section is named nope (`synctl status` lists them)\n"


@pytest.mark.parametrize(
    "words", [[], ["dance"], ["status", "--wat"], ["pause", "--for", "soon"], ["loglevel", "loud"]]
)
def test_wrong_usage_is_exit_2(folder: Path, words: list[str]) -> None:
    ran = synctl(folder / "none", *words)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "usage: synctl" in ran.stderr


@pytest.mark.parametrize("words", [["copy", "ls"], ["events", "--follow"], ["report"]])
def test_a_verb_of_later_is_exit_78(folder: Path, words: list[str]) -> None:
    ran = synctl(folder / "none", *words)
    assert (ran.returncode, ran.stderr) == (78, f"synctl: {words[0]} is not in this version yet\n")


@pytest.mark.parametrize(("levels", "code"), [(["ok"], 0), (["ok", "warn"], 6), (["warn", "fail"], 1)])
def test_doctor_exits_by_the_worst_check(
    server: ControlServer, daemon: StubDaemon, levels: list[str], code: int
) -> None:
    daemon.checks = [
        {"check": "bucket", "class": "s3", "level": level, "message": "m", "remedy": "do this"} for level in levels
    ]
    assert synctl(server, "doctor").returncode == code


STOPPABLE = """
import sys, time, pathlib
from support.control_socket import serve, until
from support.stub_daemon import StubDaemon
daemon = StubDaemon()
with serve(daemon, pathlib.Path(sys.argv[1])):
    print("ready", flush=True)
    until(lambda: daemon.told, seconds=20)
    sys.stdin.readline()
print("socket closed", flush=True)
sys.stdin.readline()
"""


def test_stop_returns_when_the_process_of_the_daemon_has_ended(folder: Path) -> None:
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    served = [sys.executable, "-c", STOPPABLE, str(folder)]
    stopping = [sys.executable, "-m", "synctl", "--socket", str(folder / "c"), "stop", "--now"]
    with subprocess.Popen(served, env=environment(PYTHONPATH=path), **pipes) as daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == "ready\n"
        with subprocess.Popen(stopping, env=environment(), **pipes) as client:
            assert client.stdout is not None
            for said in ("socket closed\n", ""):
                with pytest.raises(subprocess.TimeoutExpired):
                    client.wait(0.4)
                daemon.stdin.write("\n")
                daemon.stdin.flush()
                assert daemon.stdout.readline() == said
            assert client.wait(10) == 0
            assert client.stdout.read() == "syncd has stopped\n"


def test_the_reader_of_our_output_may_leave_early(server: ControlServer, daemon: StubDaemon) -> None:
    daemon.plan_rows = [{**PLAN_ROW, "path": str(index)} for index in range(20_000)]
    line = f"{sys.executable} -m synctl --socket {server.path} plan | head -n 1"
    ran = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, timeout=30, env=environment(), check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_the_completion_script_completes_verbs_and_options(tmp_path: Path) -> None:
    script = synctl(tmp_path, "completion", "bash").stdout
    asks = "COMP_WORDS=(synctl {}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _synctl; echo ${{COMPREPLY[@]}}"

    def completed(words: str) -> str:
        line = script + asks.format(words)
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout.strip()

    assert completed("forc") == "force-sync"
    assert completed("--socket x status --w") == "--watch"
    assert completed("conflicts res") == "resolve"


# --- on a terminal ----------------------------------------------------------------------------------------------------


def on_terminal(path: Path, *words: str, term: str) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    client = subprocess.Popen(
        [sys.executable, "-m", "synctl", "--socket", str(path), *words],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(TERM=term), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    return client, ours


def shown(terminal: int, enough: str, *, times: int = 1) -> str:
    text = b""
    deadline = time.monotonic() + 15
    while text.decode("utf-8", "replace").count(enough) < times:
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536)
    return text.decode("utf-8", "replace")


def test_watch_redraws_in_place_and_ctrl_c_is_exit_130(server: ControlServer) -> None:
    client, terminal = on_terminal(server.path, "status", "--watch", "--every", "100ms", term="xterm")
    try:
        text = shown(terminal, "health ok", times=3)
        assert text.count("\x1b[?1049h") == 1
        assert text.count("\x1b[H") >= 3
        client.send_signal(signal.SIGINT)
        assert "\x1b[?1049l" in shown(terminal, "\x1b[?1049l")
        assert client.wait(10) == 130
    finally:
        client.kill()
        client.wait()
        os.close(terminal)


def test_watch_on_a_dumb_terminal_sends_no_escape(server: ControlServer) -> None:
    client, terminal = on_terminal(server.path, "status", "--watch", "--every", "100ms", term="dumb")
    try:
        assert "\x1b" not in shown(terminal, "health ok", times=2)
        client.send_signal(signal.SIGINT)
        assert client.wait(10) == 130
    finally:
        client.kill()
        client.wait()
        os.close(terminal)


def test_watch_goes_on_when_the_daemon_comes_back(daemon: StubDaemon, folder: Path) -> None:
    server = serve(daemon, folder)
    server.start()
    client, terminal = on_terminal(server.path, "status", "--watch", "--every", "100ms", term="xterm")
    try:
        shown(terminal, "health ok")
        server.close()
        shown(terminal, "syncd does not answer")
        with serve(daemon, folder):
            shown(terminal, "health ok")
    finally:
        client.kill()
        client.wait()
        os.close(terminal)


def test_colour_is_for_terminals_that_want_it(server: ControlServer, daemon: StubDaemon) -> None:
    daemon.answer = status_row(health="degraded", health_reasons=["it polls"])
    for words, coloured in ((["status"], True), (["status", "--no-color"], False)):
        client, terminal = on_terminal(server.path, *words, term="xterm")
        try:
            text = shown(terminal, "LAST OK")
            assert bool(re.search("\x1b\\[3[0-9]m", text)) is coloured
            client.wait(10)
        finally:
            os.close(terminal)


# --- speed ------------------------------------------------------------------------------------------------------------


def test_the_client_imports_nothing_heavy(server: ControlServer) -> None:
    code = (
        "import sys, synctl.__main__ as m; m.main(['--socket', sys.argv[1], 'status']);"
        "print([n for n in sorted({x.split('.')[0] for x in sys.modules}) if n in "
        "('syncd', 'varlink', 'boto3', 'botocore', 'structlog', 'asyncio', 'subprocess', 'dataclasses', 'inspect')])"
    )
    command = [sys.executable, "-S", "-c", code, str(server.path)]
    env = environment(PYTHONPATH=os.pathsep.join(sys.path))
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, env=env, check=True)
    assert ran.stdout.splitlines()[-1] == "[]"


def test_status_answers_in_a_blink(server: ControlServer) -> None:
    times = []
    for _ in range(7):
        began = time.monotonic()
        assert synctl(server, "status").returncode == 0
        times.append(time.monotonic() - began)
    assert min(times) < 0.150
