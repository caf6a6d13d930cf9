"""From what was seen of a path to its cell: the cheap look, the two sides, and what the closer look adds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.classify import Sides, cell, cleanable, local_changed, local_side, remote_side, settled
from syncd.core.model import (
    RACY_NS,
    ConflictPolicy,
    Deletes,
    Digest,
    ETag,
    HashType,
    ListedObject,
    LocalStat,
    LocalState,
    Mode,
    Origin,
    ProofKind,
    Record,
    RemoteState,
    racy,
)
from syncd.core.paths import RelPath
from syncd.core.reconcile import Cell, Local, Policy, Remote, Same, decide
from syncd.core.rules import Do

SECOND = 1_000_000_000
CONTENT, OTHER = Digest(HashType.SHA256, "a" * 64), Digest(HashType.SHA256, "b" * 64)
THEN = LocalStat(5, 1000 * SECOND, 1000 * SECOND, 7)
TOUCHED = LocalStat(5, 2000 * SECOND, 2000 * SECOND, 7)
OBJECT = ListedObject("k", 5, ETag("e1"), 1000)
REWRITTEN = ListedObject("k", 5, ETag("e2"), 1001)
RECORD = Record(
    path=RelPath("a"),
    local=LocalState.PRESENT,
    remote=RemoteState.PRESENT,
    size=5,
    digest=CONTENT,
    stat=THEN,
    looked_ns=1010 * SECOND,
    etag=ETag("e1"),
    proof=ProofKind.ETAG,
    origin=Origin.UPLOADED,
)
GONE_HERE = replace(RECORD, local=LocalState.ABSENT, stat=None)
GONE_THERE = replace(RECORD, remote=RemoteState.ABSENT, etag=None)
CLEANING = replace(RECORD, local=LocalState.CLEANING)
CLEANED = replace(RECORD, local=LocalState.CLEANED, stat=None)


def cell_of(
    sides: Sides,
    digest: Digest | None = None,
    *,
    same_as_record: bool = False,
    same: Same = Same.DIFFERENT,
    ours: bool = False,
) -> Cell:
    return cell(sides, digest, same_as_record=same_as_record, same=same, local_wins=False, ours=ours)


# --- a file touched near the look ---------------------------------------------------------------------------


def test_a_file_touched_within_two_seconds_of_the_look_is_looked_at_again() -> None:
    looked = THEN.ctime_ns + RACY_NS
    assert racy(THEN, looked - 1)
    assert not racy(THEN, looked)
    assert local_changed(replace(RECORD, looked_ns=looked - 1), THEN)
    assert not local_changed(RECORD, THEN)


def test_a_fresh_ctime_under_an_old_mtime_is_looked_at_again() -> None:
    assert racy(LocalStat(5, 0, 1000 * SECOND, 7), 1001 * SECOND)


def test_an_mtime_in_the_future_does_not_ask_for_a_look_in_every_pass() -> None:
    """`touch -d tomorrow`, or a file from a host whose clock runs ahead: only ctime is ours to trust."""
    assert not racy(LocalStat(5, 99_000 * SECOND, 1000 * SECOND, 7), 1010 * SECOND)
    assert racy(LocalStat(5, 99_000 * SECOND, 1009 * SECOND, 7), 1010 * SECOND)


def test_a_ctime_in_the_future_vouches_for_nothing() -> None:
    assert racy(LocalStat(5, 1000 * SECOND, 99_000 * SECOND, 7), 1010 * SECOND)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_what_a_later_write_could_hide_is_always_looked_at_again(mtime: int, ctime: int, looked: int) -> None:
    """A write after the look stamps a ctime of its own; only within the clock's grain can it equal the one seen."""
    if ctime > looked - RACY_NS:
        assert racy(LocalStat(1, mtime, ctime, 1), looked)


# --- the cheap look -----------------------------------------------------------------------------------------

