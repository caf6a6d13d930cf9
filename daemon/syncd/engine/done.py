"""An executed step, ready to be made durable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncd.ports import Commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What to commit, and what may follow only once that is durable."""

    commit: Commit | None
    bytes_up: int = 0
    bytes_down: int = 0
    after: tuple[Callable[[], None], ...] = ()
    again: str = ""  # why the path is not through with this step; empty: it is
