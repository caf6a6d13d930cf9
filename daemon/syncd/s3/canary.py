"""The objects of one probe: every request on them answered with taken, refused or denied, and all of them removed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from syncd import checkpoint
from syncd.core.model import ETag
from syncd.errors import RemoteError, RemoteKind
from syncd.s3.facts import parse_etag
from syncd.s3.parameters import quoted
from syncd.s3.translate import CODES, Place, error_code, error_status, refused

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

WRONG = ETag("00000000000000000000000000000000")
UNKNOWN_HERE = frozenset({400, 403, 404, 405, 409, 411, 415, 422, 501})
"""Statuses by which a store says that it does not do this, once it was seen that it lets us in."""

DECISIVE = frozenset(CODES) - {"AccessDenied", "NotImplemented", "MetadataTooLarge", "NoSuchUpload"}
"""Codes that say something of the endpoint, the bucket or the credentials, not of the one request."""

BUSY = frozenset({408, 429, 503})
"""Refusals that say nothing of what was asked."""

REFUSALS = frozenset(range(400, 500)) | {501}

ABOUT_BYTES = frozenset(code for code, (kind, _, _) in CODES.items() if kind is RemoteKind.CORRUPT) | {
    "SignatureDoesNotMatch"
}
"""Decisive codes that may be the answer to a wrong checksum, or to a payload that is not the signed one."""

WRITES = frozenset({"put_object", "copy_object", "complete_multipart_upload"})

ACTIONS = {
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "get_object": "s3:GetObject",
    "head_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "delete_object": "s3:DeleteObject",
    "get_bucket_versioning": "s3:GetBucketVersioning",
    "list_object_versions": "s3:ListBucketVersions",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
}
"""What IAM calls the right to each request."""


class Canary:
    """The object at `key`, and others whose names begin with it. `denied`: IAM actions that were answered with 403."""

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self.client = client
        self.key = key
        self.etag = WRONG
        self.sums: dict[str, str] = {}  # the checksum parameters of its body that this store takes
        self.denied: set[str] = set()
        self.place = Place(client.meta.endpoint_url, bucket, key.rpartition("/")[0])  # one failure, one message
        self._bucket = bucket
        self._allowed: set[str] = set()
        self._made: list[tuple[str, str]] = []  # (key, version id or "")
        self._uploads: set[tuple[str, str]] = set()  # (key, upload id)
        self._beside: list[Any] = []  # what lay in its folder

    # --- one request --------------------------------------------------------------------------------------

    def must(self, call: Callable[..., Any], **parameters: Any) -> Any:
        """The answer of what every store does that is there. RemoteError else."""
        with self.place.translated(), checkpoint.S3_PROBE:
            answer = call(Bucket=self._bucket, **parameters)
        self._note(call, parameters, answer)
        return answer

    def tries(self, call: Callable[..., Any], **parameters: Any) -> Any:
        """The answer, or None where the store does not do this."""
        return self._asked(call, parameters)[1]

    def takes(self, call: Callable[..., Any], **parameters: Any) -> bool:
        """Whether the store does it."""
        return self.tries(call, **parameters) is not None

    def refuses(self, call: Callable[..., Any], **parameters: Any) -> bool:
        """Whether the store answers 412. Anything else is no precondition."""
        return self._asked(call, parameters)[0] == 412

    def status_of(self, call: Callable[..., Any], **parameters: Any) -> int:
        """200, or the status by which just this request is refused. RemoteError where it is about anything else.

        For what is asked wrongly on purpose. 0: the store broke down over it, which is nothing to rely on.
        """
        from botocore.exceptions import ClientError

        try:
            with self.place.translated():
                try:
                    with checkpoint.S3_PROBE:
                        answer = call(Bucket=self._bucket, **parameters)
                except ClientError as error:
                    status, code = error_status(error), error_code(error)
                    if status in BUSY or (code in DECISIVE and code not in ABOUT_BYTES):
                        raise refused(error, self.place) from error
                    return status if status in REFUSALS else 0
        except RemoteError as error:
            if error.kind is not RemoteKind.UNAVAILABLE:
                raise
            return 0
        self._note(call, parameters, answer)
        return 200

    def is_there(self, key: str) -> bool:
        """Whether an object lies at that key, as far as a HEAD shows."""
        return self.takes(self.client.head_object, Key=key)

    def look(self) -> None:
        """The object's ETag as it is now, whatever became of the puts before."""
        seen = self.tries(self.client.head_object, Key=self.key)
        if seen is not None:
            self.etag = parse_etag(seen.get("ETag"))

    def reads(self, key: str, body: bytes) -> bool:
        """Whether these bytes come back; False where reading is denied. RemoteError CORRUPT where others come."""
        if "s3:GetObject" in self.denied:
            return False
        if "s3:GetObject" not in self._allowed:
            answer = self.tries(self.client.get_object, Key=key)
            if "s3:GetObject" in self.denied:
                return False
            if answer is None:
                raise self._unfit(f"what was put to {key} cannot be read")
        else:
            answer = self.must(self.client.get_object, Key=key)
        if self.body_of(answer) != body:
            raise self._unfit("what is read is not what was put")
        return True

    def reads_range(self, key: str, body: bytes, start: int, length: int) -> bool:
        """Whether exactly that part of these bytes comes. RemoteError CORRUPT where it is neither that nor all."""
        answer = self.tries(self.client.get_object, Key=key, Range=f"bytes={start}-{start + length - 1}")
        if answer is None:
            return False
        got = self.body_of(answer)
        if got not in {body, body[start : start + length]}:
            raise self._unfit("a range that is read is not that of what was put")
        return got != body

    def body_of(self, answer: Any) -> bytes:
        """All bytes of an answer."""
        with self.place.translated(), answer["Body"] as stream:
            return bytes(stream.read())

    # --- uploads in parts, which are to be dropped too ----------------------------------------------------

    def begun(self, key: str, upload: str) -> None:
        """An upload in parts is open."""
        self._uploads.add((key, upload))

    def ended(self, key: str, upload: str) -> None:
        """It is not any more."""
        self._uploads.discard((key, upload))

    def look_around(self) -> None:
        """List the folder of all canaries, which also shows whether that may be done."""
        seen = self.tries(self.client.list_objects_v2, Prefix=self.key.rpartition("/")[0] + "/")
        self._beside = [] if seen is None else list(seen.get("Contents", ()))

    # --- its end ------------------------------------------------------------------------------------------

    def remove(self) -> None:
        """Delete what was made, each version of it where there are versions. What may not be deleted stays."""
        from botocore.exceptions import BotoCoreError, ClientError

        gone = (ClientError, BotoCoreError)  # a policy without delete: the canary is small
        for key, upload in self._uploads:
            with suppress(*gone), checkpoint.S3_PROBE:
                self.client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
        for key in {key for key, _ in self._made}:
            with suppress(*gone), checkpoint.S3_PROBE:
                self._made.append((key, self.client.delete_object(Bucket=self._bucket, Key=key).get("VersionId", "")))
        if not any(version for _, version in self._made):
            return
        with suppress(*gone), checkpoint.S3_PROBE:  # not every answer names the version that it made
            seen = self.client.list_object_versions(Bucket=self._bucket, Prefix=self.key)
            self._made += [(row["Key"], row["VersionId"]) for row in seen.get("Versions", ())]
            self._made += [(row["Key"], row["VersionId"]) for row in seen.get("DeleteMarkers", ())]
        for key, version in {made for made in self._made if made[1]}:
            with suppress(*gone), checkpoint.S3_PROBE:
                self.client.delete_object(Bucket=self._bucket, Key=key, VersionId=version)

    def sweep(self, *, before: float) -> None:
        """Delete what probes that were killed left beside this one's objects, last written before that time.

        Seconds since the epoch. A thousand at most; what may not be listed or deleted stays: a few hundred bytes.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        for row in self._beside:
            if row["LastModified"].timestamp() < before:
                with suppress(ClientError, BotoCoreError), checkpoint.S3_PROBE:
                    self.client.delete_object(Bucket=self._bucket, Key=row["Key"])

    # --- inside -------------------------------------------------------------------------------------------

    def _asked(self, call: Callable[..., Any], parameters: dict[str, Any]) -> tuple[int, Any]:
        from botocore.exceptions import ClientError

        with self.place.translated():
            try:
                with checkpoint.S3_PROBE:
                    answer = call(Bucket=self._bucket, **parameters)
            except ClientError as error:
                status = error_status(error)
                if status == 412 or (status in UNKNOWN_HERE and error_code(error) not in DECISIVE):
                    self._note_refusal(call, error)
                    return status, None
                raise refused(error, self.place) from error
        self._note(call, parameters, answer)
        return 200, answer

    def _note(self, call: Callable[..., Any], parameters: dict[str, Any], answer: Any) -> None:
        """What a request that was answered made, and that one may send it."""
        name = call.__name__
        action = ACTIONS.get(name, "")
        self._allowed.add(action)
        self.denied.discard(action)  # it was something else that was refused before
        if name not in WRITES:
            return
        key = parameters["Key"]
        self._made.append((key, answer.get("VersionId", "")))
        if key == self.key and answer.get("ETag"):  # radosgw answers a Complete without one
            self.etag = parse_etag(answer["ETag"])

    def _note_refusal(self, call: Callable[..., Any], error: ClientError) -> None:
        """A 403 to the first request of its kind is a right that is missing; later ones say something of the object."""
        action = ACTIONS.get(call.__name__, "")
        if action and action not in self._allowed and error_status(error) == 403:
            self.denied.add(action)

    def _unfit(self, what: str) -> RemoteError:
        return RemoteError(
            RemoteKind.CORRUPT,
            f"{self.place}: the canary failed: {what}",
            hint="nothing is entrusted to this endpoint until that is mended: look at the store and at what is between",
        )


def tagged(etag: ETag, quotes: bool) -> str:
    """As it stands in If-Match."""
    return quoted(etag) if quotes else etag
