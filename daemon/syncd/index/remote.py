"""What both flavors share: `ports.ArchiveIndex` over six requests, which each client sends in its own way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from syncd.errors import RemoteError
from syncd.index import bulk, query
from syncd.index.failure import FORBIDDEN, Place
from syncd.index.template import index_template, is_current
from syncd.ports import Document, Receipt

CONNECTIONS = 4


class RemoteIndex(ABC):
    """An index behind a client. Every request is sent once, within the time-out; who asks tries again. Thread-safe."""

    def __init__(self, *, index: str, place: Place) -> None:
        self._index = index
        self._place = place

    def prepare(self) -> None:
        """Put the index template, unless one of this version or an admin's own is there.

        A user who may not do that is enough where the index is there: it has its mapping already.
        """
        try:
            if not is_current(self._template()):
                self._put_template(index_template(self._index))
        except RemoteError as error:
            if error.code != FORBIDDEN or not self._exists():
                raise

    def add(self, documents: Sequence[Document]) -> list[Receipt]:
        """Bulk requests of bounded size; one receipt a document, in order."""
        return bulk.add(documents, index=self._index, place=self._place, send=self._bulk)

    def find(self, pattern: str, *, limit: int) -> list[Mapping[str, Any]]:
        """Sources of documents whose `bucket/key` matches the glob, newest first. A set counts as any character."""
        return query.found(pattern, limit=limit, place=self._place, search=self._search)

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    # Each sends one request and returns the parsed body. They raise RemoteError.

    @abstractmethod
    def _template(self) -> object:
        """The template of our name; anything else where there is none."""

    @abstractmethod
    def _put_template(self, body: Mapping[str, Any]) -> None: ...

    @abstractmethod
    def _exists(self) -> bool:
        """Whether the index, or an alias of its name, is there."""

    @abstractmethod
    def _bulk(self, body: bytes) -> object: ...

    @abstractmethod
    def _search(self, body: Mapping[str, Any]) -> object:
        """No such index finds nothing; an answer of some shards only is a failure: half would pass for the whole."""
