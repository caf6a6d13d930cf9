"""The whole finite table of decisions: every cell that can be written down, under every policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import product

from syncd.core.model import ConflictPolicy, Deletes, Mode
from syncd.core.reconcile import Cell, Local, Policy, Remote, Same, decide
from syncd.core.rules import Rule

BOTH = (False, True)

POLICIES = tuple(
    Policy(mode=mode, deletes=deletes, conflict=conflict, cleanup=cleanup, can_delete=can_delete)
    for mode, deletes, conflict, cleanup, can_delete in product(Mode, Deletes, ConflictPolicy, BOTH, BOTH)
)


def cells() -> Iterator[Cell]:
    """Every cell that can be written down."""
    flags = ("local_wins", "restored", "cleanable", "cleaning", "after_cleaning", "refreshed", "ours", "archived")
    for local, remote, same in product(Local, Remote, Same):
        for values in product(BOTH, repeat=len(flags)):
            yield Cell(local=local, remote=remote, same=same, **dict(zip(flags, values)))


@cache
def decisions() -> tuple[tuple[Cell, tuple[Rule, ...]], ...]:
    """The rules of each cell, one for each of POLICIES: more than three million decisions."""
    return tuple((here, tuple([decide(here, policy) for policy in POLICIES])) for here in cells())


def under(wanted: Callable[[Policy], bool]) -> list[int]:
    """The places in POLICIES where that holds."""
    return [number for number, policy in enumerate(POLICIES) if wanted(policy)]
