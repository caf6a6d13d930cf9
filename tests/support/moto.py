"""An embedded S3 server: moto, in a process of its own, with an access log that requests are counted from.

Run as a program it is that server; the log is one JSON object a line, written before the answer leaves.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.processes import Process, eventually

ACCESS_KEY = SECRET_KEY = "testing"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
"""For the environment of a program under test."""


class MotoServer:
    """One moto server on a free port of the loopback, everything in memory. Starts in about a second."""

    access_key = ACCESS_KEY
    secret_key = SECRET_KEY
    region = "us-east-1"
    deletes_conditionally = True

    def __init__(self) -> None:
        self.port = 0
        self._cleaning = ExitStack()
        self._log = Path()

    @property
    def endpoint(self) -> str:
        """The endpoint_url."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """Credentials for the environment of a program under test."""
        return dict(CREDENTIALS)

    def __enter__(self) -> MotoServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Return when it answers."""
        with ExitStack() as cleaning:
            folder = Path(cleaning.enter_context(tempfile.TemporaryDirectory(prefix="moto")))
            self._log = folder / "requests"
            tests = Path(__file__).resolve().parent.parent
            server = Process(
                [sys.executable, "-m", "support.moto", self._log],
                log=folder / "output",
                env={**CREDENTIALS, "PYTHONPATH": str(tests), "PYTHONWARNINGS": "ignore"},
            )
            cleaning.callback(server.kill)
            eventually(lambda: self._started(server), within=30, what=server.said)
            self._cleaning = cleaning.pop_all()

    def close(self) -> None:
        """End the process and forget its log."""
        self._cleaning.close()

    def client(self, **options: Any) -> Any:
        """A plain boto3 client."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            **options,
        )

    def unchecking_client(self) -> Any:
        """A plain client that reads what is there also where it is not what its checksum says: moto takes any."""
        from botocore.config import Config

        return self.client(config=Config(response_checksum_validation="when_required"))

    def new_bucket(self, name: str, *, versioned: bool = False) -> str:
        """Make an empty bucket and return its name."""
        client = self.client()
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def contents(self, bucket: str, prefix: str = "") -> dict[str, bytes]:
        """Every object's bytes by key, read by a plain client (which the log counts too)."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [row["Key"] for page in pages for row in page.get("Contents", ())]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def reset(self) -> None:
        """Forget every bucket. The log goes on."""
        request = urllib.request.Request(f"{self.endpoint}/moto-api/reset", method="POST")
        urllib.request.urlopen(request, timeout=10).close()

    def mark(self) -> int:
        """A place in the log, to count from."""
        return self._log.stat().st_size

    def requests(self, since: int = 0) -> Counter[str]:
        """Requests by kind, those that failed too.

        On objects: PUT COPY GET HEAD DELETE, and CREATE PART PARTCOPY COMPLETE ABORT of uploads in parts.
        On buckets: LIST (of objects), VERSIONS, HEADBUCKET, and BUCKET for all else. moto's own API is not counted.
        """
        return Counter(kind for kind, _, _ in self.log(since))

    def log(self, since: int = 0) -> list[tuple[str, str, int]]:
        """(kind, path with the bucket, status) of every request, in order."""
        with self._log.open("rb") as log:
            log.seek(since)
            lines = [json.loads(line) for line in log if line.endswith(b"\n")]
        return [
            (kind_of(line["method"], line["target"], copies=line["copies"]), _path(line["target"]), line["status"])
            for line in lines
            if not line["target"].startswith("/moto-api/")
        ]

    def hashes_put(self, since: int = 0, *, under: str = "") -> set[str]:
        """What every object that was ever stored there said of its content (`file-hash`), those long gone too."""
        with self._log.open("rb") as log:
            log.seek(since)
            lines = [json.loads(line) for line in log if line.endswith(b"\n")]
        stored = [line for line in lines if line["status"] < 300 and _path(line["target"]).startswith(under)]
        return {line["hash"] for line in stored if line["hash"]}

    def sent(self, since: int = 0) -> list[tuple[str, str]]:
        """(key with its bucket, `file-hash`) of every request that brought an object's content, in order."""
        with self._log.open("rb") as log:
            log.seek(since)
            lines = [json.loads(line) for line in log if line.endswith(b"\n")]
        return [(_path(line["target"]), line["hash"]) for line in lines if line["hash"] and not line["copies"]]

    def _started(self, server: Process) -> bool:
        """The server writes its port first; then it listens."""
        if not server.running:
            raise RuntimeError(f"moto ended: {server.said()}")
        port = self._log.with_name("requests.port")
        if not port.exists():
            return False
        self.port = int(port.read_text())
        try:
            urllib.request.urlopen(f"{self.endpoint}/moto-api/data.json", timeout=5).close()
        except urllib.error.URLError:
            return False
        return True


