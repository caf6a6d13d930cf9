"""The mutants that the suite does not kill, each with the reason why it need not."""

from __future__ import annotations

SURVIVORS: dict[str, str] = {}
