"""Nothing is left out in silence: every test is in a suite that runs, and what cannot run here is accounted for."""

from __future__ import annotations

import ast
import re

from support.source import CHECKOUT, dotted

TESTS = CHECKOUT / "tests"
ACCOUNT = "support/gaps.py"
LEAVES_OUT = {"skip", "skipif", "importorskip"}
BY_ITS_OWN_COMMAND = {"soak"}


def test_only_the_account_of_gaps_leaves_a_test_out() -> None:
    found = [
        f"tests/{path.relative_to(TESTS)}:{node.lineno} {dotted(node)}: call support.gaps.missing, mark it `root`, or "
        "state what that server does instead"
        for path in sorted(TESTS.rglob("*.py"))
        if path.relative_to(TESTS).as_posix() != ACCOUNT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in LEAVES_OUT and dotted(node).startswith("pytest.")
    ]
    assert not found, "\n".join(found)


def test_make_test_collects_every_folder_of_tests() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^testpaths = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    there = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert set(re.findall(r'"tests/(\w+)"', listed[1])) == there - BY_ITS_OWN_COMMAND
