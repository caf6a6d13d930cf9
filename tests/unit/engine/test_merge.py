"""Three sorted streams become one, whatever each of them has."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import ETag, ListedObject, LocalStat, LocalState, Record, RemoteState
from syncd.core.paths import RelPath, order, parse_relpath
from syncd.engine.merge import merge

STAT = LocalStat(1, 2, 3, 4)

# characters around the folder separator and on both sides of the surrogates, where UTF-16 sorts otherwise
_names = st.text(st.sampled_from("a-./0é\uffee🦀"), min_size=1, max_size=6).filter(
    lambda text: all(part not in {"", ".", ".."} for part in text.split("/"))
)
_paths = st.sets(_names.map(parse_relpath), max_size=12)


def listed(path: RelPath) -> ListedObject:
    return ListedObject(path, 1, ETag(path), 0)


def record(path: RelPath) -> Record:
    return Record(path=path, local=LocalState.PRESENT, remote=RemoteState.PRESENT, size=1, digest=None)


def in_order(paths: set[RelPath]) -> list[RelPath]:
    return sorted(paths, key=order)


@given(_paths, _paths, _paths)
def test_every_path_comes_once_in_order_with_all_that_each_side_has(
    here: set[RelPath], there: set[RelPath], known: set[RelPath]
) -> None:
    rows = list(
        merge(
            [(path, STAT) for path in in_order(here)],
            [(path, listed(path)) for path in in_order(there)],
            [record(path) for path in in_order(known)],
        )
    )
    assert [row[0] for row in rows] == in_order(here | there | known)
    for path, stat, object_, row in rows:
        assert stat == (STAT if path in here else None)
        assert object_ == (listed(path) if path in there else None)
        assert row == (record(path) if path in known else None)


def test_it_reads_one_ahead_and_no_more() -> None:
    """Memory does not grow with the bucket."""
    taken = 0

    def endless() -> Iterator[tuple[RelPath, ListedObject]]:
        nonlocal taken
        while True:
            taken += 1
            path = RelPath(f"{taken:09d}")
            yield path, listed(path)

    rows = merge([], endless(), [])
    for _ in range(100):
        next(rows)
    assert taken <= 102
