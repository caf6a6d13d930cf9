"""The stores of one endpoint's buckets, each on the plane that speaks what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.config.types import S3
from syncd.ports import Capabilities
from syncd.s3 import copying
from syncd.s3.connect import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Connection, connected
from syncd.s3.gateway import Boto3Objects
from syncd.s3.lean import LeanObjects, Sums
from syncd.s3.plane import Resolved, choose
from syncd.s3.resolve import resolve
from syncd.s3.translate import Place
from syncd.s3.wire.origin import Patience
from syncd.s3.wired import Line, Surroundings, Wired

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from syncd.s3.buckets import BucketStore


class Planes:
    """Makes the stores of buckets, which share a client, its credentials and its connections. Thread-safe."""

    def __init__(self, settings: S3, connection: Connection, around: Surroundings) -> None:
        self.client: S3Client = connection.client
        self._settings = settings
        self._around = around
        self._line = Line(
            connection,
            resolve=self._resolved,
            retries=settings.retries,
            patience=Patience(connect_s=CONNECT_TIMEOUT_S, answer_s=READ_TIMEOUT_S),
            around=around,
        )
        self._wired: dict[str, Wired] = {}

    @classmethod
    def to(cls, settings: S3, around: Surroundings) -> Planes:
        """Connect as `connected` does."""
        return cls(settings, connected(settings), around)

    def store(self, bucket: str, capabilities: Capabilities, journal: copying.Journal | None = None) -> BucketStore:
        """That bucket, used as a probe found it."""
        resolved = self._resolved(bucket, "")
        choice = choose(self._settings.plane, bucket, resolved)
        rare = Boto3Objects(
            self.client,
            bucket,
            checksum=self._settings.checksum,
            capabilities=capabilities,
            counts=self._around.counts,
            clock=self._around.clock,
            journal=journal,
            detour=choice.reason,
        )
        if choice.name == "boto3":
            return rare
        wired = self._wired.get(bucket)
        if wired is None:  # two threads may make one each, and one of them serves as well as the other
            wired = self._wired[bucket] = Wired(self._line, bucket, resolved)
        config: Any = self.client.meta.config  # the stubs do not know all of it
        sums = Sums(
            checksum=self._settings.checksum,
            some=config.request_checksum_calculation == "when_supported",
            asked=config.response_checksum_validation == "when_supported",
        )
        return LeanObjects(rare, wired, sums=sums)

    def _resolved(self, bucket: str, region: str) -> Resolved:
        with Place(self.client.meta.endpoint_url, bucket).translated():
            return resolve(self.client, bucket, region=region)
