"""What the suite could not run on this machine, said plainly; with REQUIRE_ALL=1 each gap is a failure."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

GAPS: dict[str, str] = {}


def missing(suite: str, reason: str) -> NoReturn:
    """Leave the running test out because `suite` cannot run here; a failure where REQUIRE_ALL=1."""
    GAPS[suite] = reason
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{suite}: {reason} (REQUIRE_ALL=1 allows no gap)", pytrace=False)
    pytest.skip(f"{suite}: {reason}")


def without(suite: str, reason: str) -> NoReturn:
    """Leave the running test out because `suite` is optional and cannot run here: it is named, and is no gap."""
    GAPS[suite] = f"optional: {reason}"
    pytest.skip(f"{suite}: {reason}")
