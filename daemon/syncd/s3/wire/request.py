"""One request, rendered."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.s3.wire.body import Body


@dataclass(frozen=True, slots=True)
class Request:
    """`target`: path and query as they were signed. `headers`: whole lines, each ended by CR LF.

    `once`: it is not sent again, not even where a connection was closed without a word.
    """

    method: str
    target: bytes
    headers: bytes
    body: Body | None
    once: bool = False
