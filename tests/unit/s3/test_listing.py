"""A listing is whole and in order, or it is an error."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from syncd.errors import RemoteError, RemoteKind
from syncd.s3.listing import Fetched, fetched, pages
from syncd.s3.translate import Place

PLACE = Place("http://s3", "bucket", "p/")


def answer(*keys: str, token: str | None = None, truncated: bool = False, **more: str) -> dict[str, Any]:
    row = {"Size": 1, "ETag": '"e"', "LastModified": datetime.fromtimestamp(9, timezone.utc), **more}
    said: dict[str, Any] = {"Contents": [{"Key": key, **row} for key in keys], "IsTruncated": truncated}
    return said | ({} if token is None else {"NextContinuationToken": token})


def listed(*answers: dict[str, Any]) -> list[str]:
    left = list(answers)
    return [row.key for page in pages(lambda _: fetched(left.pop(0)), "p/", PLACE) for row in page.objects]


def test_pages_follow_each_other_by_their_tokens() -> None:
    asked: list[str] = []
    answers = [answer("p/a", token="t1", truncated=True), answer("p/b", token="t2", truncated=True), answer("p/c")]

    def fetch(token: str) -> Fetched:
        asked.append(token)
        return fetched(answers.pop(0))

    found = list(pages(fetch, "p/", PLACE))
    assert asked == ["", "t1", "t2"]
    assert [([row.key for row in page.objects], page.last) for page in found] == [
        (["p/a"], False),
        (["p/b"], False),
        (["p/c"], True),
    ]


def test_order_is_that_of_utf8_bytes() -> None:
    assert listed(answer("p/-", "p/a", "p/￿", "p/😀")) == ["p/-", "p/a", "p/￿", "p/😀"]


@pytest.mark.parametrize(
    "answers",
    [
        [answer("p/b", "p/a")],
        [answer("p/a", "p/a")],
        [answer("p/b", token="t", truncated=True), answer("p/a")],
        [answer("p/b", token="t", truncated=True), answer("p/b")],
        [answer("other")],
        [answer("p/a", truncated=True)],
        [answer("p/a", token="t", truncated=True), answer("p/b", token="t", truncated=True)],
        [answer(key, token=token, truncated=True) for key, token in (("p/a", "1"), ("p/b", "0"), ("p/c", "1"))],
        [answer(token=token, truncated=True) for token in ("1", "0", "1")],
    ],
    ids=[
        *("backwards", "twice", "backwards-across", "twice-across", "foreign", "no-token", "same-token"),
        *("tokens-go-round", "empty-pages-go-round"),
    ],
)
def test_what_cannot_be_trusted_is_an_error(answers: list[dict[str, Any]]) -> None:
    with pytest.raises(RemoteError, match="cannot be trusted") as broken:
        listed(*answers)
    assert broken.value.kind is RemoteKind.CORRUPT


@pytest.mark.parametrize(
    ("storage_class", "archived"),
    [("STANDARD", False), ("GLACIER", True), ("DEEP_ARCHIVE", True), ("GLACIER_IR", False)],
)
def test_a_row_tells_whether_it_is_archived(storage_class: str, archived: bool) -> None:
    [page] = pages(lambda _: fetched(answer("p/a", StorageClass=storage_class)), "p/", PLACE)
    assert page.objects[0].archived is archived
    assert page.objects[0].last_modified_s == 9
