"""How the rolling audit of a pair stands, for status."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditStanding:
    """`period_s` None: no audit. `finished_at`: when a whole round ended last. `first`: the first path that differs."""

    period_s: float | None = None
    done_share: float = 0.0
    finished_at: float | None = None
    differences: int = 0
    first: str = ""
