"""The unit explains itself: no sandbox line without its reason."""

from __future__ import annotations

import itertools

from support.source import CHECKOUT

UNIT = CHECKOUT / "systemd" / "syncd.service"


def directives() -> dict[str, str]:
    lines = UNIT.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_every_sandbox_line_has_its_reason() -> None:
    lines = UNIT.read_text().partition("# --- the sandbox")[2].partition("[Install]")[0].splitlines()
    # a pair that makes one statement shares the reason above it
    paired = {"AmbientCapabilities", "SystemCallErrorNumber"}
    bare = [
        line
        for above, line in itertools.pairwise(lines)
        if "=" in line and not line.startswith("#") and not above.startswith("#") and line.split("=")[0] not in paired
    ]
    assert sum("=" in line and not line.startswith("#") for line in lines) > 15
    assert not bare, f"say above each why it is there: {bare}"


def test_systemd_is_told_what_the_daemon_promises() -> None:
    wanted = {
        "Type": "notify",
        "Restart": "on-failure",
        "RestartPreventExitStatus": "78",
        "ExecStart": "/usr/bin/syncd --config /etc/syncd/syncd.toml",
        "StateDirectory": "syncd",
        "RuntimeDirectory": "syncd",
        "NoNewPrivileges": "yes",
    }
    assert {name: directives().get(name) for name in wanted} == wanted
    assert int(directives()["WatchdogSec"]) > 0
