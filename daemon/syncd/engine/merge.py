"""Scan, listing and records are sorted alike: they are merged as streams, so memory does not grow with the bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from syncd.core.model import ListedObject, LocalStat, Record
from syncd.core.paths import RelPath

Row = tuple[RelPath, LocalStat | None, ListedObject | None, Record | None]


def merge(
    local: Iterable[tuple[RelPath, LocalStat]],
    remote: Iterable[tuple[RelPath, ListedObject]],
    records: Iterable[Record],
) -> Iterator[Row]:
    """Join the three by path. Comparing str is comparing UTF-8 bytes: code points sort as their encodings do."""
    files, objects, rows = iter(local), iter(remote), iter(records)
    file, object_, record = next(files, None), next(objects, None), next(rows, None)
    while file is not None or object_ is not None or record is not None:
        path = _least(file, object_, record)
        stat = listed = row = None
        if file is not None and file[0] == path:
            stat, file = file[1], next(files, None)
        if object_ is not None and object_[0] == path:
            listed, object_ = object_[1], next(objects, None)
        if record is not None and record.path == path:
            row, record = record, next(rows, None)
        yield path, stat, listed, row


def _least(
    file: tuple[RelPath, LocalStat] | None, object_: tuple[RelPath, ListedObject] | None, record: Record | None
) -> RelPath:
    paths = []
    if file is not None:
        paths.append(file[0])
    if object_ is not None:
        paths.append(object_[0])
    if record is not None:
        paths.append(record.path)
    return min(paths)
