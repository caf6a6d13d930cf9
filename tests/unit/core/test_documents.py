"""Documents for a search index: one for each original, the same however often it is told."""

from __future__ import annotations

import hashlib

from hypothesis import given

from support.members import NOW_NS, SHA256, UUID, manifest, member, paths
from syncd.core.documents import documents
from syncd.core.manifest import dump, load
from syncd.core.paths import RelPath
from syncd.ports.archives import Document


def test_a_document_says_where_the_file_is() -> None:
    whole = manifest(member("d/sub/a b.txt", offset=1536, size=7, mtime_ns=NOW_NS + 5), folder="d/sub")
    text = f"photos\0d/sub/{UUID}.tar\0d/sub/a b.txt\x001536"
    assert list(documents(whole)) == [
        Document(
            id=hashlib.sha256(text.encode()).hexdigest(),
            source={
                "bucket": "photos",
                "key": "d/sub/a b.txt",
                "name": "a b.txt",
                "folder": "d/sub",
                "archive_key": f"d/sub/{UUID}.tar",
                "archive_url": f"https://s3.example/photos/d/sub/{UUID}.tar",
                "uuid": UUID,
                "offset": 1536,
                "size": 7,
                "sha256": SHA256,
                "mtime": "2025-06-15T15:06:40.000000005Z",
                "archived_at": "2025-06-15T15:06:40Z",
                "host": "lt-07",
                "schema_version": 1,
            },
        )
    ]


def test_a_file_at_the_root_has_no_folder() -> None:
    (document,) = documents(manifest(member("a"), folder=""))
    assert (document.source["folder"], document.source["name"]) == ("", "a")


def test_a_void_member_gives_none() -> None:
    whole = manifest(member("d/a"), member("d/b", void=True), member("d/c"))
    assert [one.source["key"] for one in documents(whole)] == ["d/a", "d/c"]


def test_the_same_key_in_two_normal_forms_is_two_documents() -> None:
    whole = manifest(member("d/é"), member("d/e\u0301"))
    assert len({one.id for one in documents(whole)}) == 2


@given(paths)
def test_the_manifest_that_was_read_back_gives_the_same_documents(path: RelPath) -> None:
    folder = path.rpartition("/")[0]
    if len(folder) < 300:
        whole = manifest(member(path), folder=folder)
        assert list(documents(load(dump(whole)))) == list(documents(whole))
