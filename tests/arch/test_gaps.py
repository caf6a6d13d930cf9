"""Nothing is left out in silence: every test is in a suite that runs, and what cannot run here is accounted for."""

from __future__ import annotations

import ast
import re

import pytest
from _pytest.outcomes import Failed, Skipped

from support import gaps, localstack
from support.source import CHECKOUT, dotted

TESTS = CHECKOUT / "tests"
ACCOUNT = "support/gaps.py"
LEAVES_OUT = {"skip", "skipif", "importorskip"}


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


def test_what_is_optional_is_named_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_ALL", "1")
    monkeypatch.setattr(gaps, "GAPS", {})
    monkeypatch.setattr(localstack, "VERSION", "3.999")
    with pytest.raises(Skipped):
        localstack.localstack_python()
    assert gaps.GAPS == {"localstack": "optional: needs Python 3.999, which is not here"}
    with pytest.raises(Failed):
        gaps.missing("ceph", "not here")


def test_make_test_collects_every_folder_of_tests() -> None:
    text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^testpaths = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    there = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert set(re.findall(r'"tests/(\w+)(?:/\w+\.py)?"', listed[1])) == there
