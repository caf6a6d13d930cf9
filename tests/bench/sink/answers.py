"""What the sink answers to each request."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from email.utils import formatdate
from xml.sax.saxutils import escape

from bench.sink import listing, own
from bench.sink.counts import Counts
from bench.sink.pattern import Pattern
from bench.sink.reply import Reply, error, xml
from bench.sink.request import Request
from bench.sink.shelf import Held, Outcome, Shelf, crc_text, new_upload
from bench.sink.taken import Taken

PART = re.compile(r"<Part>(.*?)</Part>", re.DOTALL)
NUMBER = re.compile(r"<PartNumber>\s*(\d+)\s*</PartNumber>")
TAG = re.compile(r"<ETag>\s*(?:&quot;|&#34;|\")?([^&\"<\s]+)")
OF_BUCKET = {"location", "versioning", "versions", "uploads"}
KEY = re.compile(r"<Key>(.*?)</Key>", re.DOTALL)
XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


class Answers:
    """One process's answers over the shelf that all share."""

    def __init__(self, shelf: Shelf, pattern: Pattern, counts: Counts) -> None:
        self.shelf = shelf
        self.pattern = pattern
        self.counts = counts
        self.mirages: dict[str, listing.Mirage] = {}
        self.arrivals: dict[str, int] | None = None  # when each key was put, by the monotonic clock, once it is asked

    def answer(self, request: Request, taken: Taken) -> Reply:
        """Do what is asked."""
        self.shelf.catch_up()
        method, query = request.method, request.query
        if request.bucket == ".sink":
            return own.answer(self, request)
        if not request.key:
            return self._of_bucket(request, taken)
        if method == "PUT":
            if "partNumber" in query:
                return self._part(request, taken)
            if "x-amz-copy-source" in request.headers:
                return self._copy(request)
            return self._put(request, taken)
        if method == "GET" and "uploadId" in query:
            return self._parts(request)
        if method in {"GET", "HEAD"}:
            return self._read(request)
        if method == "DELETE":
            return self._delete(request)
        if method == "POST" and "uploads" in query:
            return self._create(request)
        if method == "POST" and "uploadId" in query:
            return self._complete(request, taken)
        return error(501, "NotImplemented")

    # --- buckets ------------------------------------------------------------------------------------------

    def _of_bucket(self, request: Request, taken: Taken) -> Reply:
        query = request.query
        if request.method == "GET" and request.bucket and not OF_BUCKET & set(query):
            self.counts.add("LIST")
            return Reply(
                200,
                b"Content-Type: application/xml\r\n",
                listing.page(self.shelf, self.mirages, request.bucket, query),
            )
        self.counts.add("BUCKET")
        if request.method == "POST" and "delete" in query:
            keys = KEY.findall((taken.body or b"").decode())
            for key in keys:
                self.shelf.submit(("delete", request.bucket, key, ""))
            return xml(f"<DeleteResult {XMLNS}></DeleteResult>")
        if request.method == "GET" and "location" in query:
            return xml(f"<LocationConstraint {XMLNS}/>")
        if request.method == "GET" and "versioning" in query:
            return xml(f"<VersioningConfiguration {XMLNS}/>")
        if request.method == "GET" and "uploads" in query:
            return self._uploads(request)
        if request.method == "GET" and not request.bucket:
            names = "".join(f"<Bucket><Name>{escape(name)}</Name></Bucket>" for name in self.shelf.buckets)
            return xml(f"<ListAllMyBucketsResult {XMLNS}><Buckets>{names}</Buckets></ListAllMyBucketsResult>")
        if request.method in {"PUT", "HEAD"}:
            return Reply(200)
        return error(501, "NotImplemented")

    # --- objects ------------------------------------------------------------------------------------------

    def _put(self, request: Request, taken: Taken) -> Reply:
        self.counts.add("PUT")
        wrong = _wrong(request, taken)
        if wrong:
            return error(400, wrong)
        headers = request.headers
        etag = taken.md5() or _told_md5(headers) or f"{taken.crc:032x}-1"
        held = Held(taken.size, etag, taken.crc, int(time.time()), request.meta(), taken.body)
        done = self._submitted(
            ("put", request.bucket, request.key, tuple(held), _match(headers), "if-none-match" in headers)
        )
        if self.arrivals is not None:
            self.arrivals[request.key] = time.monotonic_ns()
        return done or Reply(200, _etag(etag) + _checksum(taken.crc, headers))

    def _read(self, request: Request) -> Reply:
        head = request.method == "HEAD"
        self.counts.add(request.method)
        held = self.shelf.find(request.bucket, request.key)
        if held is None:
            return error(404, "NoSuchKey", bodiless=head)
        headers = request.headers
        match, none_match = _match(headers), _match(headers, "if-none-match")
        if match and match not in {"*", held.etag}:
            return error(412, "PreconditionFailed", bodiless=head)
        if none_match == held.etag:
            return error(304, "")
        start, length, told = _range(headers.get("range", ""), held.size)
        if start < 0:
            return error(416, "InvalidRange", bodiless=head)
        said = _etag(held.etag) + held.meta + told + b"Accept-Ranges: bytes\r\n"
        said += f"Last-Modified: {formatdate(held.stamp, usegmt=True)}\r\n".encode()
        if headers.get("x-amz-checksum-mode", "").upper() == "ENABLED" and not told:
            said += _checksum(held.crc, {})
        status = 206 if told else 200
        if head:
            return Reply(status, said, length=length)
        if held.body is not None:
            return Reply(status, said, held.body[start : start + length])
        if held.salt < 0 and held.size:
            return error(409, "TheSinkKeptNoBytes")
        return Reply(status, said, length=length, piece=(held.salt, start, length))

    def _delete(self, request: Request) -> Reply:
        if "uploadId" in request.query:
            self.counts.add("ABORT")
            return self._submitted(("abort", request.query["uploadId"])) or Reply(204)
        self.counts.add("DELETE")
        return self._submitted(("delete", request.bucket, request.key, _match(request.headers))) or Reply(204)

    def _copy(self, request: Request) -> Reply:
        self.counts.add("COPY")
        headers = request.headers
        bucket, key = own.source(headers["x-amz-copy-source"])
        held = self.shelf.find(bucket, key)
        if held is None:
            return error(404, "NoSuchKey")
        wanted = _match(headers, "x-amz-copy-source-if-match")
        if wanted not in {"", "*", held.etag}:
            return error(412, "PreconditionFailed")
        held = held._replace(stamp=int(time.time()))
        if headers.get("x-amz-metadata-directive", "").upper() == "REPLACE":
            held = held._replace(meta=request.meta())
        record = ("put", request.bucket, request.key, tuple(held), _match(headers), "if-none-match" in headers)
        when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(held.stamp))
        return self._submitted(record) or xml(
            f"<CopyObjectResult {XMLNS}><LastModified>{when}</LastModified>"
            f"<ETag>&quot;{held.etag}&quot;</ETag></CopyObjectResult>"
        )

    # --- uploads in parts ---------------------------------------------------------------------------------

    def _create(self, request: Request) -> Reply:
        self.counts.add("CREATE")
        upload = new_upload()
        self.shelf.submit(("create", upload, request.bucket, request.key, request.meta()))
        return xml(
            f"<InitiateMultipartUploadResult {XMLNS}><Bucket>{escape(request.bucket)}</Bucket>"
            f"<Key>{escape(request.key)}</Key><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        )

    def _part(self, request: Request, taken: Taken) -> Reply:
        self.counts.add("PART")
        if "x-amz-copy-source" in request.headers:
            return error(501, "NotImplemented")
        wrong = _wrong(request, taken)
        if wrong:
            return error(400, wrong)
        etag = taken.md5() or _told_md5(request.headers) or f"{taken.crc:032x}"
        number = int(request.query["partNumber"])
        record = ("part", request.query["uploadId"], number, taken.size, etag, taken.crc, taken.body)
        return self._submitted(record) or Reply(200, _etag(etag) + _checksum(taken.crc, request.headers))

    def _uploads(self, request: Request) -> Reply:
        rows = "".join(
            f"<Upload><Key>{escape(key)}</Key><UploadId>{upload}</UploadId></Upload>"
            for upload, (bucket, key, _, _) in self.shelf.uploads.items()
            if bucket == request.bucket and key.startswith(request.query.get("prefix", ""))
        )
        return xml(f"<ListMultipartUploadsResult {XMLNS}>{rows}</ListMultipartUploadsResult>")

    def _parts(self, request: Request) -> Reply:
        """All of them in one page."""
        upload = self.shelf.uploads.get(request.query["uploadId"])
        if upload is None:
            return error(404, "NoSuchUpload")
        rows = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size>"
            f"<ChecksumCRC64NVME>{crc_text(crc)}</ChecksumCRC64NVME></Part>"
            for number, (size, etag, crc, _) in sorted(upload[3].items())
        )
        return xml(f"<ListPartsResult {XMLNS}><IsTruncated>false</IsTruncated>{rows}</ListPartsResult>")

    def _complete(self, request: Request, taken: Taken) -> Reply:
        self.counts.add("COMPLETE")
        text = (taken.body if taken.body is not None else b"").decode()
        named = [(int(NUMBER.search(part)[1]), TAG.search(part)[1]) for part in PART.findall(text)]  # type: ignore[index]
        headers, upload = request.headers, request.query["uploadId"]
        asked = headers.get("x-amz-checksum-crc64nvme", "")
        stamp = int(time.time())
        refused = self._submitted(
            ("complete", upload, named, _match(headers), "if-none-match" in headers, asked, stamp)
        )
        if refused is not None:
            return refused
        held = self.shelf.find(request.bucket, request.key)
        assert held is not None
        return xml(
            f"<CompleteMultipartUploadResult {XMLNS}><Bucket>{escape(request.bucket)}</Bucket>"
            f"<Key>{escape(request.key)}</Key><ETag>&quot;{held.etag}&quot;</ETag>"
            f"<ChecksumCRC64NVME>{crc_text(held.crc)}</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>"
            "</CompleteMultipartUploadResult>"
        )

    # --- inside -------------------------------------------------------------------------------------------

    def _submitted(self, record: tuple[object, ...]) -> Reply | None:
        """None where it was done, else why not."""
        outcome: Outcome = self.shelf.submit(record)
        return None if outcome[0] == 200 else error(*outcome)


