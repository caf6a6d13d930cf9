"""Requests are counted in the server's own log, and our counts agree with it."""

from __future__ import annotations

import io
from typing import Any

from support.moto import MotoServer
from syncd.core.model import ETag
from syncd.ports import Checksums, ObjectHeaders, Unchecked


def test_the_log_tells_every_kind_of_request_apart(
    moto: MotoServer, made_for: Any, new_bucket: Any, plane: str
) -> None:
    store = made_for(moto, new_bucket(moto), plane=plane)
    since = moto.mark()
    headers, sums = ObjectHeaders(), Checksums()
    tag = store.put("d/k?versions", io.BytesIO(b"x"), 1, expect=Unchecked(), headers=headers, sums=sums).etag
    list(store.list(""))
    store.head("d/k?versions")
    with store.get("d/k?versions", expect=tag) as body:
        list(body)
    store.copy("d/k?versions", "copy", source_etag=tag, expect=Unchecked(), headers=None)
    upload_id = store.create_multipart("big", headers=headers)
    part = store.put_part("big", upload_id, 1, io.BytesIO(b"x"), 1, sums=sums)
    store.complete_multipart("big", upload_id, [part], expect=Unchecked(), size=1, sums=sums)
    store.abort_multipart("other", store.create_multipart("other", headers=headers))
    store.delete("copy", expect=Unchecked())
    kinds = ["PUT", "LIST", "HEAD", "GET", "COPY", "CREATE", "PART", "COMPLETE", "CREATE", "ABORT", "DELETE"]
    assert [kind for kind, _, _ in moto.log(since)] == kinds
    assert moto.requests(since)["CREATE"] == 2
    assert moto.log(since)[0] == ("PUT", f"{store.bucket}/d/k?versions", 200)
    counted = store.counts.snapshot()
    assert (counted.put, counted.list, counted.head, counted.get) == (5, 1, 1, 1)
    assert (counted.copy, counted.delete, counted.retried) == (1, 2, 0)


def test_a_request_that_fails_is_counted_too(moto: MotoServer, made_for: Any, new_bucket: Any, plane: str) -> None:
    store = made_for(moto, new_bucket(moto), plane=plane)
    list(store.list(""))
    since = moto.mark()
    assert store.head(ETag("nothing")) is None
    assert moto.log(since) == [("HEAD", f"{store.bucket}/nothing", 404)]
    assert store.counts.snapshot().head == 1
