"""Two daemons on one prefix for as long as SOAK_SECONDS says (`make soak`: an hour), shared out among the variants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.moto import MotoServer
from support.two_hosts import VARIANTS, Variant, survive

SECONDS = float(os.environ.get("SOAK_SECONDS", "20"))


@pytest.fixture
def server() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_no_version_is_lost_in_a_long_time(server: MotoServer, tmp_path: Path, variant: Variant) -> None:
    survive(server, tmp_path, variant, seconds=SECONDS / len(VARIANTS))