def _match(headers: dict[str, str], name: str = "if-match") -> str:
    """The ETag that a precondition names, without its quotes."""
    value = headers.get(name)
    return value.strip('"') if value else ""


def _etag(etag: str) -> bytes:
    return f'ETag: "{etag}"\r\n'.encode()


def _checksum(crc: int, headers: dict[str, str]) -> bytes:
    """The header of the checksum that the client named, or of our own."""
    sha256 = headers.get("x-amz-checksum-sha256")
    if sha256:
        return f"x-amz-checksum-sha256: {sha256}\r\n".encode()
    return f"x-amz-checksum-crc64nvme: {crc_text(crc)}\r\nx-amz-checksum-type: FULL_OBJECT\r\n".encode()


def _told_md5(headers: dict[str, str]) -> str:
    told = headers.get("content-md5")
    return base64.b64decode(told).hex() if told else ""


def _wrong(request: Request, taken: Taken) -> str:
    """The code for a body that is not what the request says, as far as that is cheap to see. Empty: nothing."""
    headers = request.headers
    if taken.size != request.size:
        return "IncompleteBody"
    asked = headers.get("x-amz-checksum-crc64nvme")
    if asked and asked != crc_text(taken.crc):
        return "BadDigest"
    if taken.body is None:
        return ""
    sha256 = hashlib.sha256(taken.body)
    signed = headers.get("x-amz-content-sha256", "")
    if len(signed) == 64 and signed != sha256.hexdigest():
        return "XAmzContentSHA256Mismatch"
    asked = headers.get("x-amz-checksum-sha256")
    if asked and asked != base64.b64encode(sha256.digest()).decode():
        return "BadDigest"
    told = _told_md5(headers)
    return "BadDigest" if told and told != taken.md5() else ""


def _range(text: str, size: int) -> tuple[int, int, bytes]:
    """(start, length, the header of a part); start -1 where nothing lies there."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if found is None or found.groups() == ("", ""):
        return 0, size, b""
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    if start >= end:
        return -1, 0, b""
    return start, end - start, b"Content-Range: bytes %d-%d/%d\r\n" % (start, end - 1, size)