IN_STEP = [
    ("both as recorded", Sides(RECORD, THEN, OBJECT)),
    ("cleaned, object as left", Sides(CLEANED, None, OBJECT)),
    ("gone here and remembered", Sides(GONE_HERE, None, OBJECT)),
    ("gone there and remembered", Sides(GONE_THERE, THEN, None)),
]
ASKS = [
    ("touched", Sides(RECORD, TOUCHED, OBJECT)),
    ("touched within 2 s of the look", Sides(replace(RECORD, looked_ns=1001 * SECOND), THEN, OBJECT)),
    ("deleted here", Sides(RECORD, None, OBJECT)),
    ("deleted there", Sides(RECORD, THEN, None)),
    ("new object", Sides(RECORD, THEN, REWRITTEN)),
    ("back here", Sides(GONE_HERE, THEN, OBJECT)),
    ("back there", Sides(GONE_THERE, THEN, OBJECT)),
    ("gone on both sides", Sides(GONE_HERE, None, None)),
    ("remembered as gone on both sides", Sides(replace(GONE_THERE, local=LocalState.ABSENT, stat=None), None, None)),
    ("cleaning", Sides(CLEANING, None, OBJECT)),
    ("cleaning, still at its place", Sides(CLEANING, THEN, OBJECT)),
    ("cleaned, back here", Sides(CLEANED, THEN, OBJECT)),
    ("cleaned, gone there", Sides(CLEANED, None, None)),
    ("cleaned, remembered as gone there", Sides(replace(CLEANED, remote=RemoteState.ABSENT, etag=None), None, None)),
    ("our bytes under the conflict name", Sides(replace(RECORD, etag=None, seen=ETag("e1")), THEN, OBJECT)),
]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("_name", "sides"), IN_STEP, ids=[name for name, _ in IN_STEP])
def test_what_is_in_step_needs_no_closer_look(_name: str, sides: Sides, mode: Mode) -> None:
    assert settled(sides, mode=mode, cleans=False)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("_name", "sides"), ASKS, ids=[name for name, _ in ASKS])
def test_whatever_moved_asks_for_a_closer_look(_name: str, sides: Sides, mode: Mode) -> None:
    assert not settled(sides, mode=mode, cleans=False)


def test_a_pair_that_cleans_looks_again_at_what_it_may_clean() -> None:
    assert not settled(Sides(RECORD, THEN, OBJECT), mode=Mode.UPLOAD, cleans=True)
    assert settled(Sides(replace(RECORD, kept=True), THEN, OBJECT), mode=Mode.UPLOAD, cleans=True)
    assert settled(Sides(GONE_THERE, THEN, None), mode=Mode.UPLOAD, cleans=True)


@pytest.mark.parametrize(
    ("mode", "stat", "listed", "quiet"),
    [
        (Mode.UPLOAD, None, OBJECT, True),
        (Mode.UPLOAD, THEN, None, False),
        (Mode.DOWNLOAD, THEN, None, True),
        (Mode.DOWNLOAD, None, OBJECT, False),
        (Mode.BIDIRECTIONAL, THEN, None, False),
        (Mode.BIDIRECTIONAL, None, OBJECT, False),
        *((mode, THEN, OBJECT, False) for mode in Mode),
    ],
)
def test_without_a_record_only_the_side_that_the_mode_does_not_read_is_quiet(
    mode: Mode, stat: LocalStat | None, listed: ListedObject | None, quiet: bool
) -> None:
    assert settled(Sides(None, stat, listed), mode=mode, cleans=False) is quiet


POLICIES = [
    Policy(mode=mode, deletes=deletes, conflict=win) for mode, deletes, win in product(Mode, Deletes, ConflictPolicy)
]


def rows() -> Iterator[Record | None]:
    """Records of every kind, those included that the engine never writes."""
    yield None
    for local, remote, digest, stat in product(LocalState, RemoteState, (CONTENT, None), (THEN, TOUCHED, None)):
        for seen, restored, looked_s in product((None, ETag("e2")), (False, True), (1001, 1010)):
            record = replace(RECORD, local=local, remote=remote, digest=digest, stat=stat, seen=seen, restored=restored)
            etag = ETag("e1") if remote is RemoteState.PRESENT else None
            yield replace(record, etag=etag, looked_ns=looked_s * SECOND)


def test_the_cheap_look_never_hides_work() -> None:
    """Where it says that nothing is to be done, the whole decision says so too."""
    for record, stat, listed in product(rows(), (None, THEN, TOUCHED), (None, OBJECT, REWRITTEN)):
        sides = Sides(record, stat, listed)
        if record is None and stat is None and listed is None:
            continue  # no such path
        for policy in POLICIES:
            if settled(sides, mode=policy.mode, cleans=False):
                assert decide(cell_of(sides), policy).do is Do.NOTHING, (sides, policy)


