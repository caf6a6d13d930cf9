"""The lean client is a thing of its own: small, on the standard library, and it knows nothing of syncd."""

from __future__ import annotations

from support.source import daemon_modules, is_standard

WIRE = "syncd.s3.wire"
LINES = 1500

MODULES = [module for module in daemon_modules() if module.name == WIRE or module.name.startswith(f"{WIRE}.")]


def test_the_lean_client_imports_itself_and_the_standard_library_alone() -> None:
    found = [
        f"{module.path}:{line} imports {name}"
        for module in MODULES
        for line, name in module.imports()
        if not (is_standard(name) or name == WIRE or name.startswith(f"{WIRE}."))
    ]
    assert MODULES
    assert not found, "\n".join(found)


def test_the_lean_client_stays_small() -> None:
    lines = {module.path: len(module.text.splitlines()) for module in MODULES}
    assert sum(lines.values()) < LINES, lines
