"""How often a request of the lean client goes out, and what is mended between two attempts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol, TypeGuard

from syncd.s3.list_parse import NoListing
from syncd.s3.wire.answers import Refused
from syncd.s3.wire.failure import WireError

THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"})
BUSY = frozenset({429, 500, 502, 503, 504, 509})
PASSING = THROTTLED | {"RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable"}
LONGEST_S = 20.0


class Limiting(Protocol):
    """What holds requests to an endpoint back while it asks for it."""

    def before(self) -> None:
        """A request is about to leave: return when it may."""
        ...

    def succeeded(self) -> None:
        """It was answered, with whatever but a refusal to be so fast."""
        ...

    def throttled(self) -> None:
        """It was refused: SlowDown, 429 or 5xx."""
        ...


class Unlimited:
    """Holds nothing back."""

    def before(self) -> None:
        """At once."""

    def succeeded(self) -> None:
        """Nothing follows from it."""

    def throttled(self) -> None:
        """Nothing follows from it."""


def is_slowing(error: WireError) -> TypeGuard[Refused]:
    """Whether the store said that it has too much to do."""
    return isinstance(error, Refused) and (error.status in BUSY or error.code in THROTTLED)


def may_pass(error: WireError) -> bool:
    """Whether the same request may succeed in a moment."""
    if isinstance(error, Refused):
        return error.status in {*BUSY, 408} or error.code in PASSING
    return not isinstance(error, NoListing)


def pause_s(tried: int, chance: Callable[[], float] = random.random) -> float:
    """How long to wait after so many attempts, as botocore's standard mode does."""
    return min(chance() * 2.0 ** (tried - 1), LONGEST_S)
