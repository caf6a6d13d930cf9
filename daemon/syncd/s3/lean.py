"""The ObjectStore of one bucket whose hot calls go over the lean client, and all others by boto3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

from syncd import checkpoint
from syncd.core.model import ETag, ListedObject, ObjectFacts
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
from syncd.s3 import listing
from syncd.s3.facts import ARCHIVES, answer_of, any_checksum, crc32_base64, object_facts, parse_etag, put_answer
from syncd.s3.gateway import Boto3Objects
from syncd.s3.list_parse import Listed, parse
from syncd.s3.outgoing import Crc32, Outgoing, Write, body_of, summed
from syncd.s3.parameters import byte_range, condition, described, headers_of, sums_of
from syncd.s3.reading import pinned_read, refuse_other, whole_size
from syncd.s3.recall import Recall, Recalled
from syncd.s3.translate import Place
from syncd.s3.translate_wire import translated
from syncd.s3.wire.answers import Refused
from syncd.s3.wire.body import Body
from syncd.s3.wire.operations import Answer, Bucket, Requested
from syncd.s3.wire.response import Response
from syncd.s3.wire.sign import UNSIGNED
from syncd.s3.wired import Attempt, Wired

UNCLEAR = frozenset({301, 302, 307, 400})
"""What a HEAD is answered with where the bucket is in another region, among other things."""


WITH_CHECKSUM = {"x-amz-checksum-mode": "ENABLED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Which checksums go along. `checksum` is that of `[s3]`.

    `some`: there is one with every body. `asked`: answers are to show theirs.
    """

    checksum: str
    some: bool = False
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Read:
    """What is read of one object."""

    key: str
    expect: ETag | None
    start: int = 0
    length: int | None = None
    version_id: str | None = None


