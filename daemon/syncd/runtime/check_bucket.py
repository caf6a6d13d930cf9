"""What a pair's bucket is like: listable, what it honours, what time it has there, who else writes to it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from syncd.config.types import Pair
from syncd.core.model import ListedObject, Mode
from syncd.core.paths import OURS
from syncd.errors import PairHalted, RemoteError, RemoteKind
from syncd.local.root import Root
from syncd.ports import Capabilities, Clock, ObjectStore
from syncd.runtime.assembly import UNMARKED, Link
from syncd.runtime.canaries import standing
from syncd.runtime.check_canary import canary_findings, permission_finding
from syncd.runtime.finding import CREDENTIALS, FAIL, S3, WARN, Finding, looked
from syncd.runtime.plane import said_of
from syncd.store.database import Database

SKEW_WARN_S, SKEW_FAIL_S = 60.0, 900.0
HEADS = 3

WHO = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "ExpiredToken", "InvalidToken"})
"""Codes that are about the credentials, not about what they may do."""

FORBIDDEN = frozenset({"AccessDenied", "403"})

ANSWERED = frozenset({RemoteKind.DENIED, RemoteKind.EXPIRED, RemoteKind.FULL, RemoteKind.MISSING, RemoteKind.REJECTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the checks of every endpoint share. `database`: the open one, where a daemon asks."""

    environ: Mapping[str, str]
    clock: Clock
    hostname: str
    machine_id: str
    database: Database | None


def capability_findings(pair: Pair, seen: Capabilities, *, when: str) -> Iterator[Finding]:
    """What the probe saw, and what it means for this pair."""
    check = f"{pair.name} capabilities"
    words = {
        "If-None-Match": seen.put_if_none_match,
        "If-Match": seen.put_if_match,
        "If-Match on DELETE": seen.delete_if_match,
        "If-Match on copy": seen.copy_if_match,
        "CRC64NVME kept": seen.stores_checksum,
        "ETag is the MD5": seen.etag_is_md5,
        "versions": seen.versioned,
    }
    honoured = ", ".join(word for word, there in words.items() if there) or "no precondition"
    yield Finding(check=check, kind=S3, message=f"honours {honoured} ({when})")
    if not (seen.put_if_none_match and seen.put_if_match):
        yield Finding(
            check=check,
            kind=S3,
            level=WARN,
            message="not every write can carry its precondition: syncd looks right before each one, and a writer who "
            "comes in between is overwritten",
            remedy=f'keep_versions = "all"   # in [[pair]] {pair.name}: what is replaced is kept',
        )
    if pair.deletes.value == "propagate" and not (seen.delete_if_match or seen.versioned):
        yield Finding(
            check=check,
            kind=S3,
            level=WARN,
            message="no conditional delete and no versions: deletions are not carried to this bucket",
            remedy=_aws(
                pair, f"put-bucket-versioning --bucket {pair.bucket} --versioning-configuration Status=Enabled"
            ),
        )


def skew_finding(check: str, seconds: float) -> Finding:
    """What a difference of the clocks means; positive where the server's is ahead."""
    size = abs(seconds)
    side = "ahead of" if seconds > 0 else "behind"
    if size <= SKEW_WARN_S:
        return Finding(check=check, kind=S3, message=f"within {max(size, 1):.0f} s of this host's clock")
    return Finding(
        check=check,
        kind=S3,
        level=FAIL if size > SKEW_FAIL_S else WARN,
        message=f"the server's clock is {size:,.0f} s {side} this host's: conflicts go by time, and requests signed "
        f"more than {SKEW_FAIL_S / 60:.0f} minutes off are refused",
        remedy="sudo timedatectl set-ntp true",
    )


def sign_in(pair: Pair, error: RemoteError) -> str:
    """The command that gives credentials, or makes them fresh."""
    command = "aws sso login" if error.kind is RemoteKind.EXPIRED else "aws configure"
    return command + (f" --profile {shlex.quote(pair.s3.profile)}" if pair.s3.profile else "")


