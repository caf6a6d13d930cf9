"""What the command line says of the configuration, before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFlags:
    """The flags that describe the one pair `default`. None, or False: not given."""

    bucket: str | None = None
    logs: Path | None = None
    region: str | None = None
    prefix: str | None = None
    hash_type: str | None = None
    cleanup: bool = False
    upload_only: bool = False
    download_only: bool = False
    conflict: str | None = None
    interval: str | None = None
    endpoint_url: str | None = None

    def given(self) -> tuple[str, ...]:
        """The flags that are there, as they are written."""
        there = (field.name for field in fields(self) if getattr(self, field.name) not in {None, False})
        return tuple(f"--{name.replace('_', '-')}" for name in there)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """All that the command line contributes to the configuration."""

    config: Path | None = None
    state_dir: Path | None = None
    socket: Path | None = None
    verbose: bool = False
    pair: PairFlags = PairFlags()
