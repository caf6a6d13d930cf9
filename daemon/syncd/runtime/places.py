"""A root with its records, as recovery works on it: a pair's, or one bucket folder of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from syncd.engine.context import Context
from syncd.errors import PairHalted

if TYPE_CHECKING:
    from syncd.workers.batch import BatchSection


class Place(Protocol):
    """What has a trash, conflicts and a history under its name."""

    @property
    def name(self) -> str: ...

    def open(self) -> Context:
        """Its world. PairHalted where the root is not there."""
        ...


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """One bucket folder of a batch; its name is "<batch>/<bucket>"."""

    section: BatchSection
    bucket: str

    @property
    def name(self) -> str:
        """As its history and trash are kept."""
        return f"{self.section.name}/{self.bucket}"

    def open(self) -> Context:
        """Its world. PairHalted where the folder is not there, or can be no bucket's."""
        if self.bucket not in self.section.buckets():
            raise PairHalted(f"{self.section.batch.root / self.bucket} is no folder of a bucket")
        return self.section.open(self.bucket).context


def folder_places(sections: Iterable[BatchSection]) -> Iterator[FolderPlace]:
    """Every bucket folder of these batches that there is."""
    for section in sections:
        for bucket in section.buckets():
            yield FolderPlace(section, bucket)
