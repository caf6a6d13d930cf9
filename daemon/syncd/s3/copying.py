"""A server-side copy of an object over 5 GiB: in parts, with everything that S3 does not carry by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from syncd import checkpoint
from syncd.core.model import ETag
from syncd.errors import RemoteError, Stale
from syncd.ports import Part
from syncd.s3.facts import any_checksum, parse_etag
from syncd.s3.parameters import quoted
from syncd.s3.translate import Place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LIMIT = 5 * 1024**3
"""The largest source of one CopyObject."""
PART = 512 * 1024**2
MAX_PARTS = 10_000

CARRIED = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "Metadata")
"""What HEAD shows and Create takes: a copy in parts begins with none of it."""


class Journal(Protocol):
    """Where an upload in parts is noted, so that it alone is dropped after a crash."""

    def journal_upload(self, key: str, upload_id: str) -> None:
        """Remember it, durably on return."""
        ...

    def forget_upload(self, upload_id: str) -> None:
        """It was completed or dropped."""
        ...


class NoJournal:
    """For who makes no such copies."""

    def journal_upload(self, key: str, upload_id: str) -> None:
        """Remember nothing."""

    def forget_upload(self, upload_id: str) -> None:
        """There is nothing to forget."""


class BucketJournal:
    """The journal of many buckets, as one of them writes to it: keys begin with its name."""

    def __init__(self, journal: Journal, bucket: str) -> None:
        self._journal = journal
        self._bucket = bucket

    def journal_upload(self, key: str, upload_id: str) -> None:
        """Under the whole key."""
        self._journal.journal_upload(f"{self._bucket}/{key}", upload_id)

    def forget_upload(self, upload_id: str) -> None:
        """An id is one bucket's alone."""
        self._journal.forget_upload(upload_id)


def ranges(size: int) -> list[tuple[int, int]]:
    """(start, length) of each part of a source of that size."""
    step = max(PART, -(-size // MAX_PARTS))
    return [(start, min(step, size - start)) for start in range(0, size, step)]


def carried(source: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of Create that make the copy's headers the source's, from a HEAD of the source."""
    return {name: source[name] for name in CARRIED if source.get(name)}


def tags_of(client: S3Client, bucket: str, key: str) -> str:
    """The source's tags as the Tagging header takes them; "" where it has none or they may not be read."""
    from urllib.parse import urlencode

    from botocore.exceptions import ClientError

    try:
        with checkpoint.S3_TAGS:
            answer = client.get_object_tagging(Bucket=bucket, Key=key)
    except ClientError:  # a store without tags, or a policy without GetObjectTagging: the bytes matter more
        return ""
    return urlencode([(tag["Key"], tag["Value"]) for tag in answer["TagSet"]])


def copy_parts(
    client: S3Client, source: tuple[str, str], etag: ETag, size: int, target: Place, upload_id: str
) -> list[Part]:
    """Copy every range of exactly that source into the upload. Stale where the source changed meanwhile."""
    return [
        _copy_part(client, source, etag, target, upload_id, number, start, length)
        for number, (start, length) in enumerate(ranges(size), start=1)
    ]


def _copy_part(
    client: S3Client,
    source: tuple[str, str],
    etag: ETag,
    target: Place,
    upload_id: str,
    number: int,
    start: int,
    length: int,
) -> Part:
    with target.translated(pinned=True), checkpoint.S3_COPY_PART:
        answer = client.upload_part_copy(
            Bucket=target.bucket,
            Key=target.key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": source[0], "Key": source[1]},
            CopySourceIfMatch=quoted(etag),
            CopySourceRange=f"bytes={start}-{start + length - 1}",
        )
    result = answer["CopyPartResult"]
    return Part(number, parse_etag(result.get("ETag")), any_checksum(result))


@contextmanager
def journaled(journal: Journal, key: str, upload_id: str, abort: Callable[[], None]) -> Iterator[None]:
    """Around the parts: the upload is noted before the first, and forgotten once it is completed or dropped.

    Where it fails it is dropped first (an abandoned one is billed); after a crash the next start does it.
    """
    journal.journal_upload(key, upload_id)
    try:
        yield
    except BaseException:
        with suppress(RemoteError, Stale):  # what failed first is what is told
            abort()
            journal.forget_upload(upload_id)
        raise
    journal.forget_upload(upload_id)
