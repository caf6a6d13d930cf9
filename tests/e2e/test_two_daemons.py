"""Two daemons on two folders and one prefix while both sides are edited: nothing is lost, and they agree in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.moto import MotoServer
from support.two_hosts import VARIANTS, Variant, survive

CHURN_S = 20.0
"""Of each variant: two minutes for all of them with what comes after."""


@pytest.fixture
def server() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_no_version_is_lost_and_both_sides_agree(server: MotoServer, tmp_path: Path, variant: Variant) -> None:
    survive(server, tmp_path, variant, seconds=CHURN_S)
