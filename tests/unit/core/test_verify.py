"""The finding of a verification for every situation of a path."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from syncd.core import findings as f
from syncd.core.findings import FINDINGS, Finding, Sign
from syncd.core.model import Digest, ETag, HashType, LocalStat, LocalState, Mode, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath
from syncd.core.reconcile import Same
from syncd.core.sample import chosen
from syncd.core.verify import By, Content, Seen, compare, judge

GOOD, OTHER, THIRD = (Digest(HashType.SHA256, char * 64) for char in "abc")
MD5_GOOD, MD5_OTHER = Digest(HashType.MD5, "a" * 32), Digest(HashType.MD5, "b" * 32)
STAT = LocalStat(5, 10**18, 10**18, 7)
ETAG, NEW = "e-recorded", "e-new"


def record(local: LocalState = LocalState.PRESENT, remote: RemoteState = RemoteState.PRESENT, **more: object) -> Record:
    present = remote is RemoteState.PRESENT
    keys = {
        "path": RelPath("a"),
        "local": local,
        "remote": remote,
        "size": 5,
        "digest": GOOD,
        "stat": STAT if local is LocalState.PRESENT else None,
        "etag": ETag(ETAG) if present else None,
        "proof": ProofKind.ETAG,
        **more,
    }
    return Record(**keys)  # type: ignore[arg-type]  # a builder's keywords


def here(*digests: Digest, size: int = 5, checksum: str | None = None, read: bool = False) -> Content:
    return Content(size=size, digests=frozenset(digests), checksum=checksum, read=read)


def there(
    *digests: Digest,
    size: int = 5,
    claimed: Digest | None = None,
    checksum: str | None = None,
    read: bool = False,
) -> Content:
    return Content(size=size, digests=frozenset(digests), claimed=claimed, checksum=checksum, read=read)


UP, DOWN, BOTH = Mode.UPLOAD, Mode.DOWNLOAD, Mode.BIDIRECTIONAL
CLEANED, ABSENT, CLEANING = LocalState.CLEANED, LocalState.ABSENT, LocalState.CLEANING
GONE = RemoteState.ABSENT
SEEN_UP = {"seen": ETag(NEW), "seen_as": "superseded"}
SEEN_DOWN = {"seen": ETag(NEW), "seen_as": "diverged"}

# name -> (what was seen, its finding)
TABLE: dict[str, tuple[Seen, Finding | None]] = {
    "both as recorded": (
        Seen(mode=UP, record=record(), local=here(GOOD), remote=there(claimed=GOOD), as_recorded=True, etag=ETAG),
        f.SAME_RECORDED,
    ),
    "both read": (
        Seen(mode=UP, record=record(), local=here(GOOD, read=True), remote=there(GOOD, read=True), etag=ETAG),
        f.SAME_READ,
    ),
    "a new ETag whose MD5 is the file's": (
        Seen(mode=UP, record=record(), local=here(GOOD, MD5_GOOD), remote=there(MD5_GOOD), etag=NEW),
        f.SAME_CHECKSUM,
    ),
    "a new ETag whose checksum is the file's": (
        Seen(mode=UP, record=record(), local=here(GOOD, checksum="C:1"), remote=there(checksum="C:1"), etag=NEW),
        f.SAME_CHECKSUM,
    ),
    "another tool's object with our metadata": (
        Seen(mode=UP, record=None, local=here(GOOD), remote=there(claimed=GOOD), etag=NEW),
        f.SAME_METADATA,
    ),
    "another tool's object, the same size": (
        Seen(mode=UP, record=None, local=here(GOOD), remote=there(), etag=NEW),
        f.SAME_UNPROVEN,
    ),
    "adopted by size and time alone": (
        Seen(mode=UP, record=record(proof=ProofKind.UNPROVEN), local=here(GOOD), remote=there(), etag=ETAG),
        f.SAME_UNPROVEN,
    ),
    "archived, so not read": (
        Seen(mode=UP, record=record(), local=here(GOOD), remote=there(), etag=ETAG, archived=True),
        f.SAME_ARCHIVED,
    ),
    "staged to be cleaned": (
        Seen(mode=UP, record=record(CLEANING), local=here(GOOD), remote=there(), etag=ETAG, staged=True),
        f.CLEANING,
    ),
    "cleaned": (
        Seen(mode=UP, record=record(CLEANED), local=None, remote=there(), etag=ETAG, agreed=here(GOOD)),
        f.CLEANED,
    ),
    "cleaned and read": (
        Seen(mode=UP, record=record(CLEANED), local=None, remote=there(GOOD, read=True), etag=ETAG, agreed=here(GOOD)),
        f.CLEANED_READ,
    ),
    "cleaned, and its bytes are others now": (
        Seen(mode=UP, record=record(CLEANED), local=None, remote=there(OTHER, read=True), etag=ETAG),
        f.CLEANED_ROTTED,
    ),
    "cleaned, and the server's checksum is another now": (
        Seen(mode=UP, record=record(CLEANED, checksum="C:1"), local=None, remote=there(checksum="C:2"), etag=ETAG),
        f.CLEANED_ROTTED,
    ),
    "cleaned, and written by somebody else": (
        Seen(mode=UP, record=record(CLEANED), local=None, remote=there(claimed=OTHER), etag=NEW),
        f.CLEANED_OTHER,
    ),
    "cleaned, and copied onto itself": (
        Seen(mode=UP, record=record(CLEANED), local=None, remote=there(claimed=GOOD), etag=NEW, agreed=here(GOOD)),
        f.CLEANED_METADATA,
    ),
    "cleaned, and under another ETag that nothing explains": (
        Seen(mode=UP, record=record(CLEANED), local=None, remote=there(), etag=NEW, agreed=here(GOOD)),
        f.CLEANED_OTHER,
    ),
    "cleaned, and its metadata outlived its bytes": (
        Seen(
            mode=UP,
            record=record(CLEANED),
            local=None,
            remote=there(MD5_OTHER, claimed=GOOD),
            etag=NEW,
            agreed=here(GOOD, MD5_GOOD),
        ),
        f.CLEANED_OTHER,
    ),
    "cleaned and gone": (Seen(mode=UP, record=record(CLEANED), local=None, remote=None), f.CLEANED_GONE),
    "only here, to be sent": (Seen(mode=UP, record=None, local=here(), remote=None), f.NEW_HERE),
    "only here, and only downloads": (Seen(mode=DOWN, record=None, local=here(), remote=None), f.LOCAL_ONLY),
    "only there, to be fetched": (Seen(mode=BOTH, record=None, local=None, remote=there(), etag=NEW), f.NEW_THERE),
    "only there, and only uploads": (Seen(mode=UP, record=None, local=None, remote=there(), etag=NEW), f.REMOTE_ONLY),
    "deleted here, remembered": (
        Seen(mode=UP, record=record(ABSENT), local=None, remote=there(), etag=ETAG),
        f.REMEMBERED_HERE,
    ),
    "deleted here and remembered, then written on S3": (
        Seen(mode=BOTH, record=record(ABSENT), local=None, remote=there(), etag=NEW),
        f.NEW_THERE,
    ),
    "deleted there, remembered": (
        Seen(mode=UP, record=record(remote=GONE), local=here(GOOD), remote=None, as_recorded=True),
        f.REMEMBERED_THERE,
    ),
    "deleted there and remembered, then changed here": (
        Seen(mode=UP, record=record(remote=GONE), local=here(OTHER), remote=None),
        f.NEW_HERE,
    ),
    "deleted here just now": (Seen(mode=UP, record=record(), local=None, remote=there(), etag=ETAG), f.GONE_HERE),
    "deleted there just now": (
        Seen(mode=UP, record=record(), local=here(GOOD), remote=None, as_recorded=True),
        f.GONE_THERE,
    ),
    "deleted on both sides": (Seen(mode=UP, record=record(), local=None, remote=None), f.GONE_BOTH),
    "nothing": (Seen(mode=UP, record=None, local=None, remote=None), None),
    "changed here": (
        Seen(mode=UP, record=record(), local=here(OTHER), remote=there(claimed=GOOD), etag=ETAG),
        f.CHANGED_HERE,
    ),
    "grown here": (
        Seen(mode=UP, record=record(), local=here(size=9), remote=there(claimed=GOOD), etag=ETAG),
        f.CHANGED_HERE,
    ),
    "changed here, and only downloads": (
        Seen(mode=DOWN, record=record(), local=here(OTHER), remote=there(claimed=GOOD), etag=ETAG),
        f.DIVERGED,
    ),
    "changed there": (
        Seen(mode=BOTH, record=record(), local=here(GOOD), remote=there(claimed=OTHER), as_recorded=True, etag=NEW),
        f.CHANGED_THERE,
    ),
    "changed there under metadata that claims the old content": (
        Seen(mode=UP, record=record(), local=here(GOOD, MD5_GOOD), remote=there(MD5_OTHER, claimed=GOOD), etag=NEW),
        f.CHANGED_THERE,
    ),
    "changed there, seen and left": (
        Seen(mode=UP, record=record(**SEEN_UP), local=here(GOOD), remote=there(claimed=OTHER), etag=NEW),
        f.SUPERSEDED,
    ),
    "changed there again since it was left": (
        Seen(
            mode=UP,
            record=record(seen=ETag("e-left"), seen_as="superseded"),
            local=here(GOOD),
            remote=there(claimed=OTHER),
            etag=NEW,
        ),
        f.CHANGED_THERE,
    ),
    "both changed, seen and left": (
        Seen(mode=DOWN, record=record(**SEEN_DOWN), local=here(THIRD), remote=there(claimed=OTHER), etag=NEW),
        f.DIVERGED,
    ),
    "both changed": (
        Seen(mode=BOTH, record=record(), local=here(THIRD), remote=there(claimed=OTHER), etag=NEW),
        f.CHANGED_BOTH,
    ),
    "both there, different, no record": (
        Seen(mode=BOTH, record=None, local=here(GOOD), remote=there(claimed=OTHER), etag=NEW),
        f.UNRECORDED,
    ),
    "both there, different, and left before any record": (
        Seen(
            mode=DOWN,
            record=record(digest=None, etag=None, **SEEN_DOWN),
            local=here(GOOD),
            remote=there(claimed=OTHER),
            etag=NEW,
        ),
        f.DIVERGED,
    ),
    "new content under a cleaned name": (
        Seen(mode=UP, record=record(CLEANED), local=here(OTHER), remote=there(claimed=GOOD), etag=ETAG),
        f.CHANGED_HERE,
    ),
    "rotted here": (
        Seen(
            mode=UP,
            record=record(),
            local=here(OTHER, read=True),
            remote=there(GOOD, read=True),
            as_recorded=True,
            etag=ETAG,
        ),
        f.ROTTED_HERE,
    ),
    "rotted there": (
        Seen(
            mode=UP,
            record=record(),
            local=here(GOOD, read=True),
            remote=there(OTHER, read=True),
            as_recorded=True,
            etag=ETAG,
        ),
        f.ROTTED_THERE,
    ),
    "another checksum under the recorded ETag": (
        Seen(
            mode=UP,
            record=record(checksum="C:1"),
            local=here(GOOD, checksum="C:1"),
            remote=there(checksum="C:2"),
            as_recorded=True,
            etag=ETAG,
        ),
        f.ROTTED_THERE,
    ),
    "rotted on both sides": (
        Seen(
            mode=UP,
            record=record(),
            local=here(OTHER, read=True),
            remote=there(THIRD, read=True),
            as_recorded=True,
            etag=ETAG,
        ),
        f.ROTTED_BOTH,
    ),
    "edited here, which is no rot": (
        Seen(mode=UP, record=record(), local=here(OTHER, read=True), remote=there(GOOD, read=True), etag=ETAG),
        f.CHANGED_HERE,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_each_situation_has_its_finding(name: str) -> None:
    seen, finding = TABLE[name]
    assert judge(seen) == finding


def test_every_finding_is_met_by_some_situation_of_the_table() -> None:
    met = {finding.id for _, finding in TABLE.values() if finding is not None}
    assert met | {f.UNREADABLE.id, f.RESTLESS.id} == set(FINDINGS)


def situations() -> Iterator[Seen]:
    """Every mix of record, sides and how they were looked at."""
    records = [None] + [
        record(local, remote, proof=proof, **seen)
        for local, remote, proof, seen in product(
            LocalState, RemoteState, (ProofKind.NONE, ProofKind.UNPROVEN), ({}, SEEN_UP, SEEN_DOWN)
        )
    ]
    locals = [None, here(), here(GOOD), here(OTHER), here(OTHER, read=True), here(GOOD, read=True), here(size=9)]
    remotes = [
        None,
        there(),
        there(claimed=GOOD),
        there(claimed=OTHER),
        there(GOOD, read=True),
        there(OTHER, read=True),
        there(size=9),
    ]
    for mode, kept, local, remote, as_recorded, etag in product(
        Mode, records, locals, remotes, (False, True), (ETAG, NEW)
    ):
        yield Seen(mode=mode, record=kept, local=local, remote=remote, as_recorded=as_recorded, etag=etag)


def test_every_situation_has_a_finding_and_what_is_on_one_side_alone_is_never_the_same() -> None:
    for seen in situations():
        finding = judge(seen)
        assert (finding is None) == (seen.record is None and seen.local is None and seen.remote is None)
        if finding is None:
            continue
        if seen.local is None and seen.remote is None:
            assert finding.sign is Sign.DIFFERENT, seen
        elif seen.remote is None:
            assert finding.sign is Sign.LOCAL_ONLY, seen
        elif seen.local is None:
            cleaned = seen.record is not None and seen.record.local in {LocalState.CLEANED, LocalState.CLEANING}
            assert finding.sign is Sign.REMOTE_ONLY or cleaned, seen
        else:
            assert finding.sign in {Sign.SAME, Sign.DIFFERENT}, seen


def test_bytes_that_were_read_and_differ_are_never_called_the_same() -> None:
    for seen in situations():
        if seen.local is None or seen.remote is None or not (seen.local.read and seen.remote.read):
            continue
        finding = judge(seen)
        assert finding is not None
        assert (finding.sign is Sign.SAME) == (seen.local.digests == seen.remote.digests), seen


def test_other_sizes_are_always_a_difference() -> None:
    for seen in situations():
        if seen.local is not None and seen.remote is not None and seen.local.size != seen.remote.size:
            finding = judge(seen)
            assert finding is not None
            assert finding.differs


def test_only_what_was_computed_or_read_refutes_a_proof() -> None:
    """A claim in metadata, an edit, or another ETag never does."""
    for seen in situations():
        finding = judge(seen)
        if finding is None or not finding.refutes:
            continue
        contents = [each for each in (seen.local, seen.remote) if each is not None]
        assert any(each.read for each in contents) or (seen.remote and seen.remote.size != 5), seen
        assert seen.recorded_object or seen.as_recorded, seen


def test_what_the_mode_leaves_on_purpose_is_on_one_side_alone() -> None:
    intended = {finding.sign for finding in FINDINGS.values() if finding.intended}
    assert intended == {Sign.LOCAL_ONLY, Sign.REMOTE_ONLY}
    assert not any(finding.differs for finding in FINDINGS.values() if finding.intended or finding.sign is Sign.SAME)


@pytest.mark.parametrize(
    ("local", "remote", "expected"),
    [
        (here(GOOD, MD5_GOOD), there(MD5_GOOD, claimed=OTHER), (Same.SAME, By.CHECKSUM)),
        (here(GOOD, MD5_GOOD), there(MD5_OTHER, claimed=GOOD), (Same.DIFFERENT, By.CHECKSUM)),
        (here(GOOD, checksum="C:1"), there(checksum="C:2", claimed=GOOD), (Same.DIFFERENT, By.CHECKSUM)),
        (here(GOOD), there(OTHER, claimed=GOOD, read=True), (Same.DIFFERENT, By.READ)),
        (here(GOOD), there(claimed=GOOD, size=6), (Same.DIFFERENT, By.SIZE)),
        (here(MD5_GOOD), there(claimed=GOOD), (Same.UNPROVEN, By.SIZE)),
    ],
)
def test_what_was_computed_beats_what_is_claimed(local: Content, remote: Content, expected: tuple[Same, By]) -> None:
    assert compare(local, remote, None, recorded_object=False) == expected


# --- the sample ---


def test_a_sample_is_the_same_for_the_same_seed_and_about_as_large_as_asked() -> None:
    paths = [f"logs/{number}.gz" for number in range(20_000)]
    drawn = [path for path in paths if chosen(path, seed="s", share=0.05)]
    assert drawn == [path for path in paths if chosen(path, seed="s", share=0.05)]
    assert 800 < len(drawn) < 1200
    assert drawn != [path for path in paths if chosen(path, seed="t", share=0.05)]


def test_the_whole_is_every_path() -> None:
    assert all(chosen(f"{number}", seed="", share=1.0) for number in range(1000))
