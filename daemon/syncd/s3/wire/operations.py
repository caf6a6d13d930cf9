"""The hot calls of one bucket: PUT, UploadPart, GET, HEAD, LIST; each one signed request, answered or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from syncd.s3.wire.answers import ERROR_LIMIT, Refused, error_fields
from syncd.s3.wire.body import Body
from syncd.s3.wire.failure import Garbled, WireError
from syncd.s3.wire.origin import Origin
from syncd.s3.wire.request import Request
from syncd.s3.wire.response import Response
from syncd.s3.wire.sign import EMPTY, Keys, Signer, encoded_path, encoded_query
from syncd.s3.wire.transport import Transport

T = TypeVar("T")

LIST_LIMIT = 64 << 20
"""The body of one page: a thousand keys of a kilobyte each, percent-encoded, are 3 MiB."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a bucket is, and whom its requests are signed for."""

    origin: Origin
    host: str  # as the Host header has it
    base: str  # what stands before a key in the path: "" or "/bucket"
    region: str
    service: str = "s3"


@dataclass(frozen=True, slots=True)
class Answer:
    """A success without a body that matters; header names in lower case."""

    status: int
    headers: Mapping[str, str]


@dataclass(slots=True)
class Requested(Generic[T]):
    """A request that went out. `answer` waits for what comes of it, once, on the same thread. `there`: it is here."""

    answer: Callable[[], T]
    there: Callable[[], bool]


class Bucket:
    """One bucket at one address. Thread-safe.

    Every call is one attempt, and raises Refused where the store said no, any other WireError where it said nothing.
    `keys` gives the credentials of one request, `now` the time to sign it with; `heard` is told the headers of every
    answer.
    """

    def __init__(
        self,
        transport: Transport,
        address: Address,
        keys: Callable[[], Keys],
        *,
        agent: str,
        now: Callable[[], float],
        heard: Callable[[Mapping[str, str]], None],
    ) -> None:
        self.address = address
        self._transport = transport
        self._keys = keys
        self._now = now
        self._heard = heard
        self._signer = Signer(address.region, address.service)
        self._agent = f"user-agent: {agent}\r\n"

    def put(self, key: str, body: Body, headers: Mapping[str, str], payload: str) -> Answer:
        """Write one object. `payload`: what its body is signed with."""
        return self.start_put(key, body, headers, payload).answer()

    def start_put(
        self, key: str, body: Body, headers: Mapping[str, str], payload: str, query: str = "", *, once: bool = False
    ) -> Requested[Answer]:
        """The same in two. `once`: as of the Request."""
        sent = self._start("PUT", self._path(key), query, headers, payload, body, once=once)
        return Requested(lambda: _written(sent.answer()), sent.there)

    def put_part(
        self, key: str, upload_id: str, number: int, body: Body, headers: Mapping[str, str], payload: str
    ) -> Answer:
        """Write one part of an upload."""
        query = encoded_query({"partNumber": str(number), "uploadId": upload_id})
        return self.start_put(key, body, headers, payload, query).answer()

    def get(self, key: str, headers: Mapping[str, str], *, version_id: str | None = None) -> Response:
        """Begin to read an object; the answer's body is the caller's to read and to close."""
        query = "" if version_id is None else encoded_query({"versionId": version_id})
        return self.start_get(key, headers, query).answer()

    def start_get(self, key: str, headers: Mapping[str, str], query: str = "") -> Requested[Response]:
        """The same in two."""
        return self._start("GET", self._path(key), query, headers, EMPTY, None)

    def head(self, key: str, headers: Mapping[str, str]) -> Answer:
        """What an answer to GET would say before its body."""
        return self.start_head(key, headers).answer()

    def start_head(self, key: str, headers: Mapping[str, str]) -> Requested[Answer]:
        """The same in two."""
        sent = self._start("HEAD", self._path(key), "", headers, EMPTY, None)
        return Requested(lambda: _alone(sent.answer()), sent.there)

    def list(self, prefix: str, token: str = "") -> bytes:
        """One page of what is below that prefix, as the store wrote it."""
        asked = {"encoding-type": "url", "list-type": "2", "max-keys": "1000", "prefix": prefix}
        if token:
            asked["continuation-token"] = token
        with self._start("GET", self.address.base or "/", encoded_query(asked), {}, EMPTY, None).answer() as response:
            body = response.read(LIST_LIMIT + 1)
        if len(body) > LIST_LIMIT:
            raise Garbled("the listing has no end")
        return body

    def _path(self, key: str) -> str:
        return f"{self.address.base}/{encoded_path(key)}"

    def _start(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        payload: str,
        body: Body | None,
        *,
        once: bool = False,
    ) -> Requested[Response]:
        keys = self._keys()
        more = "accept-encoding: identity\r\n" if body is None else f"content-length: {body.size}\r\n"
        lines = self._signer.headers(
            keys,
            method,
            path,
            query,
            {**headers, "host": self.address.host},
            payload,
            now=self._now(),
            unsigned=f"{self._agent}{more}",
        )
        target = f"{path}?{query}" if query else path
        started = self._transport.start(Request(method, target.encode("ascii"), lines, body, once))
        return Requested(lambda: self._answered(started.response(), keys), started.there)

    def _answered(self, response: Response, keys: Keys) -> Response:
        self._heard(response.headers)
        if 200 <= response.status < 300:
            return response
        said = b""
        with response:
            try:
                said = response.read(ERROR_LIMIT)
            except WireError:
                if response.status != 412 and response.status < 500:  # elsewhere the word decides what it means
                    raise
        raise Refused(response.status, response.headers, said, keys)


def _alone(response: Response) -> Answer:
    """What has no body."""
    with response:
        return Answer(response.status, response.headers)


def _written(response: Response) -> Answer:
    """A success, unless its body says otherwise."""
    with response:
        said = response.read(ERROR_LIMIT)
        if b"<Error" in said and error_fields(said):
            raise Refused(response.status, response.headers, said)
        return Answer(response.status, response.headers)
