"""A request's head, taken apart as far as the sink needs it."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote


class Request:
    """Method, bucket, key, query and headers (names in lower case)."""

    __slots__ = ("bucket", "headers", "key", "method", "query")

    def __init__(self, head: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.method, target, _ = lines[0].split(" ", 2)
        path, _, query = target.partition("?")
        if path[:4] == "http":  # a proxy is asked so
            path = "/" + path.split("/", 3)[-1]
        bucket, _, key = path[1:].partition("/")
        self.bucket = bucket
        self.key = unquote(key) if "%" in key else key
        self.query: dict[str, str] = dict(parse_qsl(query, keep_blank_values=True)) if query else {}
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.headers = headers

    @property
    def length(self) -> int:
        """Of the body on the wire."""
        return int(self.headers.get("content-length") or 0)

    @property
    def chunked(self) -> bool:
        """Whether the body has no length on the wire."""
        return "transfer-encoding" in self.headers

    @property
    def signed_in_chunks(self) -> bool:
        """Whether the body is aws-chunked."""
        return self.headers.get("x-amz-content-sha256", "").startswith("STREAMING-")

    @property
    def framed(self) -> bool:
        return self.chunked or self.signed_in_chunks

    @property
    def size(self) -> int:
        """Of the body itself."""
        return int(self.headers.get("x-amz-decoded-content-length") or self.length)

    def meta(self) -> bytes:
        """The lines of its user metadata."""
        return "".join(
            f"{name}: {value}\r\n" for name, value in self.headers.items() if name.startswith("x-amz-meta-")
        ).encode("latin-1")
