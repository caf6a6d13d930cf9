"""Signature Version 4 for S3: one pass over the headers of a request, its day key kept."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
"""In the place of a body's hash: something else protects it."""

EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of credentials, taken as one: what a request is signed with from its first to its last byte."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)


def encoded_path(key: str) -> str:
    """A key in a path: percent-encoded once, nothing normalised."""
    return quote(key, safe="/~")


def encoded_query(parameters: Mapping[str, str]) -> str:
    """A query in the order and the spelling that are signed."""
    pairs = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters.items()]
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


class Signer:
    """Signs for one region and one service. Thread-safe."""

    def __init__(self, region: str, service: str = "s3") -> None:
        self.region = region
        self._service = service
        self._second: tuple[int, str] = (-1, "")
        self._day: tuple[Keys | None, str, bytes, str] = (None, "", b"", "")

    def headers(
        self,
        keys: Keys,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        payload: str,
        *,
        now: float,
        unsigned: str = "",
    ) -> bytes:
        """The header lines of a request, `Authorization` among them, each ended by CR LF.

        `path` and `query` as they are sent (`encoded_path`, `encoded_query`). Names of `headers` are lower-case and
        `host` is one of them; all of them are signed. `payload`: the body's SHA-256 in hex, or UNSIGNED.
        `unsigned`: whole lines that somebody between us and the store may change.
        ValueError where a value is none of HTTP's: a line break would begin another header.
        """
        at = self._stamp(int(now))
        all_headers = {**headers, "x-amz-content-sha256": payload, "x-amz-date": at}
        if keys.token:
            all_headers["x-amz-security-token"] = keys.token
        lines = []
        canonical = []
        for name in sorted(all_headers):
            value = all_headers[name]
            if not (value.isascii() and value.isprintable()):
                raise ValueError(f"the header {name} cannot hold {value!r}")
            lines.append(f"{name}: {value}\r\n")
            if "  " in value or value[:1] == " " or value[-1:] == " ":
                value = " ".join(value.split())
            canonical.append(f"{name}:{value}\n")
        names = ";".join(sorted(all_headers))
        request = f"{method}\n{path}\n{query}\n{''.join(canonical)}\n{names}\n{payload}"
        key, scope = self._key(keys, at[:8])
        said = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signature = hmac.digest(key, said.encode(), "sha256").hex()
        lines.append(
            f"authorization: AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}\r\n"
        )
        return f"{''.join(lines)}{unsigned}".encode("ascii")

    def _stamp(self, second: int) -> str:
        known = self._second
        if known[0] == second:
            return known[1]
        text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        self._second = (second, text)
        return text

    def _key(self, keys: Keys, day: str) -> tuple[bytes, str]:
        """The key of that day, and its scope."""
        known = self._day
        if known[0] is keys and known[1] == day:
            return known[2], known[3]
        if not (keys.access_key.isascii() and keys.access_key.isprintable()):
            raise ValueError("the access key is none: it holds a line break, or what is not ASCII")
        key = f"AWS4{keys.secret_key}".encode()
        for step in (day, self.region, self._service, "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        scope = f"{day}/{self.region}/{self._service}/aws4_request"
        self._day = (keys, day, key, scope)
        return key, scope
