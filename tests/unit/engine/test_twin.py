"""Two live hosts under one id: a clone that brought machine-id and root along is told of, an old name is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.small_section import SmallSection, small_section
from syncd import events
from syncd.core.model import Mode

OURS = {"source-host-id": "id-of-host"}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallSection]:
    with small_section(tmp_path, mode=Mode.UPLOAD) as small:
        small.write("a.log", b"ours")
        small.write("b.log", b"ours too")
        small.section.run_pass()
        yield small


def told(small: SmallSection) -> list[dict[str, object]]:
    return small.said.of(events.HOST_DOUBLED)


def test_a_host_that_writes_under_our_id_is_told_of_once(small: SmallSection) -> None:
    for name in ("a.log", "b.log"):
        small.bucket.plant(f"p/{name}", b"the clone's", metadata={**OURS, "source-host": "clone"})
        small.section.run_pass()
    assert [row["pair"] for row in told(small)] == ["logs"]
    assert str(told(small)[0]["reason"]).startswith("clone writes under the id of this host (host)")


def test_our_own_writes_and_those_of_other_ids_are_nobodys_twin(small: SmallSection) -> None:
    small.bucket.plant("p/a.log", b"ours once more", metadata={**OURS, "source-host": "host"})
    small.bucket.plant("p/b.log", b"another's", metadata={"source-host-id": "id-of-another", "source-host": "another"})
    small.section.run_pass()
    assert told(small) == []


def test_what_was_written_before_we_ran_may_be_of_an_old_name(tmp_path: Path) -> None:
    bucket = FakeObjects(now=lambda: 0.0)
    with small_section(tmp_path, bucket=bucket, mode=Mode.UPLOAD) as small:
        small.write("a.log", b"ours")
        bucket.plant("p/a.log", b"by this host as it was called", metadata={**OURS, "source-host": "old-name"})
        small.section.run_pass()
        assert told(small) == []
