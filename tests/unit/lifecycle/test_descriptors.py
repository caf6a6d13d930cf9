"""The limit of open files, on a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from syncd.lifecycle.descriptors import take_what_is_allowed
take_what_is_allowed()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "left"),
    [(64, 512, (512, 512)), (256, 256, (256, 256)), (64, 66_000, (65_536, 66_000)), (65_800, 66_000, (65_800, 66_000))],
)
def test_the_soft_limit_is_raised_as_far_as_is_allowed_and_never_lowered(
    soft: int, hard: int, left: tuple[int, int]
) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and hard > most:
        hard, left = most, (min(left[0], most), most)
        soft = min(soft, hard)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(soft), str(hard)], capture_output=True, text=True, timeout=30, check=True
    )
    assert tuple(map(int, done.stdout.split())) == left
