"""Signature Version 4 for S3: one pass over the headers of a request, its day key kept."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
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
        self._day: tuple[Keys, str, hmac.HMAC, str] | None = None

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
        ordered = sorted(all_headers)
        names = ";".join(ordered)
        lines = "".join([f"{name}:{all_headers[name]}\r\n" for name in ordered])
        shown = lines.replace("\r\n", "")
        if not (shown.isascii() and shown.isprintable()) or len(shown) + 2 * len(ordered) != len(lines):
            raise ValueError(_unfit(all_headers))
        canonical = _canonical(all_headers, ordered) if " " in shown else lines.replace("\r\n", "\n")
        request = f"{method}\n{path}\n{query}\n{canonical}\n{names}\n{payload}"
        mac, scope = self._mac(keys, at[:8])
        said = f"AWS4-HMAC-SHA256\n{at}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        own = mac.copy()  # hmac.digest would give up the GIL, for longer than this takes
        own.update(said.encode())
        return (
            f"{lines}authorization:AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={own.hexdigest()}\r\n{unsigned}"
        ).encode("ascii")

    def _stamp(self, second: int) -> str:
        known = self._second
        if known[0] == second:
            return known[1]
        text = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        self._second = (second, text)
        return text

    def _mac(self, keys: Keys, day: str) -> tuple[hmac.HMAC, str]:
        """What the key of that day signs with, to be copied, and its scope."""
        known = self._day
        if known is not None and known[0] is keys and known[1] == day:
            return known[2], known[3]
        if not (keys.access_key.isascii() and keys.access_key.isprintable()):
            raise ValueError("the access key is none: it holds a line break, or what is not ASCII")
        key = f"AWS4{keys.secret_key}".encode()
        for step in (day, self.region, self._service, "aws4_request"):
            key = hmac.digest(key, step.encode(), "sha256")
        scope = f"{day}/{self.region}/{self._service}/aws4_request"
        mac = hmac.new(key, digestmod="sha256")
        self._day = (keys, day, mac, scope)
        return mac, scope


def _canonical(headers: Mapping[str, str], ordered: Sequence[str]) -> str:
    """The header lines as they are signed: no space around a value, and one where there are several."""
    return "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in ordered])


def _unfit(headers: Mapping[str, str]) -> str:
    """Which header cannot be sent."""
    lines = [(name, value, f"{name}{value}") for name, value in headers.items()]
    name, value, _ = next(line for line in lines if not (line[2].isascii() and line[2].isprintable()))
    return f"the header {name!r} cannot hold {value!r}"
