"""A stub of Elasticsearch: a real HTTP server that keeps documents in memory and fails as it is told to.

Every action line of a bulk request and every bulk answer is checked against elastic_schema.json, which was generated
from the official types: `npm i @elastic/elasticsearch@8 typescript@5 ts-json-schema-generator@2` (8.19.2, 5.9, 2.4.0),
a file with `export type BulkOperation = estypes.BulkOperationContainer` and `export type BulkAnswer =
estypes.BulkResponse`, then `npx ts-json-schema-generator --path FILE --type '*' --no-type-check`, and of that the
definitions that the two reach. What breaks it is answered with 400 and kept in `violations`.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

from support.elastic_search import search

SCHEMA = json.loads((Path(__file__).parent / "elastic_schema.json").read_text(encoding="utf-8"))
LIMIT = 100 * 1024 * 1024  # http.max_content_length of a real server
PATIENCE_S = 60.0
FOREVER = 1_000_000
MAPPING_ERROR = {"type": "document_parsing_exception", "reason": "[1:9] failed to parse field [size] of type [long]"}
BUSY = {"type": "es_rejected_execution_exception", "reason": "rejected execution of primary operation"}
BROKEN = {"type": "node_not_connected_exception", "reason": "node is not connected"}

Source = dict[str, Any]


def _checker(name: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": SCHEMA["definitions"]})


OPERATION = _checker("BulkOperation")
ANSWER = _checker("BulkAnswer")


@dataclass(kw_only=True)
class ItemFault:
    """Items that fail: each chosen source with that chance, so many times in all."""

    share: float = 1.0
    status: int = 429
    error: Mapping[str, Any] = field(default_factory=lambda: BUSY)
    chosen: Callable[[Source], bool] = lambda source: True
    times: int = FOREVER


@dataclass(kw_only=True)
class RequestFault:
    """What happens to whole requests whose method and path begin so, so many times in all."""

    method: str = ""
    path: str = ""
    times: int = FOREVER
    answer: tuple[int, object] | None = None  # this status and body (str: as text) instead of the server's
    raw: bytes | None = None  # these bytes as the body of a 200, said to be JSON
    lose_answer: bool = False  # it is done, and the connection is closed without a word
    half: bool = False  # of a bulk request the first half is done and answered for
    hang: bool = False  # no answer until `mend` or the end
    trickle: bool = False  # an answer that comes byte by byte, and never ends before `mend` or the end
    shuffle: bool = False  # items are answered for in another order, and `errors` says the contrary


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A request that came."""

    method: str
    path: str
    size: int
    documents: int
    headers: Mapping[str, str]


