"""A store under test in the contract suite, and what each one is known to honour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from support.fake_store import EVERYTHING
from syncd.ports import Capabilities, ObjectStore

MOTO = Capabilities(  # it refuses no copy, whatever the source's ETag, and believes any checksum
    put_if_none_match=True,
    put_if_match=True,
    delete_if_match=True,
    etag_is_md5=True,
    stores_checksum=True,
    ranged_get=True,
    multipart=True,
    complete_if_none_match=True,
    probed_at=5.0,
)
RCLONE = Capabilities(  # it ignores every precondition
    etag_is_md5=True, stores_checksum=True, ranged_get=True, multipart=True, probed_at=5.0
)
CEPH = Capabilities(  # it checks what a request was signed with, and no other checksum
    put_if_none_match=True,
    put_if_match=True,
    quoted_if_match=False,
    etag_is_md5=True,
    ranged_get=True,
    multipart=True,
    rejects_wrong_payload=True,
    probed_at=5.0,
)

LOCALSTACK = Capabilities(  # it answers 501 to a conditional delete, and checks no signature
    put_if_none_match=True,
    put_if_match=True,
    copy_if_match=True,
    etag_is_md5=True,
    stores_checksum=True,
    ranged_get=True,
    multipart=True,
    complete_if_none_match=True,
    complete_if_match=True,
    full_object_checksum=True,
    rejects_wrong_crc64nvme=True,
    rejects_wrong_sha256=True,
    probed_at=5.0,
)

STORES = {"fake": EVERYTHING, "moto": MOTO, "ceph": CEPH, "localstack": LOCALSTACK}
"""What the contract is held against. test_probe.py holds this table against the real servers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A store under test and what its own probe found that it honours."""

    name: str
    objects: ObjectStore
    capabilities: Capabilities


def params(names: Iterable[str]) -> list[object]:
    """These stores as parameters, each with its mark."""
    return [pytest.param(name, marks=pytest.mark.ceph) if name == "ceph" else name for name in names]


PLANES = ("lean", "boto3")


def on_both_planes(names: Iterable[str]) -> list[object]:
    """The same, each that is spoken to over HTTP by the lean client and by boto3: "moto/lean", "moto/boto3"."""
    return [
        pytest.param(f"{name}/{plane}", marks=pytest.mark.ceph if name == "ceph" else ())
        for name in names
        for plane in (PLANES if name != "fake" else ("",))
    ]


def only(*names: str) -> pytest.MarkDecorator:
    """Hold the test's sentence against these stores alone."""
    return pytest.mark.parametrize("subject", on_both_planes(names), indirect=True)


def able(capability: str) -> pytest.MarkDecorator:
    """Hold the test's sentence against the stores that have this capability."""
    return only(*(name for name, known in STORES.items() if getattr(known, capability)))


def all_but(deviating: str) -> pytest.MarkDecorator:
    """Hold the test's sentence against every store but one, whose deviation another test states."""
    return only(*(name for name in STORES if name != deviating))
