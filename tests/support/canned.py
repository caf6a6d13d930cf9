"""Answers of S3 given to a real boto3 client right before its requests would leave, and those requests kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.awsrequest import AWSResponse


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: object) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        """Nothing is held."""


def error(code: str, message: str = "no") -> bytes:
    """The body of a refusal."""
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


class Canned:
    """Answers the named operations in turn, the last answer again and again; `sent` keeps (operation, request)."""

    def __init__(self, client: Any) -> None:
        self.sent: list[tuple[str, Any]] = []
        self._answers: dict[str, list[Any]] = {}
        client.meta.events.register("before-send.s3", self._answer)

    def on(self, operation: str, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer that operation so (once more of them are given: in turn). Header names with _ for -."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._answers.setdefault(operation, []).append((status, named, body))

    def instead(self, operation: str, status: int, body: bytes = b"") -> None:
        """Answer that operation so from now on, whatever was said before."""
        self._answers[operation] = [(status, {}, body)]

    def operations(self) -> list[str]:
        """What was sent, in order."""
        return [operation for operation, _ in self.sent]

    def header(self, name: str, at: int = -1) -> str | None:
        """A header of a request that was sent, the last one if not said otherwise."""
        value = self.sent[at][1].headers.get(name)
        return value.decode() if isinstance(value, bytes) else value

    def _answer(self, *, request: Any, event_name: str, **_: object) -> Any:
        operation = event_name.rpartition(".")[2]
        self.sent.append((operation, request))
        answers = self._answers[operation]
        status, headers, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return AWSResponse(request.url, status, headers, _Raw(body))
