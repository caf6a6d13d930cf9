"""The daemon as a process, killed at every checkpoint of every scenario: it comes back, and no version is lost.

`make crash` dies at each pass of each point; the short form leaves out what would find the same world.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.crash_matrix import Matrix, table
from support.crash_scenarios import BY_BOTO3, HOT, SCENARIOS, Scenario
from syncd import checkpoint
from syncd.checkpoint import Checkpoint

POINTS = [point for one in vars(checkpoint).values() if isinstance(one, Checkpoint) for point in one.points]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with Matrix(folder=tmp_path_factory.mktemp("crash")) as matrix:
        yield matrix


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_death_at_any_checkpoint_loses_nothing_and_the_next_start_goes_on(matrix: Matrix, scenario: Scenario) -> None:
    tried = matrix.run(scenario)
    failed = [f"{one.death}: {problem}" for one in tried for problem in one.problems]
    assert not failed, "\n".join(failed)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", BY_BOTO3, ids=lambda scenario: scenario.name)
def test_nor_does_a_death_around_the_calls_of_the_other_plane(matrix: Matrix, scenario: Scenario) -> None:
    tried = matrix.run(scenario, only=HOT)
    failed = [f"{one.death}: {problem}" for one in tried for problem in one.problems]
    assert not failed, "\n".join(failed)
    assert any(one.reached for one in tried)


@pytest.mark.timeout(3600)
def test_every_checkpoint_was_died_at(matrix: Matrix, capsys: pytest.CaptureFixture[str]) -> None:
    for scenario in SCENARIOS:
        matrix.run(scenario)
    for scenario in BY_BOTO3:
        matrix.run(scenario, only=HOT)
    with capsys.disabled():
        print(f"\n{table(matrix.tried, matrix.passed(), POINTS)}")
    died_at = {one.death.point for rows in matrix.tried.values() for one in rows if one.reached}
    assert not set(POINTS) - died_at
