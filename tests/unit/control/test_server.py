"""The server on a real socket: what each client gets, and that a bad one hurts itself alone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from support.control_socket import QUICK, EventList, Raw, serve, until
from support.stub_daemon import PLAN_ROW, StubDaemon
from syncd import events
from syncd.control.port import BadRequest
from syncd.control.server import ControlServer
from syncd.errors import ConfigError, FatalError, ItemError, PairHalted, RemoteError, RemoteKind, Stale
from syncwire.framing import MAX_REQUEST


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")


@pytest.fixture
def daemon() -> StubDaemon:
    return StubDaemon()


@pytest.fixture
def seen() -> EventList:
    return EventList()


@pytest.fixture
def server(daemon: StubDaemon, folder: Path, seen: EventList) -> Iterator[ControlServer]:
    with serve(daemon, folder, events=seen) as server:
        yield server


@pytest.fixture
def client(server: ControlServer) -> Iterator[Raw]:
    with Raw(server.path) as client:
        yield client


def test_status_is_the_snapshot_as_it_is(client: Raw, daemon: StubDaemon) -> None:
    assert client.call("io.syncd.Status") == {"parameters": daemon.answer}


def test_calls_on_one_connection_are_answered_in_order(client: Raw) -> None:
    client.send("io.syncd.Version")
    client.send("io.syncd.ConfigShow")
    first, second = client.reply(), client.reply()
    assert first is not None
    assert second is not None
    assert (set(first["parameters"]), set(second["parameters"])) == ({"version", "pid", "python"}, {"text"})


def test_a_oneway_call_is_done_and_not_answered(client: Raw, daemon: StubDaemon) -> None:
    client.send("io.syncd.Pause", parameters={"name": "logs"}, oneway=True)
    reply = client.call("io.syncd.ConfigShow")
    assert reply is not None
    assert set(reply["parameters"]) == {"text"}
    assert daemon.told == [("pause", "logs", None)]


@pytest.mark.parametrize(
    ("method", "parameters", "name", "said"),
    [
        ("io.syncd.Dance", {}, "org.varlink.service.MethodNotFound", {"method": "Dance"}),
        ("io.other.Status", {}, "org.varlink.service.InterfaceNotFound", {"interface": "io.other"}),
        ("Status", {}, "org.varlink.service.InterfaceNotFound", {"interface": ""}),
        ("io.syncd.Plan", {"pari": "x"}, "org.varlink.service.InvalidParameter", {"parameter": "pari"}),
        ("org.varlink.service.Dance", {}, "org.varlink.service.MethodNotFound", {"method": "Dance"}),
        (
            "org.varlink.service.GetInterfaceDescription",
            {"interface": "io.other"},
            "org.varlink.service.InterfaceNotFound",
            {"interface": "io.other"},
        ),
        (
            "io.syncd.Pause",
            {"name": "nope"},
            "io.syncd.NotFound",
            {"message": "no section is named nope", "hint": "`synctl status` lists them"},
        ),
        (
            "io.syncd.LogLevel",
            {"level": "loud"},
            "io.syncd.BadRequest",
            {"message": "level is 'loud'", "hint": "one of: debug, info, warning, error"},
        ),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong(
    client: Raw, method: str, parameters: dict[str, str], name: str, said: dict[str, str]
) -> None:
    assert client.call(method, **parameters) == {"error": name, "parameters": said}
    assert client.call("io.syncd.Version") is not None


@pytest.mark.parametrize(
    ("error", "name", "more"),
    [
        (BadRequest("m", hint="h"), "BadRequest", {}),
        (ConfigError(["m"], hint="h"), "ConfigInvalid", {"problems": ["m"]}),
        (PairHalted("m", hint="h", plan_id="p1"), "Halted", {"plan_id": "p1"}),
        (RemoteError(RemoteKind.THROTTLED, "m", hint="h"), "Unavailable", {"kind": "throttled"}),
        (RemoteError(RemoteKind.DENIED, "m", hint="h"), "Failed", {}),
        (ItemError("a", "m", hint="h"), "Failed", {}),
        (FatalError("m", hint="h"), "Failed", {}),
    ],
)
def test_our_errors_arrive_with_their_hint(
    client: Raw, daemon: StubDaemon, error: Exception, name: str, more: dict[str, object]
) -> None:
    daemon.error = error
    expected = {"error": f"io.syncd.{name}", "parameters": {"message": "m", "hint": "h", **more}}
    assert client.call("io.syncd.Plan") == expected


def test_a_stale_precondition_says_look_again(client: Raw, daemon: StubDaemon) -> None:
    daemon.error = Stale("it is another file by now")
    reply = client.call("io.syncd.TrashRestore", id="7")
    assert reply == {
        "error": "io.syncd.Changed",
        "parameters": {"message": "it is another file by now", "hint": "look again"},
    }


def test_a_fault_of_ours_has_an_id_that_the_log_has_too(client: Raw, daemon: StubDaemon, seen: EventList) -> None:
    daemon.error = ZeroDivisionError("secret detail")
    reply = client.call("io.syncd.Status")
    assert reply is not None
    assert reply["error"] == "io.syncd.InternalError"
    assert "secret detail" not in str(reply)
    ((event, fields),) = seen.emitted
    assert (event, fields["id"]) == (events.REQUEST_FAILED, reply["parameters"]["id"])
    assert "ZeroDivisionError" in str(fields["traceback"])


def test_an_answer_that_json_cannot_say_is_a_fault_of_ours(client: Raw, daemon: StubDaemon) -> None:
    daemon.answer = {"x": float("nan")}
    reply = client.call("io.syncd.Status")
    assert reply is not None
    assert reply["error"] == "io.syncd.InternalError"
    assert client.call("io.syncd.Version") is not None


def rows_of(client: Raw) -> tuple[list[object], int]:
    rows: list[object] = []
    replies = 0
    while True:
        reply = client.reply()
        assert reply is not None
        rows += reply["parameters"]["rows"]
        replies += 1
        if not reply.get("continues"):
            return rows, replies


def test_a_long_plan_comes_in_pages_that_add_up(client: Raw, daemon: StubDaemon) -> None:
    daemon.plan_rows = [{**PLAN_ROW, "path": f"a/{index}"} for index in range(20_000)]
    client.send("io.syncd.Plan", parameters={}, more=True)
    rows, replies = rows_of(client)
    assert rows == daemon.plan_rows
    assert replies > 5


def test_a_long_plan_without_more_asks_for_more(client: Raw, daemon: StubDaemon) -> None:
    daemon.plan_rows = [{**PLAN_ROW, "path": f"a/{index}"} for index in range(20_000)]
    assert client.call("io.syncd.Plan") == {"error": "org.varlink.service.ExpectedMore", "parameters": {}}


@pytest.mark.parametrize("more", [True, False])
def test_an_empty_list_is_one_reply(client: Raw, daemon: StubDaemon, more: bool) -> None:
    daemon.plan_rows = []
    client.send("io.syncd.Plan", parameters={}, more=more)
    assert client.reply() == {"parameters": {"rows": []}}


def test_a_plan_generator_is_closed_when_its_reader_hangs_up(client: Raw, daemon: StubDaemon) -> None:
    closed = threading.Event()

    def endless() -> Iterator[dict[str, object]]:
        try:
            while True:
                yield PLAN_ROW
        finally:
            closed.set()

    daemon.plan_rows = endless()
    client.send("io.syncd.Plan", parameters={}, more=True)
    assert client.reply() is not None
    client.sock.close()
    assert closed.wait(5)


def test_force_sync_shows_progress_and_then_its_result(client: Raw, daemon: StubDaemon) -> None:
    daemon.progress_rows = [{"pair": "logs", "pending_files": 2}, {"pair": "logs", "pending_files": 1}]
    daemon.sync_answer = {"cycles": [{"id": "c1"}], "missing": [], "exit_code": 0}
    client.send("io.syncd.ForceSync", parameters={"pair": "logs"}, more=True)
    assert [client.reply() for _ in range(3)] == [
        {"parameters": {"progress": {"pair": "logs", "pending_files": 2}}, "continues": True},
        {"parameters": {"progress": {"pair": "logs", "pending_files": 1}}, "continues": True},
        {"parameters": {"cycles": [{"id": "c1"}], "missing": [], "exit_code": 0}},
    ]
    assert daemon.told == [("force_sync", "logs", None, False, None)]


def test_without_more_force_sync_answers_once(client: Raw, daemon: StubDaemon) -> None:
    daemon.progress_rows = [{"pair": "logs", "pending_files": 2}]
    assert client.call("io.syncd.ForceSync") == {"parameters": {"cycles": [], "missing": [], "exit_code": 0}}


def test_a_waiting_sync_learns_that_its_caller_hung_up(client: Raw, daemon: StubDaemon) -> None:
    client.send("io.syncd.ForceSync", parameters={"wait": True})
    assert daemon.entered.acquire(timeout=5)
    client.sock.close()
    assert daemon.left.wait(5)


def test_a_caller_that_only_stopped_sending_is_still_answered(client: Raw, daemon: StubDaemon) -> None:
    client.send("io.syncd.ForceSync", parameters={"wait": True})
    client.sock.shutdown(socket.SHUT_WR)
    assert daemon.entered.acquire(timeout=5)
    assert not daemon.left.wait(0.1)
    daemon.release.set()
    assert client.reply() == {"parameters": {"cycles": [], "missing": [], "exit_code": 0}}


@pytest.mark.parametrize("junk", [b"\0", b"GET / HTTP/1.1\r\n\r\n\0", b"\xff\xff\0", b"[1]\0", b'{"method":7}\0'])
def test_junk_is_told_so_and_cut_off(client: Raw, junk: bytes) -> None:
    client.sock.sendall(junk)
    reply = client.reply()
    assert reply is not None
    assert reply["error"] == "io.syncd.BadRequest"
    assert client.reply() is None


def test_a_message_of_a_mebibyte_is_read_and_one_more_is_not(server: ControlServer) -> None:
    frame = b'{"method":"io.syncd.Explain","parameters":{"path":"%s"}}'
    fill = MAX_REQUEST - len(frame) + 2
    with Raw(server.path) as client:
        client.sock.sendall(frame % (b"x" * fill) + b"\0")
        reply = client.reply()
        assert reply is not None
        assert len(reply["parameters"]["path"]) == fill
    with Raw(server.path) as client:
        with suppress(BrokenPipeError):  # it need not take the last byte to know
            client.sock.sendall(frame % (b"x" * (fill + 1)) + b"\0")
        reply = client.reply()
        assert reply is not None
        assert "over 1048576 bytes" in reply["parameters"]["message"]
        assert client.reply() is None


def test_a_half_sent_message_is_not_waited_for(client: Raw) -> None:
    client.sock.sendall(b'{"method":')
    assert client.reply() is None


def test_a_client_that_does_not_read_is_let_go_and_others_are_served(server: ControlServer, daemon: StubDaemon) -> None:
    daemon.plan_rows = iter(lambda: PLAN_ROW, None)
    with Raw(server.path) as deaf, Raw(server.path) as other:
        deaf.send("io.syncd.Plan", parameters={}, more=True)
        until(lambda: server.connections() == 2)
        began = time.monotonic()
        assert other.call("io.syncd.Version") is not None
        assert time.monotonic() - began < 0.4
        until(lambda: server.connections() == 1)


def test_where_all_places_are_taken_the_longest_idle_client_leaves(daemon: StubDaemon, folder: Path) -> None:
    with serve(daemon, folder, clients=4) as server, ExitStack() as stack:
        first, *others = [stack.enter_context(Raw(server.path)) for _ in range(4)]
        until(lambda: server.connections() == 4)
        assert stack.enter_context(Raw(server.path)).call("io.syncd.Version") is not None
        assert first.reply() is None
        assert all(other.call("io.syncd.Version") is not None for other in others)


def test_where_all_are_at_work_a_newcomer_is_told_busy(daemon: StubDaemon, folder: Path) -> None:
    with serve(daemon, folder, clients=2) as server, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(Raw(server.path)).send("io.syncd.ForceSync", parameters={"wait": True})
            assert daemon.entered.acquire(timeout=5)
        with Raw(server.path) as newcomer:
            reply = newcomer.reply()
            assert reply is not None
            assert reply["error"] == "io.syncd.Busy"
        daemon.release.set()


def test_many_waiting_syncs_leave_room_for_status(server: ControlServer, daemon: StubDaemon) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(Raw(server.path)) for _ in range(33)]
        for client in waiting[:32]:
            client.send("io.syncd.ForceSync", parameters={"wait": True})
            assert daemon.entered.acquire(timeout=5)
        reply = waiting[32].call("io.syncd.ForceSync", wait=True)
        assert reply is not None
        assert reply["error"] == "io.syncd.Busy"
        assert waiting[32].call("io.syncd.Status") == {"parameters": daemon.answer}
        daemon.release.set()


def test_closing_tells_who_waits_and_ends_at_once(daemon: StubDaemon, folder: Path) -> None:
    server = serve(daemon, folder)
    server.start()
    with Raw(server.path) as waiting, Raw(server.path) as idle:
        assert idle.call("io.syncd.Version") is not None
        waiting.send("io.syncd.ForceSync", parameters={"wait": True})
        assert daemon.entered.acquire(timeout=5)
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 1.0
        reply = waiting.reply()
        assert reply is not None
        assert reply["error"] == "io.syncd.ShuttingDown"
        assert (waiting.reply(), idle.reply()) == (None, None)
    assert server.connections() == 0
    assert not server.path.exists()
    server.close()


def test_closing_waits_no_longer_than_its_farewell(daemon: StubDaemon, folder: Path) -> None:
    stuck = threading.Event()

    def never() -> Iterator[dict[str, object]]:
        stuck.wait(20)
        yield PLAN_ROW

    daemon.plan_rows = never()
    server = serve(daemon, folder, patience=QUICK.__class__(farewell=0.2))
    server.start()
    with Raw(server.path) as client:
        client.send("io.syncd.Plan", parameters={}, more=True)
        until(lambda: server.connections() == 1)
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 2.0
        assert client.reply() is None
    stuck.set()


def test_serving_leaves_no_thread_and_no_descriptor_behind(daemon: StubDaemon, folder: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    threads, files = threading.active_count(), open_files()
    for _ in range(3):
        with serve(daemon, folder) as server, Raw(server.path) as client:
            assert client.call("io.syncd.Version") is not None
    until(lambda: (threading.active_count(), open_files()) <= (threads, files))