# --- the local side -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "digest", "expected"),
    [
        (Sides(None, None, OBJECT), None, Local.ABSENT),
        (Sides(None, THEN, None), None, Local.MODIFIED),
        (Sides(RECORD, THEN, OBJECT), None, Local.UNCHANGED),
        (Sides(RECORD, TOUCHED, OBJECT), CONTENT, Local.UNCHANGED),
        (Sides(RECORD, TOUCHED, OBJECT), OTHER, Local.MODIFIED),
        (Sides(RECORD, TOUCHED, OBJECT), None, Local.MODIFIED),  # another size: nobody needed to read it
        (Sides(RECORD, None, OBJECT), None, Local.DELETED),
        (Sides(replace(RECORD, digest=None), None, OBJECT), None, Local.ABSENT),  # never agreed on: no deletion
        (Sides(replace(RECORD, digest=None), THEN, OBJECT), None, Local.MODIFIED),
        (Sides(GONE_HERE, None, OBJECT), None, Local.ABSENT),
        (Sides(GONE_HERE, THEN, OBJECT), CONTENT, Local.MODIFIED),
        (Sides(CLEANED, None, OBJECT), None, Local.CLEANED),
        (Sides(CLEANED, THEN, OBJECT), CONTENT, Local.MODIFIED),
        (Sides(CLEANING, None, OBJECT), None, Local.CLEANED),  # unlinked, and the commit got lost
        (Sides(CLEANING, None, OBJECT, staged=THEN), None, Local.STAGED),
        (Sides(CLEANING, TOUCHED, OBJECT, staged=THEN), OTHER, Local.STAGED),  # the new file waits its turn
        (Sides(CLEANING, THEN, OBJECT), None, Local.UNCHANGED),  # committed, not yet moved
        (Sides(CLEANING, TOUCHED, OBJECT), OTHER, Local.MODIFIED),
    ],
)
def test_the_local_side(sides: Sides, digest: Digest | None, expected: Local) -> None:
    assert local_side(sides, digest) is expected


def test_another_hash_type_is_never_other_content() -> None:
    """The digest is asked for in the record's own type, so a new `hash` setting changes no side."""
    by_md5 = replace(RECORD, digest=Digest(HashType.MD5, "c" * 32))
    assert local_side(Sides(by_md5, THEN, OBJECT), None) is Local.UNCHANGED
    assert local_side(Sides(by_md5, TOUCHED, OBJECT), by_md5.digest) is Local.UNCHANGED


# --- the remote side ----------------------------------------------------------------------------------------

LEFT = replace(RECORD, seen=ETag("e2"), seen_as="superseded")


@pytest.mark.parametrize(
    ("record", "listed", "expected"),
    [
        (None, None, Remote.ABSENT),
        (None, OBJECT, Remote.MODIFIED),
        (RECORD, OBJECT, Remote.UNCHANGED),
        (RECORD, REWRITTEN, Remote.MODIFIED),
        (RECORD, None, Remote.DELETED),
        (LEFT, REWRITTEN, Remote.SEEN),
        (LEFT, OBJECT, Remote.UNCHANGED),
        (LEFT, ListedObject("k", 5, ETag("e3"), 1002), Remote.MODIFIED),
        (LEFT, None, Remote.DELETED),
        (GONE_THERE, None, Remote.ABSENT),
        (GONE_THERE, OBJECT, Remote.MODIFIED),  # really back: a creation
        (replace(RECORD, etag=None, seen=ETag("e1")), OBJECT, Remote.SEEN),
    ],
)
def test_the_remote_side(record: Record | None, listed: ListedObject | None, expected: Remote) -> None:
    assert remote_side(record, listed) is expected


# --- the cell -----------------------------------------------------------------------------------------------

EVERYWAY = [Policy(mode=mode, deletes=Deletes.KEEP, conflict=ConflictPolicy.NEWER) for mode in Mode]
CLEANS = Policy(mode=Mode.UPLOAD, deletes=Deletes.KEEP, conflict=ConflictPolicy.NEWER, cleanup=True)


def test_a_new_etag_on_the_recorded_content_is_no_change() -> None:
    here = cell_of(Sides(RECORD, THEN, REWRITTEN), same_as_record=True)
    assert (here.local, here.remote, here.refreshed) == (Local.UNCHANGED, Remote.UNCHANGED, True)
    assert {decide(here, policy).id for policy in EVERYWAY} == {"refresh"}


def test_a_new_etag_is_recorded_before_its_file_is_cleaned() -> None:
    """The proof is of the recorded ETag: a cleaning under another one would only be refused, pass after pass."""
    assert decide(cell_of(Sides(RECORD, THEN, OBJECT)), CLEANS).id == "clean"
    assert decide(cell_of(Sides(RECORD, THEN, REWRITTEN), same_as_record=True), CLEANS).id == "refresh"


def test_a_staged_file_whose_object_got_a_new_etag_comes_back() -> None:
    here = cell_of(Sides(CLEANING, None, REWRITTEN, staged=THEN), same_as_record=True)
    assert decide(here, CLEANS).id == "clean.undo"


