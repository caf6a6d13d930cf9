"""The ObjectStore of one bucket by boto3: each method one request, its precondition with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from syncd import checkpoint
from syncd.core.model import ETag, ObjectFacts
from syncd.errors import RemoteError, Stale
from syncd.ports import (
    Awaited,
    Capabilities,
    Checksums,
    ListedPart,
    ListPage,
    Matches,
    ObjectBody,
    ObjectHeaders,
    Part,
    PutAnswer,
    RemoteExpect,
    Unchecked,
)
from syncd.s3 import copying, listing
from syncd.s3.body import ReadBody, sendable, signed_payload
from syncd.s3.clock import ServerClock
from syncd.s3.counts import RequestCounts
from syncd.s3.facts import any_checksum, etag_of_parts, object_facts, parse_etag, put_answer, version_id
from syncd.s3.parameters import Parameters, byte_range, condition, described, quoted, sums_of
from syncd.s3.reading import pinned_read, refuse_other, whole_size
from syncd.s3.translate import GONE, Place, error_code, error_status

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

TOO_LARGE_TO_COPY = frozenset({"InvalidRequest", "EntityTooLarge", "InvalidArgument"})


class Boto3Objects:
    """One bucket as an ObjectStore. Thread-safe; several may share a client, a clock and the counts.

    `checksum` is that of `[s3]`: crc64nvme, sha256 or none. `capabilities` are what the probe saw there. `journal` is
    told of the uploads that a large copy makes. `detour`: why the hot calls come here, if they do (see `planes`).
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        *,
        checksum: str,
        capabilities: Capabilities,
        counts: RequestCounts | None = None,
        clock: ServerClock | None = None,
        journal: copying.Journal | None = None,
        detour: str = "",
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.detour = detour
        self.capabilities = capabilities
        self.counts = counts or RequestCounts()
        self.place = Place(client.meta.endpoint_url, bucket)
        self._checksum = checksum
        self._clock = clock or ServerClock()
        self._journal = journal or copying.NoJournal()
        self._bucket_seen = False
        self.counts.attach(client)
        self._clock.attach(client)

    def with_capabilities(self, capabilities: Capabilities) -> Boto3Objects:
        """The same bucket, used as a probe found it."""
        return Boto3Objects(
            self.client,
            self.bucket,
            checksum=self._checksum,
            capabilities=capabilities,
            counts=self.counts,
            clock=self._clock,
            journal=self._journal,
            detour=self.detour,
        )

    @property
    def incomplete(self) -> frozenset[str]:
        """Never: a listing of one bucket that fails raises."""
        return frozenset()

    def server_now(self) -> float:
        """Seconds since the epoch by the server's last Date header; our own clock before any answer."""
        return self._clock.now()

    # --- looking ------------------------------------------------------------------------------------------

    def list(self, prefix: str) -> Iterator[ListPage]:
        """All objects below prefix in key order, up to a thousand a page. RemoteError where that is not sure."""
        return listing.pages(lambda token: self._list_page(prefix, token), prefix, self.place.at(prefix))

    def _list_page(self, prefix: str, token: str) -> listing.Fetched:
        more: Parameters = {"ContinuationToken": token} if token else {}
        with self.place.at(prefix).translated(), checkpoint.S3_LIST:
            answer = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1000, **more)
        self._bucket_seen = True
        return listing.fetched(answer)

    def head(self, key: str) -> ObjectFacts | None:
        """Facts of one object, or None where there is none. RemoteError MISSING where there is no bucket."""
        return None if (answer := self._head(key)) is None else object_facts(answer)

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        """The SDK asks and waits in one: all of it happens when the answer is taken."""
        return Awaited(partial(self.head, key))

    def _head(self, key: str) -> Any:
        from botocore.exceptions import ClientError

        with self.place.at(key).translated():
            try:
                with checkpoint.S3_HEAD:
                    answer = self.client.head_object(Bucket=self.bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if error_status(error) != 404:
                    raise
                self.see_bucket()
                return None
        self._bucket_seen = True
        return answer

    def saw_bucket(self) -> None:
        """Another way to it found the bucket there."""
        self._bucket_seen = True

    def see_bucket(self) -> None:
        """Ask once whether the bucket is there: the 404 of a HEAD does not say what is missing."""
        from botocore.exceptions import ClientError

        if self._bucket_seen:
            return
        try:
            with checkpoint.S3_HEAD_BUCKET:
                self.client.head_bucket(Bucket=self.bucket)
        except ClientError as error:
            if error_status(error) == 404:
                error.response["Error"]["Code"] = "NoSuchBucket"
                raise
        self._bucket_seen = True

    @contextmanager
    def get(
        self, key: str, *, expect: ETag | None, start: int = 0, length: int | None = None, version_id: str | None = None
    ) -> Iterator[ObjectBody]:
        """Read bytes [start, start+length) of exactly that ETag. `length` is not 0. Stale: it changed or is gone.

        With a version id that version is read, whatever is newest; only then may `expect` be None.
        """
        asked = pinned_read(expect, version_id, byte_range(start, length), self.capabilities)
        place = self.place.at(key)
        with place.translated(pinned=True), checkpoint.S3_GET:
            answer = self.client.get_object(Bucket=self.bucket, Key=key, **asked)
        stream = answer["Body"]
        try:
            refuse_other(answer, expect, version_id, place)
            size = whole_size(answer, start, length, place)
            yield ReadBody(
                stream, object_facts(answer, size=size), place, received=lambda n: self.counts.add(bytes_down=n)
            )
        finally:
            stream.close()

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        """The SDK asks and waits in one: all of it happens when the answer is taken."""
        return Awaited(partial(self.get, key, expect=expect))

    # --- writing ------------------------------------------------------------------------------------------

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        """Write one object of `size` bytes from where the body stands. Stale where `expect` does not hold."""
        start = body.tell()

        def send(whole: bool) -> PutAnswer:
            body.seek(start)
            sent = sendable(body, size, sha256=sums.sha256)
            with checkpoint.S3_PUT:
                said = self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=sent,
                    ContentLength=size,
                    **condition(expect, self.capabilities),
                    **described(headers, whole=whole),
                    **self._sums(sums),
                )
            return put_answer(said, payload=signed_payload(sent))

        with self.place.at(key).translated(pinned=not isinstance(expect, Unchecked)):
            answer: PutAnswer = _unless_too_large(send)
        self.counts.add(bytes_up=size)
        return answer

    def start_put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Awaited[PutAnswer]:
        """The SDK sends and waits in one: all of it happens when the answer is taken."""
        return Awaited(partial(self.put, key, body, size, expect=expect, headers=headers, sums=sums))

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        """Begin an upload in parts and return its id."""
        with self.place.at(key).translated():
            return str(_unless_too_large(lambda whole: self._create(key, described(headers, whole=whole))))

    def put_part(self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums) -> Part:
        """Send one part of `size` bytes from where the body stands. RemoteError MISSING: the upload is gone."""
        with self.place.at(key).translated(), checkpoint.S3_PART:
            answer = self.client.upload_part(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                PartNumber=number,
                Body=sendable(body, size, sha256=sums.sha256),
                ContentLength=size,
                **self._sums(sums),
            )
        self.counts.add(bytes_up=size)
        return Part(number, parse_etag(answer.get("ETag")), any_checksum(answer))

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer:
        """Make the object of its parts. Stale where `expect` does not hold; a retryable RemoteError: start again."""
        whole: Parameters = {}
        if self._checksum == "crc64nvme" and self.capabilities.stores_checksum:
            whole = {"ChecksumType": "FULL_OBJECT", "MpuObjectSize": size}
            whole |= sums_of(replace(sums, md5=None), checksum=self._checksum, capabilities=self.capabilities)
            whole.pop("ChecksumAlgorithm", None)
        with (
            self.place.at(key).translated(pinned=not isinstance(expect, Unchecked), in_parts=True),
            checkpoint.S3_COMPLETE,
        ):
            answer = self.client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [_part(part) for part in sorted(parts, key=lambda part: part.number)]},
                **condition(expect, self.capabilities),
                **whole,
            )
        return put_answer(answer) if answer.get("ETag") else self._completed(key, parts)

    def _completed(self, key: str, parts: Sequence[Part]) -> PutAnswer:
        """What a store that answers Complete without an ETag (radosgw) shows afterwards, if that is ours for sure."""
        seen = self.head(key)
        if seen is None or seen.etag != etag_of_parts(parts):
            raise Stale(f"{self.place.at(key)}: completed, and not to be told from what another writer put there")
        return PutAnswer(etag=seen.etag, version_id=seen.version_id, checksum=seen.checksum)

    def list_parts(self, key: str, upload_id: str) -> Sequence[ListedPart]:
        """The parts that the store has of an upload, by number. RemoteError MISSING: the upload is gone."""
        place = self.place.at(key)

        def ask(after: int) -> Any:
            named: Parameters = {"PartNumberMarker": after} if after else {}
            with place.translated(), checkpoint.S3_LIST_PARTS:
                return self.client.list_parts(Bucket=self.bucket, Key=key, UploadId=upload_id, **named)

        return listing.parts(ask, place)

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload of ours. One that is gone already is no error."""
        try:
            with self.place.at(key).translated(), checkpoint.S3_ABORT:
                self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id)
        except RemoteError as error:
            if error.code not in {"NoSuchUpload", *GONE}:
                raise

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        """Copy exactly that source on the server, whatever its size. headers None: the source's own metadata."""
        return self.copy_from(self.bucket, source, target, source_etag=source_etag, expect=expect, headers=headers)

    def copy_from(
        self,
        bucket: str,
        source: str,
        target: str,
        *,
        source_etag: ETag,
        expect: RemoteExpect,
        headers: ObjectHeaders | None,
    ) -> PutAnswer:
        """`copy` of an object of another bucket of the same endpoint."""
        from botocore.exceptions import ClientError

        own = {} if headers is None else {"MetadataDirective": "REPLACE", **described(headers)}
        with self.place.at(target).translated(pinned=True):
            try:
                with checkpoint.S3_COPY:
                    answer = self.client.copy_object(
                        Bucket=self.bucket,
                        Key=target,
                        CopySource={"Bucket": bucket, "Key": source},
                        CopySourceIfMatch=quoted(source_etag),
                        **condition(expect, self.capabilities),
                        **own,
                    )
            except ClientError as error:
                if error_code(error) not in TOO_LARGE_TO_COPY:
                    raise
                return self._copy_large(bucket, source, target, source_etag, expect, headers, error)
        result = answer.get("CopyObjectResult") or {}
        return PutAnswer(
            etag=parse_etag(result.get("ETag")), version_id=version_id(answer), checksum=any_checksum(result)
        )

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        """Delete one object. One that is gone already is no error; Stale where it changed."""
        from botocore.exceptions import ClientError

        with self.place.at(key).translated(pinned=isinstance(expect, Matches)):
            try:
                with checkpoint.S3_DELETE:
                    self.client.delete_object(Bucket=self.bucket, Key=key, **condition(expect, self.capabilities))
            except ClientError as error:
                if error_status(error) != 404 or error_code(error) == "NoSuchBucket":
                    raise

    # --- inside -------------------------------------------------------------------------------------------

    def _sums(self, sums: Checksums) -> Parameters:
        return sums_of(sums, checksum=self._checksum, capabilities=self.capabilities)

    def _create(self, key: str, parameters: Parameters) -> str:
        checksum: Parameters = {}
        if self._checksum == "crc64nvme" and self.capabilities.stores_checksum:
            checksum = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        elif self._checksum == "sha256":  # a store that was not told of it refuses the parts that carry one
            checksum = {"ChecksumAlgorithm": "SHA256"}
        with checkpoint.S3_CREATE:
            answer = self.client.create_multipart_upload(Bucket=self.bucket, Key=key, **parameters, **checksum)
        return answer["UploadId"]

    def _copy_large(
        self,
        bucket: str,
        source: str,
        target: str,
        source_etag: ETag,
        expect: RemoteExpect,
        headers: ObjectHeaders | None,
        why: ClientError,
    ) -> PutAnswer:
        """In parts where the source is over 5 GiB; `why` again where it is not."""
        place = Place(self.place.endpoint, bucket, source)
        with place.translated(pinned=True):
            with checkpoint.S3_HEAD_LARGE:
                seen = self.client.head_object(Bucket=bucket, Key=source)
            if parse_etag(seen.get("ETag")) != source_etag:
                raise Stale(f"{place}: it changed")
            if seen["ContentLength"] <= copying.LIMIT:
                raise why
            own = described(headers) if headers else copying.carried(seen)
            tags = copying.tags_of(self.client, bucket, source)
        with self.place.at(target).translated():
            upload_id = self._create(target, own | ({"Tagging": tags} if tags else {}))

        size = seen["ContentLength"]
        with copying.journaled(self._journal, target, upload_id, lambda: self.abort_multipart(target, upload_id)):
            at = self.place.at(target)
            parts = copying.copy_parts(self.client, (bucket, source), source_etag, size, at, upload_id)
            return self.complete_multipart(target, upload_id, parts, expect=expect, size=size, sums=Checksums())


def _part(part: Part) -> Any:
    """As Complete wants it."""
    named: Parameters = {"PartNumber": part.number, "ETag": quoted(part.etag)}
    if part.checksum is not None:
        algorithm, _, value = part.checksum.partition(":")
        named[f"Checksum{algorithm}"] = value
    return named


def _unless_too_large(send: Callable[[bool], Any]) -> Any:
    """Send with all metadata; with the essential one alone where the store takes no more."""
    from botocore.exceptions import ClientError

    try:
        return send(True)
    except ClientError as error:
        if error_code(error) != "MetadataTooLarge":
            raise
        return send(False)
