"""verify over several pairs: one after the other, one summary, and an end where nobody listens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.recorded import HandClock
from support.small_section import SmallSection, small_section
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.verify import Scope
from syncd.errors import RemoteError, RemoteKind
from syncd.runtime.verified import Asked, VerifiedPairs, new_seed
from syncwire.exits import Exit


@pytest.fixture
def pairs(tmp_path: Path) -> Iterator[list[SmallSection]]:
    """Two pairs with three files each on both sides."""
    with ExitStack() as stack:
        made = [stack.enter_context(small_section(tmp_path / name, mode=Mode.UPLOAD)) for name in ("one", "two")]
        for small in made:
            for name in "abc":
                os.utime(small.write(name, name.encode()), (1_700_000_000, 1_700_000_000))
            small.section.run_pass()
        yield made


def verified(pairs: list[SmallSection], **asked: Any) -> VerifiedPairs:
    keys = {"scope": Scope(), "differences": False, "progress": lambda _: None, "gone": lambda: False, **asked}
    return VerifiedPairs([small.section for small in pairs], Asked(**keys), HandClock())


def test_every_pair_is_verified_and_counted(pairs: list[SmallSection]) -> None:
    looked = verified(pairs)
    assert len(list(looked)) == 6
    summary = looked.summary()
    assert (summary["files"], summary["same"], summary["differences"]) == (6, 6, 0)
    assert summary["exit_code"] == Exit.OK
    assert summary["seed"] is None


def test_differences_are_exit_4_and_errors_are_graver(pairs: list[SmallSection]) -> None:
    pairs[0].write("a", b"longer")
    looked = verified(pairs, differences=True)
    assert [(row["path"], row["sign"], row["finding"]) for row in looked] == [("a", "*", "changed.here")]
    assert looked.summary()["exit_code"] == Exit.ITEMS_FAILED
    pairs[1].bucket.fail_next("head", RemoteError(RemoteKind.DENIED, "403"))
    looked = verified(pairs, differences=True)
    assert sorted(row["sign"] for row in looked) == ["!", "*"]
    assert looked.summary()["exit_code"] == Exit.FAILED


def test_what_waits_says_why(pairs: list[SmallSection]) -> None:
    pairs[0].write("new", b"x")
    pairs[0].section.backlog.note(RelPath("new"), 1, 0.0, "held", "still written after 600 s")
    (row,) = verified(pairs, differences=True)
    assert row["reason"] == "new or changed here, not sent yet (still written after 600 s)"


def test_who_is_gone_gets_no_second_pair(pairs: list[SmallSection]) -> None:
    rows: list[dict[str, Any]] = []
    for row in verified(pairs, gone=lambda: bool(rows)):
        rows.append(row)
    assert len(rows) < 4


def test_progress_tells_the_number_of_pairs_before_the_first_row(pairs: list[SmallSection]) -> None:
    told: list[dict[str, Any]] = []
    rows = iter(verified(pairs, progress=told.append))
    next(rows)
    assert told[0]["pairs"] == 2
    assert (told[0]["pair"], told[0]["done"]) == ("logs", 0)


def test_the_time_left_is_told_by_what_is_done(pairs: list[SmallSection]) -> None:
    told: list[dict[str, Any]] = []
    clock = HandClock()
    asked = Asked(scope=Scope(), differences=False, progress=told.append, gone=lambda: False)
    for _ in VerifiedPairs([pairs[0].section], asked, clock):
        clock.tick(10)
    assert [(row["done"], row["expected"], row["eta_seconds"]) for row in told[-2:]] == [(2, 3, 5.0), (3, 3, None)]


def test_seeds_are_drawn_anew() -> None:
    assert new_seed() != new_seed()