def test_a_cleaned_file_takes_a_new_etag_of_its_content_once() -> None:
    assert decide(cell_of(Sides(CLEANED, None, REWRITTEN), same_as_record=True), CLEANS).id == "clean.done"
    assert decide(cell_of(Sides(CLEANED, None, OBJECT)), CLEANS).id == "cleaned"


def test_a_lost_commit_after_the_unlink_is_caught_up_with() -> None:
    assert decide(cell_of(Sides(CLEANING, None, OBJECT)), CLEANS).id == "clean.done"


def test_an_object_that_is_back_with_what_we_still_have_moves_no_bytes() -> None:
    here = cell_of(Sides(GONE_THERE, THEN, REWRITTEN), same_as_record=True)
    assert {decide(here, policy).do for policy in EVERYWAY} == {Do.ADOPT}


def test_an_object_that_is_back_is_a_creation_and_beats_a_deletion_here() -> None:
    here = cell_of(Sides(GONE_THERE, None, REWRITTEN), same_as_record=True)
    policy = Policy(mode=Mode.BIDIRECTIONAL, deletes=Deletes.PROPAGATE, conflict=ConflictPolicy.NEWER)
    assert decide(here, policy).id == "download.write-beats-deletion"


def test_a_remembered_deletion_is_not_undone_by_a_new_etag_on_the_old_content() -> None:
    here = cell_of(Sides(GONE_HERE, None, REWRITTEN), same_as_record=True)
    assert {decide(here, policy).id for policy in EVERYWAY} == {"absence"}


def test_an_object_of_ours_counts_as_cleaned_only_where_the_record_was_lost() -> None:
    both_ways = replace(CLEANS, mode=Mode.BIDIRECTIONAL)
    assert decide(cell_of(Sides(None, None, OBJECT), ours=True), both_ways).id == "cleaned.recovered"
    assert decide(cell_of(Sides(None, None, OBJECT)), both_ways).id == "download.new"
    assert decide(cell_of(Sides(GONE_HERE, None, REWRITTEN), ours=True), both_ways).id == "download.new"


def test_the_same_content_back_under_a_cleaned_name_stays() -> None:
    here = cell_of(Sides(CLEANED, TOUCHED, OBJECT), CONTENT, same=Same.SAME)
    assert decide(here, CLEANS).id == "cleaned.back"


def test_other_content_under_a_cleaned_name_displaces_the_object_first() -> None:
    for record in (CLEANED, CLEANING):
        rule = decide(cell_of(Sides(record, TOUCHED, OBJECT), OTHER), CLEANS)
        assert (rule.id, rule.displaces) == ("upload.recreated", True)


def test_a_file_still_there_under_cleaning_goes_on_or_stays_as_the_pair_says() -> None:
    here = cell_of(Sides(CLEANING, THEN, OBJECT))
    assert decide(here, CLEANS).id == "clean"
    assert decide(here, replace(CLEANS, cleanup=False)).id == "clean.aborted"


def test_a_staged_file_comes_back_where_the_pair_cleans_no_more() -> None:
    here = cell_of(Sides(CLEANING, None, OBJECT, staged=THEN))
    assert decide(here, CLEANS).id == "clean.finish"
    assert decide(here, replace(CLEANS, cleanup=False)).id == "clean.undo"


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, origin=Origin.DOWNLOADED),
        replace(RECORD, origin=Origin.ADOPTED),
        replace(RECORD, proof=ProofKind.UNPROVEN),
        replace(RECORD, kept=True),
    ],
)
def test_what_we_did_not_upload_or_cannot_prove_is_never_cleaned(record: Record) -> None:
    assert not cleanable(record)
    assert decide(cell_of(Sides(record, THEN, OBJECT)), CLEANS).id == "in-step"


def test_an_unproven_object_in_an_archive_tier_is_left_until_it_can_be_read() -> None:
    archived = OBJECT._replace(archived=True)
    unproven = replace(RECORD, proof=ProofKind.NONE)
    assert decide(cell_of(Sides(unproven, THEN, OBJECT)), CLEANS).id == "clean"
    assert decide(cell_of(Sides(unproven, THEN, archived)), CLEANS).id == "in-step"
    assert decide(cell_of(Sides(RECORD, THEN, archived)), CLEANS).id == "clean"


def test_a_change_left_by_an_upload_pair_comes_down_once_the_pair_may_download() -> None:
    here = cell_of(Sides(LEFT, THEN, REWRITTEN))
    rules = {policy.mode: decide(here, policy).id for policy in EVERYWAY}
    assert rules == {
        Mode.UPLOAD: "superseded.still",
        Mode.BIDIRECTIONAL: "download.changed",
        Mode.DOWNLOAD: "download.changed",
    }
