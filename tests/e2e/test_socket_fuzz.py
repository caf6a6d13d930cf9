"""Every method of the running daemon, called with everything that it does not take: told so, and nothing more."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control_socket import Raw
from support.daemon_process import Host
from support.hostile import TEXTS
from support.moto import MotoServer
from syncd import events
from syncd.control.methods import METHODS, Method
from syncd.control.requests import Parameter
from syncwire import names

DEEP = json.loads("[" * 500 + "]" * 500)
WRONG: list[Any] = [
    0,
    -1,
    2**63,
    2**70,
    10**400,
    1e308,
    0.1,
    True,
    False,
    "",
    "x",
    [],
    ["x", 1],
    [[]],
    {},
    {"a": {}},
    DEEP,
]
RIGHT: dict[str, Any] = {"keep": "both", "level": "info", "source": "records"}
"""What makes a call go on to the daemon's own code where a word is one of a few."""


@pytest.fixture(scope="module")
def host(s3: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A daemon with a pair and a batch, that synced something once."""
    folder = tmp_path_factory.mktemp("fuzz")
    batch = folder / "batch"
    (batch / "lab").mkdir(parents=True)
    bucket = s3.new_bucket(f"b-{uuid.uuid4().hex[:12]}")
    more = f'[[batch]]\nname = "small"\nroot = "{batch}"\n'
    host = Host(folder / "host", s3.endpoint, remote=f"s3://{bucket}/p/", more=more)
    try:
        host.write("one.gz", b"one")
        host.start()
        host.until_event(events.CYCLE_FINISHED)
        yield host
    finally:
        host.close()


def values_for(name: str, parameter: Parameter) -> list[Any]:
    """Everything that is tried for one parameter."""
    wrong = [value for value in WRONG if not isinstance(value, parameter.type)]
    match parameter.type:
        case _ if parameter.type is str:
            return [*wrong, *TEXTS]
        case _ if parameter.type is list:
            return [*wrong, [], *([text] for text in TEXTS)]
        case _:
            return WRONG


def sound(method: Method) -> dict[str, Any]:
    """A value of the right type for each parameter that must be given."""
    filled: dict[str, Any] = {str: "x", list: ["x"]}
    return {
        name: RIGHT.get(name, filled[parameter.type]) for name, parameter in method.takes.items() if parameter.required
    }


def last_reply(client: Raw, method: str, parameters: Any, *, more: bool) -> dict[str, Any]:
    """The reply that ends the call."""
    client.send(f"{names.INTERFACE}.{method}", parameters=parameters, more=more)
    while (reply := client.reply()) is not None:
        if not reply.get("continues"):
            return reply
    raise AssertionError(f"{method} with {str(parameters)[:200]!r} was not answered")


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"Stop"}))
def test_no_value_of_any_parameter_is_a_fault_of_ours(host: Host, name: str) -> None:
    method = METHODS[name]
    before = len(host.events(events.REQUEST_FAILED))
    with Raw(host.socket) as client:
        client.sock.settimeout(60)
        for parameter, takes in method.takes.items():
            if (name, parameter) == ("ForceSync", "wait"):
                continue  # it waits as long as it is told; what it waits for is another test's
            for index, value in enumerate(values_for(parameter, takes)):
                reply = last_reply(client, name, {**sound(method), parameter: value}, more=bool(index % 2))
                assert reply.get("error") != names.INTERNAL_ERROR, (parameter, str(value)[:80], reply)
        reply = last_reply(client, name, {**sound(method), "x" * 1000: 1}, more=False)
        assert reply["error"] == names.INVALID_PARAMETER
    assert host.events(events.REQUEST_FAILED)[before:] == []


def test_afterwards_the_daemon_is_as_it_was(host: Host) -> None:
    assert host.ctl("resume").code == 0
    host.write("two.gz", b"two")
    assert host.ctl("force-sync", "logs", "--wait", "--timeout", "20s").code == 0
    assert not (Path("/tmp") / "pwned").exists()
    assert host.process is not None
    assert host.process.running
