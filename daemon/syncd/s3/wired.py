"""The wire to the buckets of one client: connections, credentials and the time are shared, retries are counted."""

from __future__ import annotations

import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from os.path import isdir
from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar
from urllib.parse import urlsplit

from syncd import __version__
from syncd.errors import ConfigError
from syncd.s3.attempts import Limiting, Unlimited, is_slowing, may_pass, pause_s
from syncd.s3.clock import ServerClock
from syncd.s3.counts import RequestCounts
from syncd.s3.plane import LEAN, Resolved, choose
from syncd.s3.translate import failed
from syncd.s3.wire.answers import Refused
from syncd.s3.wire.failure import WireError
from syncd.s3.wire.operations import Address, Bucket, Requested
from syncd.s3.wire.origin import Origin, Patience
from syncd.s3.wire.sign import Keys
from syncd.s3.wire.transport import Transport

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError

    from syncd.s3.connect import Connection

T = TypeVar("T")

PORTS = {"https": 443, "http": 80}
SLOWED = frozenset({429, 503})
"""What is counted as a word to go slower, on both planes."""
MOVED = frozenset({301, 302, 307})
ELSEWHERE = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"})
AGENT = f"syncd/{__version__}"


def address_of(resolved: Resolved) -> Address:
    """Where that is, as the wire wants it."""
    parts = urlsplit(resolved.url)
    usual = PORTS[parts.scheme]
    host = parts.hostname or ""
    port = parts.port or usual
    named = f"[{host}]" if ":" in host else host
    origin = Origin(scheme=parts.scheme, host=host, port=port)
    shown = named if port == usual else f"{named}:{port}"
    return Address(origin=origin, host=shown, base=parts.path, region=resolved.region, service=resolved.service)


def _never(seconds: float) -> bool:
    return threading.Event().wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the requests of one client go through on their way. `rest` waits, True where all is being stopped.

    `up` and `down` are told of the bytes of bodies, and may take their time.
    """

    counts: RequestCounts = field(default_factory=RequestCounts)
    clock: ServerClock = field(default_factory=ServerClock)
    limiter: Limiting = field(default_factory=Unlimited)
    rest: Callable[[float], bool] = _never
    up: Callable[[int], None] | None = None
    down: Callable[[int], None] | None = None


class Line:
    """What all buckets of one client share. Thread-safe. Its idle connections are closed with it."""

    def __init__(
        self,
        connection: Connection,
        *,
        resolve: Callable[[str, str], Resolved],
        retries: int,
        patience: Patience,
        around: Surroundings,
    ) -> None:
        self.around = around
        self.retries = retries
        self._connection = connection
        self._resolve = resolve
        self._patience = patience
        self._lock = threading.Lock()
        self._transports: dict[Origin, Transport] = {}
        self._tls: ssl.SSLContext | None = None
        self._keys: tuple[object, Keys] | None = None
        self._ahead_s = 0.0
        weakref.finalize(self, _close_all, self._transports)

    def bucket(self, resolved: Resolved) -> Bucket:
        """The wire to a bucket that is there."""
        address = address_of(resolved)
        with self._lock:
            transport = self._transports.get(address.origin)
            if transport is None:
                transport = self._transports[address.origin] = self._transport(address.origin)
        return Bucket(transport, address, self.keys, agent=AGENT, now=self._now, heard=self._heard)

    def moved(self, bucket: str, region: str) -> Bucket | None:
        """The wire to that bucket in another region, as botocore resolves it. None where that is not ours to speak."""
        resolved = self._resolve(bucket, region)
        return self.bucket(resolved) if choose("auto", bucket, resolved) == LEAN else None

    def keys(self) -> Keys:
        """The credentials to sign one request with."""
        try:
            frozen = self._connection.credentials.get_frozen_credentials()
        except _sdk_error() as error:
            raise failed(error, self._connection.place) from error
        known = self._keys
        if known is not None and known[0] == frozen:
            return known[1]
        keys = Keys(frozen.access_key, frozen.secret_key, frozen.token or "")
        self._keys = (frozen, keys)
        return keys

    def renewed(self, refused: Refused) -> bool:
        """Whether there are other credentials than those that were refused. Looks for some where that may help."""
        if refused.keys is None or not self._connection.credentials.hear(refused.code):
            return False
        return self.keys() != refused.keys

    def set_clock(self, date: str) -> bool:
        """Sign by the server's clock from now on. False where it did not tell it."""
        try:
            self._ahead_s = parsedate_to_datetime(date).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return False
        return True

    def _now(self) -> float:
        return time.time() + self._ahead_s

    def _heard(self, headers: Mapping[str, str]) -> None:
        date = headers.get("date")
        if date:
            self.around.clock.heard(date)

    def _transport(self, origin: Origin) -> Transport:
        tls = self._context() if origin.scheme == "https" else None
        return Transport(origin, tls=tls, patience=self._patience, meter=self.around.up)

    def _context(self) -> ssl.SSLContext:
        """One for all connections, so that sessions are taken up again."""
        if self._tls is None:
            trusted = self._connection.authorities
            folder = isdir(trusted)
            try:
                self._tls = ssl.create_default_context(
                    cafile=None if folder else trusted, capath=trusted if folder else None
                )
            except OSError as error:  # no such file, or no certificates in it
                raise ConfigError(
                    [f"the certificates of authorities in {trusted} cannot be read: {error.strerror or error}"],
                    hint="check AWS_CA_BUNDLE, REQUESTS_CA_BUNDLE and ca_bundle of the AWS profile",
                ) from error
        return self._tls


