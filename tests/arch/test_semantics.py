"""daemon/SEMANTICS.md says what is: its tables are the core's, its rules are all of them, its tests exist."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache

from support.source import CHECKOUT
from syncd.core.rules import RULES

DOCUMENT = CHECKOUT / "daemon" / "SEMANTICS.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
UNPROVEN = re.compile(r"not yet proven: \w")


def part(name: str) -> str:
    """What stands between two markers."""
    return (
        DOCUMENT.read_text(encoding="utf-8").split(f"<!-- generated: {name} -->")[1].split(f"<!-- end of {name} -->")[0]
    )


def promises() -> list[str]:
    """The rows of the tables of promises, without their heads."""
    text = DOCUMENT.read_text(encoding="utf-8").split("## Promises")[1]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if not row.startswith(("| promise |", "| --- |"))]


@cache
def names_in(path: str) -> frozenset[str]:
    """The names that a test file defines at its top: functions, classes, and state machines by assignment."""
    if not (CHECKOUT / path).is_file():
        return frozenset()
    found = set()
    for node in ast.parse((CHECKOUT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(name for name in found if name.lower().startswith("test"))


def test_the_tables_are_the_cores_own() -> None:
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "packaging" / "semantics.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_rule_stands_in_the_document_once_with_its_reason_and_no_other_does() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part("rules").strip().splitlines()[2:]]
    assert [row[0].strip("`") for row in rows] == list(RULES)
    assert [row[2] for row in rows] == [rule.why for rule in RULES.values()]


def test_every_rule_but_none_else_decides_some_cell_of_the_tables() -> None:
    """The tables turn one fact at a time; that is enough to reach every rule."""
    named = set(re.findall(r"`([a-z0-9.-]+)`", part("table") + part("refinements")))
    assert named == RULES.keys()


def test_every_promise_names_a_test_or_says_that_it_has_none() -> None:
    rows = promises()
    assert len(rows) > 30
    silent = [row for row in rows if not NAMED.search(row) and not UNPROVEN.search(row)]
    assert not silent, "name the test that tries to break it, or say `not yet proven: TOPIC`:\n" + "\n".join(silent)


def test_every_test_that_a_promise_names_exists() -> None:
    named = NAMED.findall(DOCUMENT.read_text(encoding="utf-8"))
    missing = [
        f"{path}::{name}" for path, name in named if not (CHECKOUT / path).is_file() or name not in names_in(path)
    ]
    assert not missing, "daemon/SEMANTICS.md names tests that are not there:\n" + "\n".join(missing)


def test_no_test_is_named_in_a_form_that_nobody_checks() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count("tests/") == len(NAMED.findall(text))
