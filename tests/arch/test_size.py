"""A file is about one noun and a function is read on one screen."""

from __future__ import annotations

import ast

from support.source import CHECKOUT, modules

FILE_LINES = 400
FUNCTION_LINES = 50

LONGER: dict[str, int] = {}


def test_no_file_is_too_long() -> None:
    found = [
        f"{module.path} has {lines} lines: split it by its nouns"
        for module in modules()
        if (lines := module.text.count("\n")) >= LONGER.get(module.path, FILE_LINES)
    ]
    assert not found, "\n".join(found)


def test_no_function_is_longer_than_a_screen() -> None:
    found = [
        f"{module.path}:{node.lineno} {node.name} has {length} lines: give its parts names"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not found, "\n".join(found)


def test_no_exception_outlives_its_file() -> None:
    gone = [path for path in LONGER if path not in {module.path for module in modules()}]
    assert not gone, f"{CHECKOUT.name}: take these out of LONGER: {gone}"


def test_nothing_is_a_grab_bag() -> None:
    empty_names = {"utils", "util", "helpers", "helper", "common", "manager", "data", "info", "misc"}
    found = [module.path for module in modules() if set(module.name.split(".")) & empty_names]
    assert not found, f"a file is named by the noun it is about: {found}"
