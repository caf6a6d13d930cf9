"""Two and three daemons on one prefix, killed every few seconds while all sides are edited, for SOAK_SECONDS in all.

Three minutes as a part of the suite, an hour by `make soak`; SOAK_SERVER=ceph takes a real radosgw. CHURN_SEED=0x...
repeats the operations of a failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hosts import Server, survive
from support.logged_ceph import LoggedCeph
from support.moto import MotoServer
from support.told import tell
from support.variants import SHARES, VARIANTS, Variant

SECONDS = float(os.environ.get("SOAK_SECONDS") or 180)
ON_CEPH = os.environ.get("SOAK_SERVER") == "ceph"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600 + int(SECONDS))]


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with LoggedCeph(request.getfixturevalue("ceph")) if ON_CEPH else MotoServer() as server:
        yield server


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_no_version_is_lost_and_all_sides_agree(server: Server, tmp_path: Path, variant: Variant) -> None:
    tell("soak", str(survive(server, tmp_path, variant, seconds=SECONDS * variant.share / SHARES)))
