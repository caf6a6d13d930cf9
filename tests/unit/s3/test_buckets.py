"""Many buckets as one store."""

from __future__ import annotations

import io

import pytest

from support.fake_store import FakeObjects
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Checksums, ObjectHeaders, Unchecked
from syncd.s3.buckets import BucketsObjects


class Endpoint:
    """Fake buckets and what was told of them."""

    def __init__(self, *names: str) -> None:
        self.buckets: dict[str, FakeObjects] = {}
        for name in names:
            self.buckets[name] = FakeObjects(bucket=name, peers=self.buckets, now=lambda: 5.0)
        self.problems: list[tuple[str, RemoteKind]] = []
        self.opened: list[str] = []
        self.objects = BucketsObjects(
            lambda: list(self.buckets), self.open, problem=lambda name, error: self.problems.append((name, error.kind))
        )

    def open(self, name: str) -> FakeObjects:
        self.opened.append(name)
        return self.buckets[name]

    def keys(self, prefix: str = "") -> list[str]:
        return [row.key for page in self.objects.list(prefix) for row in page.objects]


@pytest.fixture
def endpoint() -> Endpoint:
    made = Endpoint("a", "a-b", "c")
    for name in made.buckets:
        made.buckets[name].plant("k", b"x")
        made.buckets[name].plant("d/k", b"x")
    return made


def failed(kind: RemoteKind) -> RemoteError:
    return RemoteError(kind, "no")


def test_all_buckets_are_listed_in_the_order_of_whole_keys(endpoint: Endpoint) -> None:
    assert endpoint.keys() == ["a-b/d/k", "a-b/k", "a/d/k", "a/k", "c/d/k", "c/k"]
    assert endpoint.keys() == sorted(endpoint.keys(), key=str.encode)
    assert [page.last for page in endpoint.objects.list("")] == [False, False, False, True]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [("a/", ["a/d/k", "a/k"]), ("a/d/", ["a/d/k"]), ("a", ["a-b/d/k", "a-b/k", "a/d/k", "a/k"]), ("nothing/", [])],
)
def test_a_prefix_chooses_buckets_and_keys(endpoint: Endpoint, prefix: str, expected: list[str]) -> None:
    assert endpoint.keys(prefix) == expected


@pytest.mark.parametrize("kind", [RemoteKind.MISSING, RemoteKind.DENIED, RemoteKind.CORRUPT, RemoteKind.REJECTED])
def test_a_bucket_that_cannot_be_listed_is_told_and_the_others_go_on(endpoint: Endpoint, kind: RemoteKind) -> None:
    endpoint.buckets["a"].fail_next("list", failed(kind))
    assert endpoint.keys() == ["a-b/d/k", "a-b/k", "c/d/k", "c/k"]
    assert (endpoint.problems, endpoint.objects.incomplete) == ([("a", kind)], {"a"})
    assert len(endpoint.keys()) == 6
    assert endpoint.objects.incomplete == frozenset()


@pytest.mark.parametrize("kind", [RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED])
def test_a_failing_endpoint_fails_the_listing(endpoint: Endpoint, kind: RemoteKind) -> None:
    endpoint.buckets["a"].fail_next("list", failed(kind))
    with pytest.raises(RemoteError):
        endpoint.keys()
    assert endpoint.objects.incomplete == {"a"}


def test_a_bucket_that_is_being_listed_is_not_incomplete_so_that_what_is_new_in_it_goes_up(endpoint: Endpoint) -> None:
    next(endpoint.objects.list(""))
    assert endpoint.objects.incomplete == frozenset()


def test_requests_go_to_the_bucket_of_the_key_and_it_is_opened_once(endpoint: Endpoint) -> None:
    given = {"headers": ObjectHeaders(), "sums": Checksums()}
    answer = endpoint.objects.put("a/new/k", io.BytesIO(b"yy"), 2, expect=Absent(), **given)  # type: ignore[arg-type]
    seen = endpoint.objects.head("a/new/k")
    assert seen is not None
    assert seen.size == 2
    with endpoint.objects.get("a/new/k", expect=answer.etag, start=1) as body:
        assert b"".join(body) == b"y"
    upload_id = endpoint.objects.create_multipart("a/big", headers=ObjectHeaders())
    part = endpoint.objects.put_part("a/big", upload_id, 1, io.BytesIO(b"z"), 1, sums=Checksums())
    endpoint.objects.complete_multipart("a/big", upload_id, [part], expect=Absent(), size=1, sums=Checksums())
    endpoint.objects.abort_multipart("a/big", "other")
    endpoint.objects.delete("a/k", expect=Unchecked())
    assert endpoint.buckets["a"].contents() == {"big": b"z", "d/k": b"x", "new/k": b"yy"}
    assert endpoint.opened == ["a"]
    assert endpoint.objects.server_now() == 5.0


def test_a_copy_goes_within_a_bucket_and_from_one_to_another(endpoint: Endpoint) -> None:
    etag = endpoint.buckets["a"].plant("only-here", b"content")
    for target in ("a/copy", "c/copy"):
        endpoint.objects.copy("a/only-here", target, source_etag=etag, expect=Absent(), headers=None)
    assert endpoint.buckets["a"].contents()["copy"] == endpoint.buckets["c"].contents()["copy"] == b"content"
    with pytest.raises(Stale):
        endpoint.objects.copy("a/gone", "c/gone", source_etag=etag, expect=Absent(), headers=None)


@pytest.mark.parametrize("key", ["k", "a/", "/k", ""])
def test_a_key_without_a_bucket_or_a_name_is_refused(endpoint: Endpoint, key: str) -> None:
    with pytest.raises(RemoteError) as refused:
        endpoint.objects.head(key)
    assert refused.value.kind is RemoteKind.REJECTED
