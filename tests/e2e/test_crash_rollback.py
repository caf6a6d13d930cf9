"""The real daemon on a database that is gone, or from yesterday, also where it was killed in between.

It converges alone, loses no version, and sends nothing that is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from support.crash_matrix import ALL, Death, Matrix, die, in_the_end, lost, sent_again
from support.crash_scenarios import SCENARIOS, Scenario
from support.crash_world import World

ROLLED_BACK = [scenario for scenario in SCENARIOS if scenario.rolled_back]
CHANGING = (
    *("s3.put.after", "s3.copy.after", "s3.delete.after", "s3.complete.after", "store.commit.after"),
    *("local.unlink.after", "local.rename.after", "local.exchange.after", "local.noreplace.after"),
)
"""What the short form dies at: there the world and the database differ most."""

Loss = Callable[[World], None]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with Matrix(folder=tmp_path_factory.mktemp("rollback")) as matrix:
        yield matrix


def all_holds(world: World, scenario: Scenario) -> Iterator[str]:
    """From here on, whatever the database knows."""
    there = world.live_objects()
    lives = world.converge()
    yield from lost(world, scenario)
    yield from in_the_end(world)
    yield from sent_again(there, lives)
    if not scenario.batch and scenario.keys.get("mode", "bidirectional") == "bidirectional":
        picture = world.picture()
        if picture.here != picture.there:
            yield f"the sides differ: {picture}"


def after_the_end(matrix: Matrix, scenario: Scenario, lose: Loss) -> Callable[[], list[str]]:
    """It did all that there was to do; then its database went."""

    def attempt() -> list[str]:
        with matrix.world(scenario) as world:
            world.converge()
            lose(world)
            return [f"{lose.__name__}: {problem}" for problem in all_holds(world, scenario)]

    return attempt


def after_a_death(matrix: Matrix, scenario: Scenario, death: Death, lose: Loss) -> Callable[[], list[str]]:
    """It was killed there, and its database went with it."""

    def attempt() -> list[str]:
        with matrix.world(scenario) as world:
            die(world, scenario, death)
            lose(world)
            return [f"{death}, {lose.__name__}: {problem}" for problem in all_holds(world, scenario)]

    return attempt


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", ROLLED_BACK, ids=lambda scenario: scenario.name)
def test_a_database_that_is_lost_or_from_yesterday_costs_no_version_and_no_transfer(
    matrix: Matrix, scenario: Scenario
) -> None:
    losses: tuple[Loss, ...] = (World.lose_database, World.roll_back)
    deaths = matrix.undisturbed(scenario).deaths(every=ALL)
    chosen = [death for death in deaths if ALL or death.point in CHANGING]
    tries = [after_the_end(matrix, scenario, lose) for lose in losses]
    tries += [after_a_death(matrix, scenario, death, World.roll_back) for death in chosen]
    problems = [problem for found in matrix.each(tries) for problem in found]
    assert not problems, "\n".join(problems)
