"""A path whose three sides agree, as far as their looks tell."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.model import ListedObject, LocalStat, Record, RemoteState


@dataclass(frozen=True, slots=True)
class InStep:
    """What was seen of it. `stat` None: its file is staged."""

    record: Record
    stat: LocalStat | None
    listed: ListedObject

    @property
    def size(self) -> int:
        """Of the content, in bytes."""
        return self.record.size


def is_there(record: Record, listed: ListedObject) -> bool:
    """Whether that is the object that the record names."""
    return record.remote is RemoteState.PRESENT and listed.etag == record.etag
