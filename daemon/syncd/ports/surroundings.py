"""What surrounds the work: time, events, the stop, hashing, progress."""

from __future__ import annotations

from typing import Protocol

from syncd.ports.tree import Hashes


class Clock(Protocol):
    """Time as a value, so that tests own it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def now_ns(self) -> int: ...

    def monotonic(self) -> float: ...


class Events(Protocol):
    """Where what happened is said. `event` is a constant of syncd.events; fields are of its glossary."""

    def emit(self, event: str, **fields: object) -> None: ...


class StopToken(Protocol):
    """Asked between steps; every wait goes through it."""

    def stopped(self) -> bool:
        """Whether nothing new may begin."""
        ...

    def abandoned(self) -> bool:
        """Whether what is under way is to be dropped."""
        ...

    def wait(self, seconds: float) -> bool:
        """Sleep so long, less if stopped. True when stopped."""
        ...


class Digester(Protocol):
    """Hashes bytes as they pass."""

    def update(self, piece: bytes | memoryview) -> None: ...

    def result(self) -> Hashes: ...


class Transfer(Protocol):
    """One running transfer, for progress."""

    def advance(self, count: int) -> None: ...

    def end(self) -> None: ...


class Transfers(Protocol):
    """The board of running transfers."""

    def begin(self, *, pair: str, path: str, direction: str, total_bytes: int) -> Transfer: ...

    def moved(self, size: int) -> None:
        """Count a file of that many bytes that is over before anybody could look at it."""
        ...
