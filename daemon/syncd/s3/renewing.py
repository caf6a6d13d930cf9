"""Credentials that are looked up anew once the store has refused them: a rewritten file heals a daemon that runs."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

REFUSALS = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestExpired"}
    | {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "401", "403"}
)
"""Answers after which other credentials may do. A HEAD that is refused has no word in it, only the status."""

REST_S = 5.0
"""Between two look-ups at least: each may run a program of the user's, or ask a metadata service."""

Lookup = Callable[[], "Credentials | None"]


class RenewingCredentials:
    """What `lookup` finds now, and after a refusal what it finds then. Thread-safe.

    The SDK renews what comes with a date of expiry, and that alone: keys and session tokens from a file, or from a
    program that names no date, it would sign with for as long as the process lives.
    """

    def __init__(self, found: Credentials, lookup: Lookup, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._found = found
        self._lookup = lookup
        self._monotonic = monotonic
        self._refused = False
        self._looked = -math.inf
        self._lock = threading.Lock()

    def watch(self, client: S3Client) -> None:
        """Hear from that client which of its requests were refused."""
        client.meta.events.register("after-call.s3", self._answered, unique_id="syncd-renewing-credentials")

    def refused(self) -> None:
        """The next signature looks for other credentials first."""
        self._refused = True

    def hear(self, code: str) -> bool:
        """A store refused a request with that word; whether other credentials may do."""
        if code in REFUSALS:
            self.refused()
        return code in REFUSALS

    def get_frozen_credentials(self) -> Any:
        """Those to sign one request with."""
        if self._refused:
            self._renew()
        return self._found.get_frozen_credentials()

    def _renew(self) -> None:
        with self._lock:
            if not self._refused or self._monotonic() - self._looked < REST_S:
                return
            self._looked = self._monotonic()
            found = self._lookup()
            if found is not None:  # None: a file that is just being rewritten
                self._found, self._refused = found, False

    def _answered(self, *, parsed: Any, **_: object) -> None:
        self.hear(str(parsed.get("Error", {}).get("Code", "")))

    def __getattr__(self, name: str) -> Any:
        """Whatever else the SDK asks of credentials, of those that are in use."""
        return getattr(self._found, name)


class TheseCredentials:
    """Stands in a session in the place of the SDK's chain of providers."""

    def __init__(self, credentials: RenewingCredentials) -> None:
        self._credentials = credentials

    def load_credentials(self) -> RenewingCredentials:
        """Those."""
        return self._credentials