class ElasticStub:
    """Listens on a free port of the loopback. Use as a context manager; leaving it asserts that nothing was malformed.

    `product`: what X-Elastic-Product says, "" for none (OpenSearch). `authorization`: the header that is asked for,
    "" for none. `may`: whether a method and path are allowed to that user.
    """

    def __init__(self, *, product: str = "Elasticsearch", tls: ssl.SSLContext | None = None) -> None:
        self.product = product
        self.authorization = ""
        self.may: Callable[[str, str], bool] = lambda method, path: True
        self.largest = LIMIT
        self.warning = ""
        self.indices: dict[str, dict[str, Source]] = {}
        self.templates: dict[str, Any] = {}
        self.writes: Counter[str] = Counter()  # by _id
        self.seen: list[Seen] = []
        self.violations: list[str] = []
        self.port = 0
        self._tls = tls
        self._lock = threading.RLock()
        self._chance = random.Random(7)
        self._item_faults: list[ItemFault] = []
        self._request_faults: list[RequestFault] = []
        self._released = threading.Event()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def __enter__(self) -> ElasticStub:
        self.listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.mend()
        self.refuse()
        if kind is None:
            assert not self.violations, "\n".join(self.violations)

    # --- what a test says --------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Take connections, on the same port as before."""
        self._server = _Server(self, self.port, self._tls)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def refuse(self) -> None:
        """Be a port where nobody listens, and close whatever is under way."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def fail_items(self, fault: ItemFault) -> None:
        with self._lock:
            self._item_faults.append(fault)

    def fail(self, fault: RequestFault) -> None:
        with self._lock:
            self._request_faults.append(fault)

    def mend(self) -> None:
        """No faults any more; whoever hangs is let go."""
        with self._lock:
            self._item_faults.clear()
            self._request_faults.clear()
            self._released.set()
            self._released = threading.Event()

    def documents(self, index: str = "syncd-archives") -> dict[str, Source]:
        """The sources by their ids."""
        with self._lock:
            return dict(self.indices.get(index, {}))

    def bulks(self) -> list[Seen]:
        with self._lock:
            return [seen for seen in self.seen if seen.path.endswith("_bulk")]

    # --- what a request asks for -----------------------------------------------------------------------------------

    def take(self, seen: Seen) -> tuple[RequestFault, threading.Event]:
        """Note a request and say what befalls it, and until when it hangs."""
        with self._lock:
            self.seen.append(seen)
            for fault in self._request_faults:
                if fault.times > 0 and seen.method.startswith(fault.method) and seen.path.startswith(fault.path):
                    fault.times -= 1
                    return fault, self._released
            return RequestFault(), self._released

    def do(self, method: str, target: str, body: bytes, fault: RequestFault) -> tuple[int, object]:
        """Do it. Returns the status and the body of the answer."""
        path = [unquote(part) for part in urlsplit(target).path.strip("/").split("/")]
        with self._lock:
            match method, path:
                case (("POST" | "PUT"), ["_bulk"]):
                    return self._bulk(body, fault)
                case "GET", ["_index_template", name]:
                    held = self.templates.get(name)
                    rows = [{"name": name, "index_template": held}]
                    return (200, {"index_templates": rows}) if held else (404, {"error": f"no template {name}"})
                case "PUT", ["_index_template", name]:
                    self.templates[name] = json.loads(body)
                    return 200, {"acknowledged": True}
                case "HEAD", [name]:
                    return (200 if name in self.indices else 404), None
                case "POST", [name, "_search"]:
                    return self._search(name, json.loads(body), parse_qs(urlsplit(target).query))
                case _:
                    return 400, {"error": {"type": "illegal_argument_exception", "reason": f"{method} {target}"}}

    def _search(self, index: str, body: Source, options: Mapping[str, list[str]]) -> tuple[int, object]:
        if index not in self.indices and options.get("ignore_unavailable") != ["true"]:
            return 404, {"error": {"type": "index_not_found_exception", "reason": f"no such index [{index}]"}}
        hits = search(self.indices.get(index, {}), body)
        shards = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
        found = [{"_index": index, "_score": None, **hit} for hit in hits]
        return 200, {"took": 1, "timed_out": False, "_shards": shards, "hits": {"max_score": None, "hits": found}}

    def _bulk(self, body: bytes, fault: RequestFault) -> tuple[int, object]:
        try:
            pairs = self._pairs(body)
        except ValueError as problem:
            self.violations.append(str(problem))
            return 400, {"error": {"type": "illegal_argument_exception", "reason": str(problem)}}
        items = [self._index(action, source) for action, source in pairs[: len(pairs) // 2 if fault.half else None]]
        failed = any("error" in item["index"] for item in items)
        if fault.shuffle:
            items.reverse()
        answer = {"took": 1, "errors": failed is not fault.shuffle, "items": items}
        self.violations += [f"answer: {problem.message}" for problem in ANSWER.iter_errors(answer)]
        return 200, answer

    def _pairs(self, body: bytes) -> list[tuple[Source, Source]]:
        """Actions and sources. ValueError for what a real server would not take, or ours should not send."""
        if not body.endswith(b"\n"):
            raise ValueError("The bulk request must be terminated by a newline [\\n]")
        lines = [json.loads(line) for line in body[:-1].split(b"\n")]
        if len(lines) % 2:
            raise ValueError("an action without a source")
        for action in lines[::2]:
            for problem in OPERATION.iter_errors(action):
                raise ValueError(f"action {action}: {problem.message}")
            if set(action) != {"index"} or not {"_id", "_index"} <= set(action["index"]):
                raise ValueError(f"action {action}: ours index by id")
        for source in lines[1::2]:
            if not isinstance(source, dict):
                raise ValueError("a source that is no object")
        return list(zip(lines[::2], lines[1::2]))

    def _index(self, action: Source, source: Source) -> Source:
        name, index = action["index"]["_id"], action["index"]["_index"]
        item: Source = {"_index": index, "_id": name}
        fault = self._item_fault(source)
        if fault is not None:
            return {"index": {**item, "status": fault.status, "error": dict(fault.error)}}
        held = self.indices.setdefault(index, {})
        result = ("updated", 200) if name in held else ("created", 201)
        held[name] = source
        self.writes[name] += 1
        shards = {"total": 2, "successful": 1, "failed": 0}
        rest = {"_shards": shards, "_seq_no": self.writes.total(), "_primary_term": 1, "status": result[1]}
        return {"index": {**item, "_version": self.writes[name], "result": result[0], **rest}}

    def _item_fault(self, source: Source) -> ItemFault | None:
        for fault in self._item_faults:
            if fault.times > 0 and fault.chosen(source) and self._chance.random() < fault.share:
                fault.times -= 1
                return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, stub: ElasticStub, port: int, tls: ssl.SSLContext | None) -> None:
        self.stub = stub
        self._open: set[socket.socket] = set()
        self._tls = tls
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[Any, Any]:
        connection, address = super().get_request()
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = PATIENCE_S
    wbufsize = -1  # one packet: else the client waits 40 ms for the body
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        stub = self.server.stub
        announced = int(self.headers.get("content-length", 0))
        body = self.rfile.read(announced)
        if len(body) < announced:  # whoever sent it died on the way: no server takes half a request
            self.close_connection = True
            return
        path = unquote(urlsplit(self.path).path)
        documents = body.count(b"\n") // 2 if path.endswith("_bulk") else 0
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault, released = stub.take(
            Seen(method=self.command, path=path, size=len(body), documents=documents, headers=headers)
        )
        if fault.hang:
            released.wait(PATIENCE_S)
            self.close_connection = True
            return
        try:
            status, answer = self._refusal(path, body) or fault.answer or stub.do(self.command, self.path, body, fault)
        except (ValueError, AssertionError, LookupError) as problem:
            stub.violations.append(f"{self.command} {self.path} {body[:500]!r}: {problem!r}")
            status, answer = 500, None
        if fault.lose_answer:
            self.close_connection = True
            return
        if fault.trickle:
            self._trickle(released)
            return
        self._answer(status, answer, fault.raw)

    do_GET = do_PUT = do_POST = do_HEAD = _handle

    def _refusal(self, path: str, body: bytes) -> tuple[int, object] | None:
        """What a server says before it looks at the request."""
        stub = self.server.stub
        if len(body) > stub.largest:
            return 413, "<html>413 Request Entity Too Large</html>"
        if stub.authorization and self.headers.get("authorization") != stub.authorization:
            said = f"unable to authenticate with {self.headers.get('authorization')}"  # a careless server
            return 401, {"error": {"type": "security_exception", "reason": said}, "status": 401}
        if not stub.may(self.command, path):
            said = f"action on [{path}] is unauthorized for this user"
            return 403, {"error": {"type": "security_exception", "reason": said}, "status": 403}
        kind = self.headers.get("content-type", "")
        if body and not any(known in kind for known in ("application/json", "ndjson", "elasticsearch+json")):
            stub.violations.append(f"{self.command} {path}: Content-Type {kind}")
        return None

    def _answer(self, status: int, answer: object, raw: bytes | None) -> None:
        text = isinstance(answer, str)
        body = raw if raw is not None else answer.encode() if text else json.dumps(answer).encode()
        if answer is None and raw is None:
            body = b""
        self.send_response(status)
        if self.server.stub.product:
            self.send_header("X-Elastic-Product", self.server.stub.product)
        if self.server.stub.warning:
            self.send_header("Warning", f'299 Elasticsearch-8 "{self.server.stub.warning}"')
        self.send_header("Content-Type", "text/html" if text else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _trickle(self, released: threading.Event) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
        with suppress(OSError):
            while not released.wait(0.02):
                self.wfile.write(b" ")
                self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""
