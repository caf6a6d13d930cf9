"""The canary of each endpoint and bucket: kept with its date, sent again daily, and cleanup waits for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from syncd import events
from syncd.config.types import Pair
from syncd.core.model import Mode
from syncd.engine.context import Context, Endpoint
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Capabilities, Clock, Events
from syncd.store.capabilities import CapabilityTable

DAILY_S = 86_400.0
EARLY_S = 7_200.0
"""Up to so much before its day is over it goes again, each bucket at a time of its own."""

TRUSTED_S = 2 * 86_400.0
"""So long after a canary that passed the endpoint counts as proven."""

RETRY_S = 900.0
"""After one that failed."""

LATE_S = 60.0
"""A date so far ahead of the clock is of a clock that was wrong."""

ALL_BUCKETS = "*"

HEEDED = ("put_if_none_match", "put_if_match", "delete_if_match")


@dataclass(frozen=True, slots=True, kw_only=True)
class Canaries:
    """What is known of endpoints, and when it is looked at again."""

    table: CapabilityTable
    clock: Clock
    events: Events

    def known(self, pair: Pair) -> Endpoint:
        """What is remembered of a pair's bucket; an endpoint of which nothing is assumed where nothing is."""
        seen = self.table.get(*_place(pair))
        return Endpoint() if seen is None else standing(seen)

    def current(self, pair: Pair, endpoint: Endpoint, probe: Callable[[], Capabilities]) -> Endpoint:
        """The endpoint as it is known now: the same one, or what another pair's canary or a new one found.

        RemoteError where the very first canary fails. A later one that fails is said, and changes nothing but that
        nothing is cleaned: at once where it came back spoilt, else when the last one that passed is too old.
        """
        known = self.known(pair)
        if _newer(known.capabilities, endpoint.capabilities):
            known.trouble = known.capabilities.distrusted
            endpoint = known
        if not self._is_due(pair, endpoint):
            return endpoint
        before = endpoint.capabilities
        try:
            seen = replace(probe(), probed_at=self.clock.now())
        except RemoteError as error:
            if not before.probed_at:
                raise
            return self._failed(pair, endpoint, error)
        self.table.put(*_place(pair), seen)
        self._tell(pair, before, seen)
        return standing(seen)

    def _is_due(self, pair: Pair, endpoint: Endpoint) -> bool:
        now, at = self.clock.now(), endpoint.capabilities.probed_at
        if not at:
            return True
        if 0 <= now - endpoint.tried_at < RETRY_S:
            return False
        aged = now - at >= DAILY_S - early_s(pair) or at - now > LATE_S
        return aged or bool(endpoint.capabilities.distrusted)

    def _failed(self, pair: Pair, endpoint: Endpoint, error: RemoteError) -> Endpoint:
        """What a daily one that failed means. Said once for each reason."""
        endpoint.tried_at = self.clock.now()
        if error.kind is RemoteKind.CORRUPT and not endpoint.capabilities.distrusted:
            endpoint.capabilities = replace(endpoint.capabilities, distrusted=error.message)
            endpoint.proven_until = 0.0
            self.table.put(*_place(pair), endpoint.capabilities)
        if not endpoint.trouble:
            self.events.emit(events.ENDPOINT_UNPROVEN, pair=pair.name, **error.said)
        endpoint.trouble = error.message
        return endpoint

    def _tell(self, pair: Pair, before: Capabilities, seen: Capabilities) -> None:
        honoured = [name for name in HEEDED if getattr(seen, name)]
        self.events.emit(
            events.ENDPOINT_PROBED, pair=pair.name, honours=", ".join(honoured) or "none", versioned=seen.versioned
        )
        for name in lost(before, seen):
            self.events.emit(
                events.ENDPOINT_DEGRADED,
                pair=pair.name,
                capability=name,
                reason="the endpoint did this at the last canary and does not any more: it is relied on no longer",
            )


def _place(pair: Pair) -> tuple[str, str]:
    """Under what it is kept. Many buckets have canaries only where they are cleaned, so both are kept apart."""
    many = ALL_BUCKETS if pair.cleanup else ""
    return pair.s3.endpoint_url, many if pair.layout == "buckets" else pair.bucket


def standing(seen: Capabilities) -> Endpoint:
    """An endpoint as a canary found it: proven for two days, unless bytes came back spoilt or could not be read."""
    fit = seen.probed_at > 0 and not seen.distrusted and "s3:GetObject" not in seen.denied
    return Endpoint(seen, proven_until=seen.probed_at + TRUSTED_S if fit else 0.0)


def lost(before: Capabilities, seen: Capabilities) -> list[str]:
    """Names of what it could and cannot any more."""
    names = [field.name for field in fields(Capabilities) if field.type in {"bool", bool}]
    return [name for name in names if name != "quoted_if_match" and getattr(before, name) and not getattr(seen, name)]


def early_s(pair: Pair) -> float:
    """How much before its day is over a bucket's canary goes again: always the same for one bucket."""
    place = hashlib.sha256(f"{pair.s3.endpoint_url} {pair.bucket}".encode()).digest()
    return EARLY_S * place[0] / 256


def doubt(context: Context | None) -> str:
    """Why nothing is cleaned by a world that has had its canary; "" where one of late passed."""
    if context is None or context.may_clean or not context.capabilities.probed_at or context.pair.mode is Mode.DOWNLOAD:
        return ""
    seen = context.capabilities
    if "s3:GetObject" in seen.denied:
        reason = "what is put there cannot be read back (s3:GetObject is denied)"
    else:
        days = max(context.clock.now() - seen.probed_at, 0) / DAILY_S
        reason = seen.distrusted or context.endpoint.trouble or f"its last canary was {days:.0f} d ago"
    return f"the endpoint is not proven, so nothing is cleaned there: {reason} (synctl doctor)"


def proven_at(context: Context | None) -> float | None:
    """When a canary passed that still counts, in seconds since the epoch."""
    if context is None or not context.may_clean or (context.pair.layout == "buckets" and not context.pair.cleanup):
        return None
    return context.capabilities.probed_at


def _newer(known: Capabilities, used: Capabilities) -> bool:
    """Whether another pair, or the doctor, found something since."""
    return (known.probed_at, known.distrusted) != (used.probed_at, used.distrusted) and (
        known.probed_at > used.probed_at or bool(known.distrusted)
    )