def _sdk_error() -> type[BotoCoreError]:
    from botocore.exceptions import BotoCoreError

    return BotoCoreError


def _close_all(transports: dict[Origin, Transport]) -> None:
    for transport in transports.values():
        transport.close()


@dataclass(slots=True)
class Attempt(Generic[T]):
    """One request to a bucket where it was then; `answer` waits for what comes of it, once. `there`: it is here."""

    bucket: Bucket
    answer: Callable[[], T]
    there: Callable[[], bool]


class Wired:
    """The wire to one bucket: where it is by now, and how often a request may go there."""

    def __init__(self, line: Line, name: str, resolved: Resolved) -> None:
        self.line = line
        self._name = name
        self._bucket = line.bucket(resolved)
        self.scheme = self._bucket.address.origin.scheme

    def start(self, kind: str, begin: Callable[[Bucket], Requested[T]]) -> Attempt[T]:
        """Let `begin` send a request, and hand out what waits for its answer: the first attempt of a `send`."""
        self.line.around.limiter.before()
        self.line.around.counts.add(**{kind: 1})
        bucket = self._bucket
        try:
            sent = begin(bucket)
        except WireError as error:
            return Attempt(bucket, partial(_raise, error), _failed)
        return Attempt(bucket, sent.answer, sent.there)

    def send(
        self, kind: str, once: Callable[[Bucket], T], *, started: Attempt[T] | None = None, again: bool = True
    ) -> T:
        """Let `once` send one request, again where that may help: within the retries, or once for each mended cause.

        `started`: the first attempt, which is under way. Raises what the last attempt raised. Not `again`: there is no
        other, though what may be mended is.
        """
        around, tried, mended = self.line.around, 0, set[str]()
        while True:
            tried += 1
            if started is None:
                around.limiter.before()
                around.counts.add(**({kind: 1} if tried == 1 and not mended else {kind: 1, "retried": 1}))
                bucket = self._bucket
                take: Callable[[], T] = partial(once, bucket)
            else:
                bucket, take, started = started.bucket, started.answer, None
            try:
                answer = take()
            except WireError as error:
                if is_slowing(error):
                    around.limiter.throttled()
                    around.counts.add(throttled=int(error.status in SLOWED or error.code == "SlowDown"))
                elif isinstance(error, Refused):
                    around.limiter.succeeded()
                better = isinstance(error, Refused) and self._mended(error, bucket, mended)
                if not again:
                    raise
                if better:
                    tried -= 1
                elif tried > self.line.retries or not may_pass(error) or around.rest(pause_s(tried)):
                    raise
            else:
                around.limiter.succeeded()
                return answer

    def _mended(self, refused: Refused, bucket: Bucket, mended: set[str]) -> bool:
        """Whether the cause of that refusal is away: each once a request, outside its retries."""
        if refused.code == "RequestTimeTooSkewed":
            return _first("clock", mended) and self.line.set_clock(refused.date)
        bare = refused.code == "400" and bool(refused.region)  # of a HEAD
        if refused.status in MOVED or refused.code in ELSEWHERE or bare:
            return _first("region", mended) and self._follow(refused.region, bucket)
        return _first("keys", mended) and self.line.renewed(refused)

    def _follow(self, region: str, bucket: Bucket) -> bool:
        """Sign for the region that was named, and send to where botocore has the bucket there: never to a Location."""
        if self._bucket is not bucket:  # another thread has learnt it
            return True
        if not region or region == bucket.address.region:
            return False
        there = self.line.moved(self._name, region)
        if there is None:
            return False
        self._bucket = there
        return True


def _raise(error: WireError) -> NoReturn:
    raise error


def _failed() -> bool:
    return False  # what follows is another attempt


def _first(cause: str, mended: set[str]) -> bool:
    if cause in mended:
        return False
    mended.add(cause)
    return True