class BucketCheck:
    """The checks of one bucket and prefix. `configured` is the pair as the configuration has it.

    `archives`: a batch writes there, under names that no other host can have, and replaces nothing.
    """

    def __init__(self, configured: Pair, link: Link, around: Surroundings, *, archives: bool = False) -> None:
        self._configured = configured
        self._pair = link.pair
        self._link = link
        self._around = around
        self._archives = archives
        self._listed: tuple[ListedObject, ...] = ()
        self._answered = False

    def findings(self) -> Iterator[Finding]:
        """All of them, in order; what asks for a readable bucket only where it is."""
        objects = self._link.objects(self._remembered() or Capabilities())
        listing = list(self._listing(objects))
        yield from listing
        if self._answered:
            yield skew_finding(f"{self._pair.name} clock", objects.server_now() - self._around.clock.now())
        if any(finding.level == FAIL for finding in listing):
            return
        yield Finding(check=f"{self._pair.name} plane", kind=S3, message=f"bytes and listings go {said_of(objects)}")
        yield from self._look("capabilities", self._capabilities)
        if not self._archives:
            yield from self._look("prefix", lambda: self._other_hosts(objects))

    def there(self) -> Iterator[Finding]:
        """Whether it can be listed, and no more."""
        return self._listing(self._link.objects(Capabilities()))

    def _look(self, what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
        return looked(f"{self._pair.name} {what}", S3, look)

    def _listing(self, objects: ObjectStore) -> Iterator[Finding]:
        check, pair = f"{self._pair.name} bucket", self._pair
        try:
            page = next(iter(objects.list(pair.prefix)), None)
        except RemoteError as error:
            self._answered = error.kind in ANSWERED
            kind = CREDENTIALS if error.code in WHO or error.kind is RemoteKind.EXPIRED else S3
            yield Finding(check=check, kind=kind, level=FAIL, message=error.message, remedy=self._remedy(error))
            return
        self._answered = True
        self._listed = () if page is None else tuple(page.objects)
        count = f"{len(self._listed)} objects" if page is None or page.last else f"{len(self._listed)} objects and more"
        yield Finding(check=check, kind=S3, message=f"{pair.remote} can be listed: {count}")

    def _remedy(self, error: RemoteError) -> str:
        bucket = self._pair.bucket
        if error.code in {"NoSuchBucket", "404"}:
            return _aws(self._pair, f"create-bucket --bucket {bucket}")
        if error.code in WHO or error.kind is RemoteKind.EXPIRED:
            return sign_in(self._pair, error)
        if error.code in FORBIDDEN:
            return f"allow s3:ListBucket on arn:aws:s3:::{bucket}, and s3:GetObject, s3:PutObject on its objects"
        return error.hint

    def _remembered(self) -> Capabilities | None:
        """What the last canary saw, as the daemon has it: by the endpoint and the configured bucket."""
        database = self._around.database
        if database is None or self._configured.layout == "buckets":  # of several nothing is remembered by itself
            return None
        seen = database.capabilities.get(self._configured.s3.endpoint_url, self._configured.bucket)
        return seen if seen is not None and seen.probed_at else None

    def _capabilities(self) -> Iterator[Finding]:
        now, seen = self._around.clock.now(), self._remembered()
        if seen is not None and now < standing(seen).proven_until:
            when = f"probed {max(now - seen.probed_at, 0) / 3600:,.0f} h ago"
        elif self._pair.mode is Mode.DOWNLOAD:
            yield Finding(
                check=f"{self._pair.name} capabilities", kind=S3, message="not probed: this pair writes nothing there"
            )
            return
        else:
            try:
                seen, when = replace(self._link.probe(), probed_at=now), "probed now"
            except RemoteError as error:
                if error.code not in FORBIDDEN:
                    raise
                yield permission_finding(self._pair, "s3:PutObject", allowed=False)
                return
            if self._around.database is not None and self._configured.layout != "buckets":
                pair = self._configured
                self._around.database.capabilities.put(pair.s3.endpoint_url, pair.bucket, seen)
        found = capability_findings(self._pair, seen, when=when)
        yield from islice(found, 1) if self._archives else found
        yield from canary_findings(self._pair, seen, now)

    def _other_hosts(self, objects: ObjectStore) -> Iterator[Finding]:
        """Whether another host uploads to the same prefix, by a few of its objects."""
        pair, check = self._configured, f"{self._pair.name} prefix"
        if pair.mode is not Mode.UPLOAD or pair.layout == "buckets" or self._around.hostname in pair.prefix:
            return
        own, strange = self._own_id(), set()
        newest = sorted(self._listed, key=lambda row: row.last_modified_s, reverse=True)
        for row in [row for row in newest if OURS not in row.key.split("/")][:HEADS]:
            facts = objects.head(row.key)
            if facts is not None and facts.host_id not in {None, own}:
                strange.add(facts.host_id)
        if strange:
            yield Finding(
                check=check,
                kind=S3,
                level=WARN,
                message=f"objects below {pair.remote} were uploaded by {len(strange)} other host(s), or by an earlier "
                "root of this one: files of the same name would be in each other's way",
                remedy=f'remote = "{pair.remote}{{host}}/"   # in [[pair]] {pair.name}',
            )
        else:
            yield Finding(check=check, kind=S3, message="no other host was seen to upload there")

    def _own_id(self) -> str:
        """What our own uploads carry (see `assembly`)."""
        try:
            marker = Root.at(self._configured.local).marker()
        except PairHalted:
            marker = None
        uuid = UNMARKED if marker is None else marker.uuid
        return hashlib.sha256(f"{self._around.machine_id}:{uuid}".encode()).hexdigest()[:32]


def _aws(pair: Pair, what: str) -> str:
    endpoint = f" --endpoint-url {shlex.quote(pair.s3.endpoint_url)}" if pair.s3.endpoint_url else ""
    profile = f" --profile {shlex.quote(pair.s3.profile)}" if pair.s3.profile else ""
    return f"aws s3api {what}{endpoint}{profile}"
