"""Random days of up to four hosts around one bucket: whatever happens, no version is lost, and it comes to rest.

The days are the same each time. `MODEL_EXAMPLES` asks for more of them, `MODEL_SEED` for other ones, `MODEL_SHRINK=1`
shortens a failure. What fails is printed with its seed, its steps and the blob that brings it back.
"""

from __future__ import annotations

import os

import pytest

from support.model_run import run_days

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "2000"))
SEED = int(os.environ.get("MODEL_SEED", "20"))
SHARDS = 4

pytestmark = pytest.mark.timeout(max(280, EXAMPLES // SHARDS * 2))


@pytest.mark.parametrize("shard", range(SHARDS))
def test_no_version_is_lost_and_everybody_comes_to_rest(shard: int) -> None:
    run_days(seed=SEED + shard, examples=EXAMPLES // SHARDS // 2)


@pytest.mark.parametrize("shard", range(SHARDS))
def test_where_every_version_is_kept_none_at_all_is_lost(shard: int) -> None:
    run_days(seed=SEED + shard, examples=EXAMPLES // SHARDS // 2, strict=True)
