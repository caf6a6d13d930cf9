"""The list of mutants does not rot: each changes exactly one place of today's code, into code."""

from __future__ import annotations

import ast

import pytest

from mutants.catalogue import Mutant
from mutants.run import CHECKOUT, MUTANTS
from mutants.survivors import SURVIVORS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_changes_one_place_and_is_still_code(mutant: Mutant) -> None:
    file = CHECKOUT / "daemon" / "syncd" / mutant.file
    text = file.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
    changed = text.replace(mutant.old, mutant.new)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert all((CHECKOUT / "tests" / test).exists() for test in mutant.tests)


def test_there_are_enough_of_them_each_with_a_name_of_its_own() -> None:
    names = [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names) >= 45


def test_a_survivor_is_one_of_them_and_has_a_reason() -> None:
    assert SURVIVORS.keys() <= {mutant.name for mutant in MUTANTS}
    assert all(len(reason) > 20 for reason in SURVIVORS.values())
