"""Imports point down only: daemon/ARCHITECTURE.md draws the floors, this holds them."""

from __future__ import annotations

import pytest

from support.source import Module, daemon_modules, is_standard, modules

FLOORS = {
    **dict.fromkeys(("core", "checkpoint", "errors", "events", "ports"), 1),
    **dict.fromkeys(("config", "local", "s3", "store", "index", "lifecycle"), 2),
    "engine": 3,
    "archive": 4,
    **dict.fromkeys(("workers", "control"), 5),
    **dict.fromkeys(("runtime", "arguments"), 6),
    **dict.fromkeys(("app", "__main__"), 7),
    "": 1,  # syncd/__init__.py: the version
}

REASONS = {
    1: "floor 1 is the vocabulary: it takes values and returns values, and everybody stands on it",
    2: "an adapter knows core, the ports and its own SDK; through a sibling it could not be replaced by itself",
    3: "the engine sees the world through its ports, so that the same code runs on fakes, files and S3",
    4: "the archiver plans and packs; what it changes it changes through the engine, which knows nothing of it",
    5: "workers and handlers drive engine and archiver; what stands above them wires them together",
    6: "the supervisor knows workers as such; only app.py knows concrete ones",
    7: "nothing is above the wiring",
}

# config.types is plain values, which every room may read; reading files and parsing are config's own business
PLAIN_VALUES = "syncd.config.types"

# A third-party library has one room that speaks it: replacing it stays a matter of that room.
LIBRARIES = {
    "boto3": {"s3"},
    "botocore": {"s3"},
    "awscrt": {"s3", "engine", "local", "lifecycle"},  # a checksum in hardware, no I/O
    "sqlite3": {"store"},
    "structlog": {"lifecycle", "workers"},  # the worker base binds the log context of its thread
    "sdnotify": {"lifecycle"},
    "watchdog": {"local"},
    "varlink": {"control"},
    "elasticsearch": {"index"},
    "opensearchpy": {"index"},
}
CORE_NEVER = {"os", "time", "threading", "boto3", "botocore", "sqlite3", "structlog", "socket", "subprocess", "logging"}
ENGINE_NEVER = {"syncd.local", "syncd.s3", "syncd.store"}


def room_of(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def sins(module: Module) -> list[str]:
    """What this module imports from its own floor's neighbours or from above."""
    floor, found = FLOORS[module.room], []
    for line, name in module.imports():
        if name.split(".")[0] != "syncd" or name == PLAIN_VALUES or room_of(name) == module.room:
            continue
        above = FLOORS[room_of(name)] > floor
        beside = FLOORS[room_of(name)] == floor == 2
        if above or beside:
            word = "above" if above else "beside"
            found.append(f"{module.path}:{line} imports {name}, {word} it: {REASONS[floor]}")
    return found


def test_every_room_has_a_floor() -> None:
    strange = {module.room for module in daemon_modules()} - FLOORS.keys()
    assert not strange, f"give these rooms a floor, here and in daemon/ARCHITECTURE.md: {sorted(strange)}"


def test_imports_point_down_only() -> None:
    found = [sin for module in daemon_modules() for sin in sins(module)]
    assert not found, "\n".join(found)


def test_the_engine_knows_no_adapter() -> None:
    found = [
        f"{module.path}:{line} imports {name}: {REASONS[3]}"
        for module in daemon_modules()
        if module.room in {"engine", "archive"}
        for line, name in module.imports()
        if ".".join(name.split(".")[:2]) in ENGINE_NEVER
    ]
    assert not found, "\n".join(found)


def test_core_is_pure() -> None:
    found = [
        f"{module.path}:{line} imports {name}: core takes values and returns values, the clock is an argument"
        for module in daemon_modules()
        if module.room == "core"
        for line, name in module.imports()
        if name.split(".")[0] in CORE_NEVER
        or not (is_standard(name) or name.startswith("syncd") or name == "typing_extensions")
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_spoken_in_its_own_room(library: str) -> None:
    found = [
        f"{module.path}:{line} imports {name}: only {sorted(LIBRARIES[library])} may, so that it can be replaced there"
        for module in daemon_modules()
        for line, name in module.imports()
        if name.split(".")[0] == library and module.room not in LIBRARIES[library]
    ]
    assert not found, "\n".join(found)


def test_the_client_starts_in_a_blink() -> None:
    allowed = {"synctl", "syncwire", "varlink", "tomllib", "tomli"}
    found = [
        f"{module.path}:{line} imports {name}: ctl is the standard library and the wire library, never syncd"
        for module in modules()
        if not module.name.startswith("syncd")
        for line, name in module.imports()
        if not is_standard(name) and name.split(".")[0] not in allowed
    ]
    assert not found, "\n".join(found)


def test_the_wire_knows_no_one() -> None:
    found = [
        f"{module.path}:{line} imports {name}: syncwire is floor 1, shared by control and synctl"
        for module in modules()
        if module.name.startswith("syncwire")
        for line, name in module.imports()
        if name.split(".")[0] in {"syncd", "synctl"}
    ]
    assert not found, "\n".join(found)


def test_only_control_and_the_command_line_speak_the_wire() -> None:
    allowed = {"control", "app", "__main__"}
    exit_codes = "syncwire.exits"  # one list for synctl and `syncd --once`, plain numbers
    found = [
        f"{module.path}:{line} imports {name}: what goes over the socket is control's business"
        for module in daemon_modules()
        for line, name in module.imports()
        if name.split(".")[0] in {"syncwire", "synctl"} and module.room not in allowed and name != exit_codes
    ]
    assert not found, "\n".join(found)
