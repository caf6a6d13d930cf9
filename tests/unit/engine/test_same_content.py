"""The same content is known as such without its record, by the digest that its metadata names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING
from support.lone_host import lone_host
from support.model_world import SMALL
from syncd.core.model import HashType


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.parametrize("etag_is_md5", [False, True])
@pytest.mark.parametrize("hash", HashType)
def test_with_its_record_lost_a_file_is_no_conflict_with_its_own_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hash: HashType, etag_is_md5: bool, in_parts: bool
) -> None:
    if in_parts:
        for name, size in SMALL.items():
            monkeypatch.setattr(f"syncd.{name}", size)
    store = replace(EVERYTHING, etag_is_md5=etag_is_md5, stores_checksum=False)
    lone = lone_host(tmp_path, hash=hash, capabilities=store)
    lone.write("a", b"more than twenty bytes of it")
    lone.run()
    lone.host.records.drop_all()
    assert lone.run().steps == [("a", "same-content")]
