"""A Proof for one file of an archive: the archive is there as it was proven, and the file is what it holds."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.archive import Archive, Member
from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.core.paths import RelPath
from syncd.engine.prove import Shown, prove_member, shown
from syncd.errors import Stale
from syncd.ports import Capabilities

PATH = RelPath("logs/one")
ARCHIVE = Archive(
    uuid="u",
    bucket="bucket",
    key=RelPath("logs/u.tar"),
    size=7,
    sha256="",
    md5="",
    crc64nvme=0,
    operation="o",
    created_at=0.0,
    manifest_offset=0,
    manifest_size=0,
)
KEY = "p/logs/u.tar"


def proven_on(bucket: FakeObjects) -> Archive:
    etag = bucket.plant(KEY, b"archive")
    live = bucket.live(KEY)
    assert live is not None
    return replace(ARCHIVE, etag=etag, version_id=live.version_id, proof=ProofKind.ETAG)


@pytest.fixture
def lone(tmp_path: Path) -> LoneHost:
    return lone_host(tmp_path)


def member_of(body: bytes) -> Member:
    return Member(
        path=PATH,
        offset=512,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        mtime_ns=0,
        mode=0o644,
        uid=0,
        gid=0,
    )


def staged(lone: LoneHost, body: bytes) -> LocalStat:
    lone.write(PATH, body)
    stat = lone.host.root.lstat(PATH)
    assert stat is not None
    return lone.host.root.stage(PATH, expect=stat)


THERE = Shown(uuid="u", etag=ETag("e"), kind=ProofKind.READBACK)


def test_the_very_bytes_may_go(lone: LoneHost) -> None:
    stat = staged(lone, b"content")
    proof = prove_member(lone.host.context, THERE, member_of(b"content"), stat)
    assert proof is not None
    assert (proof.path, proof.staged, proof.kind, proof.etag) == (PATH, stat, ProofKind.READBACK, "e")
    lone.host.root.remove(proof)
    assert lone.host.root.staged(PATH) is None


@pytest.mark.parametrize("body", [b"CONTENT", b"content, and more", b""])
def test_other_bytes_may_not(lone: LoneHost, body: bytes) -> None:
    stat = staged(lone, body)
    assert prove_member(lone.host.context, THERE, member_of(b"content"), stat) is None


def test_a_void_member_is_no_version_of_anything(lone: LoneHost) -> None:
    stat = staged(lone, b"content")
    assert prove_member(lone.host.context, THERE, replace(member_of(b"content"), void=True), stat) is None


def test_a_file_that_is_not_the_one_that_was_looked_at_is_looked_at_again(lone: LoneHost) -> None:
    stat = staged(lone, b"content")
    with pytest.raises(Stale):
        prove_member(lone.host.context, THERE, member_of(b"content"), stat._replace(inode=stat.inode + 1))


def test_an_archive_that_is_there_as_it_was_proven_is_shown(lone: LoneHost) -> None:
    archive = proven_on(lone.bucket)
    assert shown(lone.host.context, archive) == Shown(uuid="u", etag=archive.etag, kind=ProofKind.ETAG)  # type: ignore[arg-type]


def test_one_that_is_gone_replaced_or_never_proven_is_not(lone: LoneHost) -> None:
    archive = proven_on(lone.bucket)
    assert shown(lone.host.context, replace(archive, proof=ProofKind.NONE)) is None
    assert shown(lone.host.context, replace(archive, size=8)) is None
    lone.bucket.plant(KEY, b"ARCHIVE")
    assert shown(lone.host.context, archive) is None
    lone.bucket.take_away(KEY)
    assert shown(lone.host.context, archive) is None


@pytest.mark.parametrize("etag_is_md5", [True, False])
def test_the_same_bytes_as_another_version_count_where_the_etag_tells(tmp_path: Path, *, etag_is_md5: bool) -> None:
    lone = lone_host(tmp_path, capabilities=replace(EVERYTHING, versioned=True))
    archive = proven_on(lone.bucket)
    lone.bucket.plant(KEY, b"archive")
    lone.host.context.endpoint.capabilities = Capabilities(versioned=True, etag_is_md5=etag_is_md5, probed_at=1.0)
    assert (shown(lone.host.context, archive) is not None) is etag_is_md5
