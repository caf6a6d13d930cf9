"""Random days of the model, of other seeds each time, for as long as SOAK_SECONDS says."""

from __future__ import annotations

import os
import random

import pytest

from support.model_run import run_many

SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))


@pytest.mark.slow
def test_no_version_is_lost_in_many_random_days() -> None:
    seed = random.SystemRandom().randrange(1, 1 << 30)
    failures = run_many(seed=seed, examples=None, seconds=SECONDS, processes=os.cpu_count() or 1)
    assert not failures, f"from seed {seed} on: {failures[0]}"
