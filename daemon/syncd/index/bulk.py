"""The bulk request: documents in bounded bodies out, one receipt a document back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.errors import RemoteError
from syncd.index.failure import TOO_LARGE, Place, reason_of
from syncd.ports import Document, Receipt, Taken

MAX_BYTES = 5_000_000
MAX_DOCUMENTS = 1000

DOCUMENT_STATUSES = frozenset({400, 413, 422})
"""Statuses of an item by which its document was refused. 401, 403, 404, 409 are about the index or about us."""

OF_THE_INDEX = frozenset(
    {
        "index_closed_exception",
        "invalid_index_name_exception",
        "resource_already_exists_exception",
        "validation_exception",  # the cluster has as many shards as it may have
        "cluster_block_exception",
        "index_not_found_exception",
    }
)
"""Errors that come with status 400, or may, though no document is to blame: a person mends the index."""

NO_WRITE_INDEX = "no write index"
"""What an alias without a write index says; its type, illegal_argument_exception, is also that of bad documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One document as it goes into a body: its action and its source, each with its line end."""

    document: Document
    lines: bytes


def add(documents: Sequence[Document], *, index: str, place: Place, send: Callable[[bytes], object]) -> list[Receipt]:
    """Send them in as many requests as their size asks for; one receipt a document, in order.

    `send` posts one body and returns the parsed answer. What it raises ends it: documents are sent again by their ids.
    """
    found: list[Receipt | None] = [None] * len(documents)
    pieces: list[tuple[int, Piece]] = []
    for at, document in enumerate(documents):
        lines = _lines(document, index)
        if lines is None:
            found[at] = Receipt(id=document.id, taken=Taken.DEAD, reason="its name or host is no valid Unicode")
        else:
            pieces.append((at, Piece(document=document, lines=lines)))
    for body in bodies(pieces):
        for (at, _), receipt in zip(body, _sent([piece for _, piece in body], place, send)):
            found[at] = receipt
    return [receipt for receipt in found if receipt is not None]


def bodies(pieces: Sequence[tuple[int, Piece]]) -> Iterator[list[tuple[int, Piece]]]:
    """Cut into what one request may carry; a piece that is too large for itself goes alone."""
    body: list[tuple[int, Piece]] = []
    size = 0
    for at, piece in pieces:
        if body and (len(body) >= MAX_DOCUMENTS or size + len(piece.lines) > MAX_BYTES):
            yield body
            body, size = [], 0
        body.append((at, piece))
        size += len(piece.lines)
    if body:
        yield body


def _sent(pieces: Sequence[Piece], place: Place, send: Callable[[bytes], object]) -> list[Receipt]:
    """One request; halves of it where a proxy takes no body so large."""
    try:
        answer = send(b"".join(piece.lines for piece in pieces))
    except RemoteError as error:
        if error.code != TOO_LARGE:
            raise
        if len(pieces) == 1:
            return [Receipt(id=pieces[0].document.id, taken=Taken.DEAD, reason=error.message)]
        half = len(pieces) // 2
        return [*_sent(pieces[:half], place, send), *_sent(pieces[half:], place, send)]
    return receipts([piece.document for piece in pieces], answer, place)


def receipts(documents: Sequence[Document], answer: object, place: Place) -> list[Receipt]:
    """Read an answer item by item, by id: its own word on errors, its order and its number are not relied on.

    RemoteError UNAVAILABLE where it is no answer to a bulk request at all.
    """
    items = answer.get("items") if isinstance(answer, Mapping) else None
    if not isinstance(items, list):
        raise place.unreadable()
    said: dict[str, Mapping[str, Any]] = {}
    for item in items:
        match item:
            case {"index": {"_id": str(name)} as result}:
                said[name] = result
    return [_receipt(document.id, said.get(document.id), place) for document in documents]


def _receipt(name: str, result: Mapping[str, Any] | None, place: Place) -> Receipt:
    status = result.get("status") if result is not None else None
    if result is None or not isinstance(status, int):
        return Receipt(id=name, taken=Taken.RETRY, reason="the answer does not name it")
    if 200 <= status < 300 and "error" not in result:
        return Receipt(id=name, taken=Taken.DONE)
    reason = place.plain(f"{status}: {reason_of(result)}")
    return Receipt(id=name, taken=Taken.DEAD if _is_dead(status, result) else Taken.RETRY, reason=reason)


def _is_dead(status: int, result: Mapping[str, Any]) -> bool:
    """Whether this very document is at fault. What a person can mend in the index stays queued."""
    error = result.get("error")
    if status not in DOCUMENT_STATUSES:
        return False
    if not isinstance(error, Mapping):
        return True
    return error.get("type") not in OF_THE_INDEX and NO_WRITE_INDEX not in str(error.get("reason"))


def _lines(document: Document, index: str) -> bytes | None:
    """Action and source. None where text in it is no Unicode: one such document would spoil the whole request."""
    action = {"index": {"_index": index, "_id": document.id}}
    try:
        return f"{_json(action)}\n{_json(dict(document.source))}\n".encode()
    except UnicodeEncodeError:
        return None


_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
