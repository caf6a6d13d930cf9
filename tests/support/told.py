"""What a passing run has to say: figures, kept until the end and printed by the suite's closing account."""

from __future__ import annotations

TOLD: list[str] = []


def tell(suite: str, line: str) -> None:
    """Print this line when the session ends."""
    TOLD.append(f"{suite}: {line}")
