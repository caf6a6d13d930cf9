"""Whatever bytes a client sends: each whole message is answered or cut off, no fault is ours, and others are served."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.control_socket import EventList, Raw, serve, until
from support.stub_daemon import StubDaemon
from syncd import events
from syncd.control.connection import LARGE_BYTES, LARGE_CALLS, Patience
from syncd.control.methods import METHODS
from syncd.control.server import ControlServer
from syncwire import names
from syncwire.framing import MAX_REQUEST

SHORT = Patience(idle=5.0, message=0.2, reply=0.5, farewell=2.0)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def seen() -> EventList:
    return EventList()


@pytest.fixture(scope="module")
def server(seen: EventList) -> Iterator[ControlServer]:
    daemon = StubDaemon()
    daemon.release.set()  # nobody waits here: what a waiting call does is another test's
    with tempfile.TemporaryDirectory(prefix="sj") as folder:
        with serve(daemon, Path(folder), patience=SHORT, events=seen) as server:
            yield server


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=20,
)
NAMES = st.sampled_from([*(f"{names.INTERFACE}.{name}" for name in METHODS), f"{names.SERVICE}.GetInfo"]) | st.text()
PARAMETERS = sorted({parameter for method in METHODS.values() for parameter in method.takes})
CALLS = st.fixed_dictionaries(
    {"method": NAMES},
    optional={
        "parameters": st.dictionaries(st.sampled_from(PARAMETERS) | st.text(max_size=5), JSON, max_size=4) | JSON,
        "more": st.booleans() | JSON,
        "oneway": st.booleans() | JSON,
        "upgrade": JSON,
    },
)
PIECES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"\0", b"\0\0\0", b"{", b"{}", b"[]\0", b'{"method":', b"\xff\xfe\0", b"[" * 5000, b"9" * 5000]),
    CALLS.map(lambda call: json.dumps(call).encode() + b"\0"),
    CALLS.map(lambda call: json.dumps(call).encode()[:-3]),
)


def answers_to(server: ControlServer, sent: bytes) -> list[dict[str, Any]]:
    """Send it all in one go, say that no more comes, and read to the end."""
    with Raw(server.path) as client:
        try:
            client.sock.sendall(sent)
            client.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut off in the middle: what it said before that still counts
        replies = []
        while (reply := client.reply()) is not None:
            replies.append(reply)
        return replies


def well(server: ControlServer) -> bool:
    with Raw(server.path) as good:
        reply = good.call("io.syncd.Version")
    return reply is not None and "parameters" in reply


@FUZZ
@given(calls=st.lists(CALLS, min_size=1, max_size=6))
def test_each_call_in_one_packet_has_one_last_reply_in_order(
    server: ControlServer, seen: EventList, calls: list[dict[str, Any]]
) -> None:
    replies = answers_to(server, b"".join(json.dumps(call).encode() + b"\0" for call in calls))
    last = [reply for reply in replies if not reply.get("continues")]
    junk = [index for index, call in enumerate(calls) if _is_junk(call)]
    answered = calls[: junk[0]] if junk else calls
    expected = len([call for call in answered if call.get("oneway") is not True]) + bool(junk)
    assert len(last) == expected
    assert [reply for reply in replies if reply.get("error") == names.INTERNAL_ERROR] == []
    assert events.REQUEST_FAILED not in seen.names()


def _is_junk(call: dict[str, Any]) -> bool:
    """What ends the connection: no call at all, or numbers that JSON does not have."""
    try:
        json.loads(json.dumps(call, allow_nan=False))
    except ValueError:
        return True
    return call.get("parameters") is not None and not isinstance(call["parameters"], dict)


@FUZZ
@given(pieces=st.lists(PIECES, max_size=8))
def test_no_bytes_are_a_fault_of_ours_and_the_next_client_is_served(
    server: ControlServer, seen: EventList, pieces: list[bytes]
) -> None:
    replies = answers_to(server, b"".join(pieces))
    assert [reply for reply in replies if reply.get("error") == names.INTERNAL_ERROR] == []
    assert well(server)
    assert events.REQUEST_FAILED not in seen.names()


def test_the_deepest_message_and_the_longest_number_are_junk_and_nothing_more(server: ControlServer) -> None:
    half = MAX_REQUEST // 2 - 100
    for body in (b"[" * half + b"]" * half, b'{"a":' * (MAX_REQUEST // 8), b"1" * (MAX_REQUEST - 10)):
        (reply,) = answers_to(
            server, b'{"method":"io.syncd.Status","parameters":{"a":' + body[: MAX_REQUEST - 99] + b"}}\0"
        )
        assert reply["error"] in {names.BAD_REQUEST, names.INVALID_PARAMETER}
        assert well(server)


def test_an_error_repeats_no_more_of_a_callers_words_than_a_person_reads(server: ControlServer) -> None:
    long = "x" * 500_000
    for call in (
        {"method": f"io.syncd.{long}"},
        {"method": f"{long}.Status"},
        {"method": "io.syncd.Status", "parameters": {long: 1}},
        {"method": "org.varlink.service.GetInterfaceDescription", "parameters": {"interface": long}},
    ):
        (reply,) = answers_to(server, json.dumps(call).encode() + b"\0")
        assert len(json.dumps(reply)) < 400


def test_a_few_large_requests_at_once_are_enough_and_small_ones_go_on(tmp_path_factory: pytest.TempPathFactory) -> None:
    daemon = StubDaemon()
    large = {"wait": True, "path": "x" * LARGE_BYTES}
    with serve(daemon, tmp_path_factory.mktemp("l")) as server:
        holders = [Raw(server.path) for _ in range(LARGE_CALLS)]
        try:
            for holder in holders:
                holder.send("io.syncd.ForceSync", parameters=large)
                assert daemon.entered.acquire(timeout=5)
            with Raw(server.path) as late:
                refused = late.call("io.syncd.ForceSync", **large)
                assert refused is not None
                assert refused["error"] == names.BUSY
                small = late.call("io.syncd.Status")  # on the same connection: a large one too many ends nothing
                assert small == {"parameters": daemon.answer}
                daemon.release.set()
                for holder in holders:
                    assert holder.reply() == {"parameters": {**daemon.sync_answer, "exit_code": 0}}
                again = late.call("io.syncd.ForceSync", **large)
                assert again is not None
                assert "parameters" in again
                assert "error" not in again
        finally:
            for holder in holders:
                holder.sock.close()
        until(lambda: server.connections() == 0)
