"""A listing whose pages came before is not taken apart again, and is whole and in order all the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from support.scripted import Said, Scripted
from syncd.config.types import S3
from syncd.core.model import ETag, ListedObject
from syncd.errors import RemoteError
from syncd.ports import Capabilities, ObjectStore
from syncd.s3 import lean
from syncd.s3.planes import Planes
from syncd.s3.wired import Surroundings

Bucket = Callable[..., ObjectStore]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each taking apart gave."""
    seen: list[int] = []
    parse = lean.parse

    def counting(*args: object) -> object:
        page = parse(*args)  # type: ignore[arg-type]
        seen.append(len(page.rows))
        return page

    monkeypatch.setattr(lean, "parse", counting)
    return seen


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """The lean store of a server that answers these pages in turn."""
    servers: list[Scripted] = []

    def make(*pages: bytes) -> ObjectStore:
        server = Scripted(*(Said(body=page) for page in pages)).__enter__()
        servers.append(server)
        settings = S3(endpoint_url=server.endpoint, retries=0)
        return Planes.to(settings, Surroundings(rest=lambda _: False)).store("bucket", Capabilities())

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def page(names: str, *, token: str = "") -> bytes:
    rows = "".join(f"<Contents><Key>p/{name}</Key><Size>1</Size><ETag>e</ETag></Contents>" for name in names)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    end = f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>{more}"
    return f"<ListBucketResult>{end}{rows}</ListBucketResult>".encode()


def rows(names: str) -> list[ListedObject]:
    return [ListedObject(f"p/{name}", 1, ETag("e"), 0) for name in names]


def listed(store: ObjectStore, prefix: str = "p/") -> list[Sequence[ListedObject]]:
    return [page.objects for page in store.list(prefix)]


def test_pages_that_came_before_have_the_same_mark_and_are_not_taken_apart(bucket: Bucket, parsed: list[int]) -> None:
    store = bucket(page("abc", token="1"), page("def"), page("abc", token="2"), page("def"))
    before, again = list(store.list("p/")), list(store.list("p/"))
    assert [one.mark for one in before] == [one.mark for one in again]
    assert [one.last for one in again] == [False, True]
    assert [(len(one.objects), one.objects[0], one.objects[-1]) for one in again] == [
        (3, rows("a")[0], rows("c")[0]),
        (3, rows("d")[0], rows("f")[0]),
    ]
    assert parsed == [3, 3, 0, 0]
    assert [list(one.objects) for one in again] == [rows("abc"), rows("def")]
    assert again[0].objects[1:] == rows("bc")
    assert parsed == [3, 3, 0, 0, 3, 3], "each once, when somebody looks"


def test_a_page_that_changed_is_taken_apart(bucket: Bucket, parsed: list[int]) -> None:
    store = bucket(page("abc", token="1"), page("def"), page("abc", token="1"), page("dxf"[:2]))
    assert [list(one) for one in listed(store)] == [rows("abc"), rows("def")]
    assert [list(one) for one in listed(store)][1] == rows("dx")
    assert parsed[:4] == [3, 3, 0, 2]


def test_a_page_that_came_before_is_in_its_order_too(bucket: Bucket) -> None:
    store = bucket(page("abc", token="1"), page("def"), page("def", token="1"), page("abc"))
    listed(store)
    with pytest.raises(RemoteError, match="out of order"):
        listed(store)


def test_pages_of_a_listing_that_broke_off_are_not_remembered(bucket: Bucket, parsed: list[int]) -> None:
    store = bucket(page("abc", token="1"), page("cba"), page("abc", token="1"), page("def"))
    with pytest.raises(RemoteError, match="out of order"):
        listed(store)
    assert [list(one) for one in listed(store)] == [rows("abc"), rows("def")]
    assert parsed == [3, 3, 3, 3]


def test_a_page_is_not_below_another_prefix_because_it_came_before(bucket: Bucket) -> None:
    store = bucket(page("abc"))
    assert len(listed(store)) == 1
    with pytest.raises(RemoteError, match="not below"):
        listed(store, "q/")
    assert [list(one) for one in listed(store)] == [rows("abc")]


def test_a_single_row_comes_before_and_again(bucket: Bucket) -> None:
    store = bucket(page("a", token="1"), page("b"), page("a", token="1"), page("b"))
    assert [list(one) for one in listed(store)] == [list(one) for one in listed(store)] == [rows("a"), rows("b")]
