"""Pages of a listing that came before: where the bytes of their rows are the same, they are not taken apart again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from syncd.core.model import ListedObject


@dataclass(frozen=True, slots=True)
class Brief:
    """What stays of a page that was found in order: how many rows, the first and the last of them."""

    count: int
    first: ListedObject
    last: ListedObject


@dataclass(frozen=True, slots=True)
class Recall:
    """The pages of one whole listing below a prefix, by the marks of their rows. Some hundred bytes for each."""

    prefix: str
    pages: dict[int, Brief] = field(default_factory=dict)

    def keep(self, mark: int | None, rows: Sequence[ListedObject]) -> None:
        """Remember a page. Nothing where it has no mark."""
        if mark is not None and rows:
            self.pages[mark] = Brief(len(rows), rows[0], rows[-1])


class Recalled(Sequence[ListedObject]):
    """The rows of a page that came before; `read` takes them apart where somebody looks between its ends."""

    def __init__(self, brief: Brief, read: Callable[[], Sequence[ListedObject]]) -> None:
        self.brief = brief
        self._read = read
        self._rows: Sequence[ListedObject] | None = None

    def __len__(self) -> int:
        return self.brief.count

    def __iter__(self) -> Iterator[ListedObject]:
        return iter(self._all())

    @overload
    def __getitem__(self, at: int) -> ListedObject: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[ListedObject]: ...
    def __getitem__(self, at: int | slice) -> ListedObject | Sequence[ListedObject]:
        if at == 0:
            return self.brief.first
        return self.brief.last if at == -1 else self._all()[at]

    def _all(self) -> Sequence[ListedObject]:
        if self._rows is None:
            self._rows = self._read()
        return self._rows
