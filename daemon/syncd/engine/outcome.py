"""What became of a step."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncd.engine.step import Step
from syncd.errors import SyncdError


class Result(str, Enum):
    """How a step ended."""

    DONE = "done"
    STALE = "stale"  # the world moved: the next look decides anew
    WAITING = "waiting"  # the file is still being written, or the path is busy
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One step and how it ended. bytes_up and bytes_down count what crossed the wire as content."""

    step: Step
    result: Result
    bytes_up: int = 0
    bytes_down: int = 0
    error: SyncdError | None = None
    reason: str = ""