class LeanObjects:
    """One bucket as an ObjectStore, like the `rare` one, which serves what is not hot. Thread-safe."""

    def __init__(self, rare: Boto3Objects, wired: Wired, *, sums: Sums) -> None:
        self.bucket = rare.bucket
        self.capabilities: Capabilities = rare.capabilities
        self.counts = rare.counts
        self.place = rare.place
        self.detour = ""
        self._rare = rare
        self._wired = wired
        self._how = sums
        self._recall = Recall("")

    @property
    def incomplete(self) -> frozenset[str]:
        """Never: a listing of one bucket that fails raises."""
        return frozenset()

    def server_now(self) -> float:
        """Seconds since the epoch by the server's last Date header; our own clock before any answer."""
        return self._rare.server_now()

    # --- hot ----------------------------------------------------------------------------------------------

    def list(self, prefix: str) -> Iterator[ListPage]:
        """All objects below prefix in key order, up to a thousand a page. RemoteError where that is not sure."""
        before = self._recall
        if before.prefix != prefix:
            before = Recall(prefix)
        now = Recall(prefix)
        yield from listing.pages(
            lambda token: self._list_page(prefix, token, before, now), prefix, self.place.at(prefix)
        )
        self._recall = now

    def _list_page(self, prefix: str, token: str, before: Recall, now: Recall) -> listing.Fetched:
        def once(wire: Bucket) -> tuple[bytes, Listed]:
            with checkpoint.S3_LIST:
                body = wire.list(prefix, token)
            return body, parse(body, before.pages)

        with translated(self.place.at(prefix)):
            body, page = self._wired.send("list", once)
        self._rare.saw_bucket()
        brief = None if page.mark is None else before.pages.get(page.mark)
        rows: Sequence[ListedObject]
        rows = _objects(page) if brief is None else Recalled(brief, lambda: _objects(parse(body)))
        now.keep(page.mark, rows)
        again = brief is not None
        return listing.Fetched(rows=rows, truncated=page.truncated, token=page.token, mark=page.mark, again=again)

    def head(self, key: str) -> ObjectFacts | None:
        """Facts of one object, or None where there is none. RemoteError MISSING where there is no bucket."""
        return self._head(key, None)

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        """The same in two: what is called waits for the answer, and asks again where that may help."""

        def begin(wire: Bucket) -> Requested[Answer]:
            with checkpoint.S3_HEAD:
                return wire.start_head(key, WITH_CHECKSUM)

        with translated(self.place.at(key)):
            started = self._wired.start("head", begin)
        return Awaited(partial(self._head, key, started), started.there, under_way=True)

    def _head(self, key: str, started: Attempt[Answer] | None) -> ObjectFacts | None:
        def once(wire: Bucket) -> Answer:
            with checkpoint.S3_HEAD:
                return wire.head(key, WITH_CHECKSUM)

        with translated(self.place.at(key)):
            try:
                facts = object_facts(answer_of(self._wired.send("head", once, started=started).headers))
            except Refused as refused:
                if refused.status in UNCLEAR:  # without a body it does not say where: the SDK finds out
                    return self._rare.head(key)
                if refused.status != 404:
                    raise
                with self.place.at(key).translated():
                    self._rare.see_bucket()
                return None
        self._rare.saw_bucket()
        return facts

    def get(
        self, key: str, *, expect: ETag | None, start: int = 0, length: int | None = None, version_id: str | None = None
    ) -> AbstractContextManager[ObjectBody]:
        """Read bytes [start, start+length) of exactly that ETag. `length` is not 0. Stale: it changed or is gone.

        With a version id that version is read, whatever is newest; only then may `expect` be None.
        """
        asked = self._asked(expect, version_id, byte_range(start, length))
        return self._read(Read(key, expect, start, length, version_id), asked, None)

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        """A read of all of it in two: what is called waits for the answer, and asks again where that may help."""
        asked = self._asked(expect, None, "")

        def begin(wire: Bucket) -> Requested[Response]:
            with checkpoint.S3_GET:
                return wire.start_get(key, asked)

        with translated(self.place.at(key), pinned=True):
            started = self._wired.start("get", begin)
        return Awaited(partial(self._read, Read(key, expect), asked, started), started.there, under_way=True)

    def _asked(self, expect: ETag | None, version_id: str | None, of: str) -> dict[str, str]:
        asked = pinned_read(expect, version_id, of, self.capabilities)
        asked.pop("VersionId", None)
        return headers_of(asked | ({"ChecksumMode": "ENABLED"} if self._how.asked else {}))

    @contextmanager
    def _read(self, read: Read, headers: dict[str, str], started: Attempt[Response] | None) -> Iterator[ObjectBody]:
        place = self.place.at(read.key)

        def once(wire: Bucket) -> Response:
            with checkpoint.S3_GET:
                return wire.get(read.key, headers, version_id=read.version_id)

        with translated(place, pinned=True):
            response = self._wired.send("get", once, started=started)
        with response:
            answer = answer_of(response.headers) | {"ContentLength": response.length}
            refuse_other(answer, read.expect, read.version_id, place)
            size = whole_size(answer, read.start, read.length, place)
            facts = object_facts(answer, size=size)
            yield LeanBody(response, facts, place, received=self._received)

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        """Write one object of `size` bytes from where the body stands. Stale where `expect` does not hold."""
        with translated(self.place.at(key), pinned=not isinstance(expect, Unchecked)):
            write = self._write(key, body, size, expect, headers, sums)
            return self._put(write, None)

    def start_put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Awaited[PutAnswer]:
        """The same in two: what is called waits for the answer, and sends again where that may help."""
        in_our_words = translated(self.place.at(key), pinned=not isinstance(expect, Unchecked))
        with in_our_words:
            write = self._write(key, body, size, expect, headers, sums)

            def begin(wire: Bucket) -> Requested[Answer]:
                with checkpoint.S3_PUT:
                    return wire.start_put(key, write.sent.body, write.headers, write.sent.payload, once=write.once)

            started = self._wired.start("put", begin)

        def finish() -> PutAnswer:
            with in_our_words:
                return self._put(write, started)

        return Awaited(finish, started.there, under_way=True)

    def _write(
        self, key: str, body: BinaryIO, size: int, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Write:
        sent = self._with_sums(body_of(body, size), sums)
        own = {**condition(expect, self.capabilities), **sent.parameters}
        once = isinstance(expect, Unchecked) and expect.once
        return Write(key, sent, headers_of({**own, **described(headers)}), own, headers, once)

    def _put(self, write: Write, started: Attempt[Answer] | None) -> PutAnswer:
        """With all metadata; with the essential one alone where the store takes no more."""
        sent = write.sent
        try:
            answer = self._sent(write, write.headers, started)
        except Refused as refused:
            if refused.code != "MetadataTooLarge" or write.once:
                raise
            answer = self._sent(write, headers_of({**write.own, **described(write.about, whole=False)}), None)
        self.counts.add(bytes_up=sent.body.size)
        return put_answer(answer_of(answer.headers), payload="" if sent.payload == UNSIGNED else sent.payload)

    def _sent(self, write: Write, headers: dict[str, str], started: Attempt[Answer] | None) -> Answer:
        def once(wire: Bucket) -> Answer:
            with checkpoint.S3_PUT:
                return wire.put(write.key, write.sent.body, headers, write.sent.payload)

        return self._wired.send("put", once, started=started, again=not write.once)

    def put_part(self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums) -> Part:
        """Send one part of `size` bytes from where the body stands. RemoteError MISSING: the upload is gone."""
        with translated(self.place.at(key)):
            sent = self._with_sums(body_of(body, size), sums)
            headers = headers_of(sent.parameters)

            def once(wire: Bucket) -> Answer:
                with checkpoint.S3_PART:
                    return wire.put_part(key, upload_id, number, sent.body, headers, sent.payload)

            answer = answer_of(self._wired.send("put", once).headers)
        self.counts.add(bytes_up=size)
        return Part(number, parse_etag(answer.get("ETag")), any_checksum(answer))

    def _with_sums(self, sent: Body, sums: Checksums) -> Outgoing:
        """The body with what it is signed with; it may be read here, to be summed."""
        known = sums_of(sums, checksum=self._how.checksum, capabilities=self.capabilities)
        if self._how.some and not any(name.startswith(("Checksum", "ContentMD5")) for name in known):
            known |= {"ChecksumAlgorithm": "CRC32", "ChecksumCRC32": crc32_base64(summed(sent, Crc32()).value)}
        if sums.sha256 is not None:
            payload = sums.sha256.hex()
        elif self._wired.scheme == "https" or "ChecksumCRC64NVME" in known:
            payload = UNSIGNED
        else:
            payload = summed(sent, hashlib.sha256()).hexdigest()
        return Outgoing(sent, known, payload)

    def _received(self, count: int) -> None:
        self.counts.add(bytes_down=count)
        if self._wired.line.around.down is not None:
            self._wired.line.around.down(count)

    # --- rare ---------------------------------------------------------------------------------------------

    def with_capabilities(self, capabilities: Capabilities) -> LeanObjects:
        """The same bucket, used as a probe found it."""
        return LeanObjects(self._rare.with_capabilities(capabilities), self._wired, sums=self._how)

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        """Begin an upload in parts and return its id."""
        return self._rare.create_multipart(key, headers=headers)

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer:
        """Make the object of its parts. Stale where `expect` does not hold; a retryable RemoteError: start again."""
        return self._rare.complete_multipart(key, upload_id, parts, expect=expect, size=size, sums=sums)

    def list_parts(self, key: str, upload_id: str) -> Sequence[ListedPart]:
        """What the store has of an upload. RemoteError MISSING: it is gone."""
        return self._rare.list_parts(key, upload_id)

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload of ours. One that is gone already is no error."""
        self._rare.abort_multipart(key, upload_id)

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        """Copy exactly that source on the server, whatever its size. headers None: the source's own metadata."""
        return self._rare.copy(source, target, source_etag=source_etag, expect=expect, headers=headers)

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
        return self._rare.copy_from(bucket, source, target, source_etag=source_etag, expect=expect, headers=headers)

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        """Delete one object. One that is gone already is no error; Stale where it changed."""
        self._rare.delete(key, expect=expect)


def _objects(page: Listed) -> list[ListedObject]:
    return [ListedObject(key, size, ETag(etag), at, kind in ARCHIVES) for key, size, etag, at, kind in page.rows]


class LeanBody:
    """The pieces of a GET, with the facts of its headers. RemoteError where they are fewer than was said."""

    def __init__(
        self, response: Response, facts: ObjectFacts, place: Place, *, received: Callable[[int], None]
    ) -> None:
        self.facts = facts
        self._response = response
        self._place = place
        self._received = received

    def __iter__(self) -> Iterator[bytes]:
        """Pieces of up to 256 KiB, each its own: who reads may keep them."""
        with translated(self._place):
            for piece in self._response:
                self._received(len(piece))
                yield bytes(piece)
