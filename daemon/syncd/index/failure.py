"""What it means that the index did not do what was asked, in our words and without anything secret."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from syncd.errors import RemoteError, RemoteKind

_K = RemoteKind

LONGEST = 300
"""Characters of what a server says that are repeated; the rest is seldom more than a stack trace."""

SHORTEST = 4
"""Characters of a secret that is looked for in what a server says: shorter ones are in every other word."""

FORBIDDEN = "403"
"""The code of a request that this user may not make."""

TOO_LARGE = "413"
"""The code of a request that was too large for the server, or for a proxy before it."""

UNREADABLE = "Unreadable"
"""The code of an answer that makes no sense."""

CREDENTIALS = "check api_key, or username and password, in [batch.elasticsearch]"

STATUSES: dict[int, tuple[RemoteKind, str, str]] = {
    401: (_K.DENIED, "the credentials were refused", CREDENTIALS),
    403: (_K.DENIED, "access is denied", f"{CREDENTIALS}; the user must be allowed to write to the index"),
    404: (_K.MISSING, "it does not exist there", "check url and index in [batch.elasticsearch]"),
    408: (_K.UNAVAILABLE, "the server waited too long for the request", "check the network"),
    413: (_K.REJECTED, "the request is too large for it", "raise the limit of the proxy before it"),
    429: (_K.THROTTLED, "it asks to go slower", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where requests go, as a person knows it ("Elasticsearch at http://host:9200"), and what is never told."""

    name: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.name

    def plain(self, text: object) -> str:
        """What somebody else said, fit to be shown: one line, not long, without our secrets."""
        said = str(text)
        for secret in self.secrets:
            if len(secret) >= SHORTEST:
                said = said.replace(secret, "***")
        said = " ".join("".join(char if char.isprintable() else " " for char in said[: 4 * LONGEST]).split())
        return said if len(said) <= LONGEST else f"{said[:LONGEST]}…"

    def refused(self, status: int, body: object) -> RemoteError:
        """An answer with an error status; `body` as it was parsed."""
        kind, what, hint = STATUSES.get(status) or self._by_class(status)
        reason = self.plain(reason_of(body))
        said = f" ({status}: {reason})" if reason else f" ({status})"
        return RemoteError(kind, f"{self}: {what}{said}", hint=hint, code=str(status))

    def unconnected(self, text: str) -> RemoteError:
        """No connection, or one that broke."""
        if "resolve" in text or "getaddrinfo" in text or "Name or service" in text:
            return self._away("the host name is not known", "check url in [batch.elasticsearch] and DNS", "DNS")
        if "refused" in text:
            return self._away("the connection was refused", "does it run, is the port of url right?", "Refused")
        said = self.plain(text)
        return self._away(f"the connection broke: {said}", "check the network and the scheme of url", "Unconnected")

    def late(self) -> RemoteError:
        """No answer within the time-out."""
        return self._away("no answer in time", "is it overloaded, a firewall between?", "Timeout")

    def untrusted(self, text: str) -> RemoteError:
        """TLS did not come about."""
        hint = "check ca_file in [batch.elasticsearch] and the scheme of url"
        return self._away(f"TLS failed: {self.plain(text)}", hint, "TLS")

    def unreadable(self, what: str = "the answer makes no sense") -> RemoteError:
        """An answer that is none."""
        return self._away(what, "does url lead to the index itself?", UNREADABLE)

    @contextmanager
    def senseless(self) -> Iterator[None]:
        """What parsing raises of itself where an answer is hostile: no such text, nested without end."""
        try:
            yield
        except (UnicodeError, RecursionError) as error:
            raise self.unreadable() from error

    def _away(self, what: str, hint: str, code: str) -> RemoteError:
        return RemoteError(_K.UNAVAILABLE, f"{self}: {what}", hint=hint, code=code)

    def _by_class(self, status: int) -> tuple[RemoteKind, str, str]:
        if status >= 500:
            return _K.UNAVAILABLE, "it failed", ""
        return _K.REJECTED, "it refused the request", "check url and index in [batch.elasticsearch]"


def reason_of(body: object) -> str:
    """Why, as the body of an error says it: `type: reason`, with what caused it; "" where it does not say."""
    match body:
        case {"error": dict() as error}:
            return _cause(error)
        case {"error": str(text)} | str(text):
            return text
        case _:
            return ""


def _cause(error: dict[str, object]) -> str:
    kind, reason, below = error.get("type"), error.get("reason"), error.get("caused_by")
    said = ": ".join(str(part) for part in (kind, reason) if part)
    if isinstance(below, dict) and below.get("reason"):
        said += f" (caused by {below['reason']})"
    return said
