"""The model's reference judges syncd from outside: it must not know how syncd thinks."""

from __future__ import annotations

import ast
import sys

from support.source import CHECKOUT

REFERENCE = CHECKOUT / "tests" / "model" / "reference.py"


def test_the_reference_imports_the_standard_library_and_nothing_else() -> None:
    imported = set()
    for node in ast.walk(ast.parse(REFERENCE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or ".").split(".")[0])
    assert imported <= set(sys.stdlib_module_names), "what it shares with syncd it would get wrong alike"