def kind_of(method: str, target: str, *, copies: bool) -> str:
    """What a request does, by its method, its path and query, and whether it names a source to copy."""
    parts = urlsplit(target)
    query = parse_qs(parts.query, keep_blank_values=True)
    bucket, _, key = parts.path.lstrip("/").partition("/")
    if not key:
        return _bucket_kind(method, query) if bucket else "BUCKET"
    if "uploadId" in query:
        uploads = {"PUT": "PARTCOPY" if copies else "PART", "POST": "COMPLETE", "DELETE": "ABORT", "GET": "PARTS"}
        return uploads[method]
    if "uploads" in query:
        return "CREATE"
    if {"tagging", "acl", "attributes"} & set(query):
        return f"{method}-{min({'tagging', 'acl', 'attributes'} & set(query)).upper()}"
    return "COPY" if method == "PUT" and copies else method


def _bucket_kind(method: str, query: dict[str, list[str]]) -> str:
    if method == "HEAD":
        return "HEADBUCKET"
    if method != "GET" or {"versioning", "location", "uploads", "policy"} & set(query):
        return "BUCKET"
    return "VERSIONS" if "versions" in query else "LIST"


def _path(target: str) -> str:
    return unquote(urlsplit(target).path.lstrip("/"))


def one_writer_at_a_time() -> None:
    """Make moto's writes atomic: it checks a precondition, then writes, and two requests at once both pass.

    It also reads a key's versions, then stores them with one more, so that of two writers one version is lost.
    """
    from moto.s3.responses import S3Response

    lock = threading.RLock()

    def locked(write: Callable[..., Any]) -> Callable[..., Any]:
        def one(*args: Any, **more: Any) -> Any:
            with lock:
                return write(*args, **more)

        return one

    for name in ("_key_response_put", "_key_response_post", "_key_response_delete"):
        setattr(S3Response, name, locked(getattr(S3Response, name)))


class Stricter:
    """What moto is too kind for, asked for by the bucket's name: a real store refuses this.

    `pinning-…`: a copy whose source is not the ETag that it names. `small-copies-…`: one of what we displace, as of an
    object over 5 GiB, which is copied in parts.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        refusal = self._refusal(environ)
        if refusal is None:
            return self._app(environ, start)
        status, code = refusal
        start(status, [("Content-Type", "application/xml")])
        return [f"<Error><Code>{code}</Code><Message>said by the stricter store</Message></Error>".encode()]

    def _refusal(self, environ: dict[str, Any]) -> tuple[str, str] | None:
        source = unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).lstrip("/")
        if not source or "uploadId" in environ.get("QUERY_STRING", ""):
            return None
        path = environ["PATH_INFO"].lstrip("/")
        if path.startswith("small-copies-") and "/.syncd/trash/" in path:
            return "400 Bad Request", "InvalidRequest"
        asked = environ.get("HTTP_X_AMZ_COPY_SOURCE_IF_MATCH", "").strip('"')
        if path.startswith("pinning-") and asked and asked != _etag_now(source):
            return "412 Precondition Failed", "PreconditionFailed"
        return None


def _etag_now(source: str) -> str:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    bucket, _, key = source.partition("?")[0].partition("/")
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
    return "" if found is None else str(found.etag).strip('"')


def serve(log: Path) -> None:
    """Be the server: a free port, written beside the log, until the process is ended."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    with log.open("a", buffering=1) as sink:

        class Handler(MotoRequestHandler):
            """Logs before the answer leaves, so that who has the answer finds it in the log."""

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                line = {
                    "method": self.command,
                    "target": self.path,
                    "copies": "x-amz-copy-source" in self.headers,
                    "status": int(code),
                    "hash": self.headers.get("x-amz-meta-file-hash", ""),
                }
                sink.write(json.dumps(line) + "\n")

        one_writer_at_a_time()
        app = Stricter(DomainDispatcherApplication(create_backend_app))
        server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
        partial = log.with_name("requests.port.partial")
        partial.write_text(str(server.port))
        partial.rename(log.with_name("requests.port"))
        server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
