"""The whole finite table: every cell under every policy keeps the promises that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

from support.table import BOTH, POLICIES, decisions, under
from syncd.core.classify import Sides, cell
from syncd.core.model import (
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
)
from syncd.core.paths import RelPath
from syncd.core.reconcile import Cell, Local, Policy, Remote, Same, decide
from syncd.core.rules import RULES, Do, Rule


def offenders(sin: Callable[[Cell, Rule], bool], asked: Callable[[Policy], bool]) -> list[str]:
    """Cells that sin under the policies asked for."""
    numbers = under(asked)
    found = []
    for here, rules in decisions():
        for rule in {rules[number].id: rules[number] for number in numbers}.values():
            if sin(here, rule):
                found.append(f"{rule.id}: {here}")
    return found[:20]


WRITES_HERE = {Do.DOWNLOAD, Do.KEEP_BOTH, Do.TRASH_LOCAL}
WRITES_THERE = {Do.UPLOAD, Do.STORE_CONFLICT, Do.DELETE_REMOTE}
CLEANS = {Do.CLEAN, Do.FINISH_CLEANING, Do.RECORD_CLEANED}
DELETES = {Do.TRASH_LOCAL, Do.DELETE_REMOTE}
WRITTEN_THERE = {Remote.MODIFIED, Remote.SEEN}


def test_every_cell_has_exactly_one_rule_and_that_rule_has_a_row() -> None:
    for here, rules in decisions():
        assert all(RULES.get(rule.id) is rule for rule in rules), here


def test_an_upload_pair_never_changes_a_local_file_by_what_s3_says() -> None:
    assert not offenders(lambda _, rule: rule.do in WRITES_HERE, lambda policy: policy.mode is Mode.UPLOAD)


def test_a_download_pair_never_writes_to_s3_and_never_cleans() -> None:
    assert not offenders(
        lambda here, rule: rule.do in WRITES_THERE | {Do.CLEAN, Do.FINISH_CLEANING},
        lambda policy: policy.mode is Mode.DOWNLOAD,
    )


def test_a_deletion_never_beats_a_write() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        beats_object = rule.do is Do.DELETE_REMOTE and here.remote in WRITTEN_THERE
        return beats_object or (rule.do is Do.TRASH_LOCAL and here.local is Local.MODIFIED)

    assert not offenders(sins, lambda _: True)


def test_a_deletion_needs_a_deletion_on_the_other_side_and_an_unchanged_file_on_this_one() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        if rule.do is Do.DELETE_REMOTE:
            return (here.local, here.remote) != (Local.DELETED, Remote.UNCHANGED)
        return rule.do is Do.TRASH_LOCAL and (here.local, here.remote) != (Local.UNCHANGED, Remote.DELETED)

    assert not offenders(sins, lambda _: True)


def test_deletions_are_carried_over_only_where_that_is_asked_for() -> None:
    assert not offenders(lambda _, rule: rule.do in DELETES, lambda policy: policy.deletes is not Deletes.PROPAGATE)


def test_nothing_is_deleted_where_the_endpoint_would_lose_it() -> None:
    assert not offenders(lambda _, rule: rule.do is Do.DELETE_REMOTE, lambda policy: not policy.can_delete)


def test_every_deletion_and_every_conflict_keeps_what_it_displaces() -> None:
    def sins(_: Cell, rule: Rule) -> bool:
        overwrites = rule.conflict and rule.do in {Do.UPLOAD, Do.DOWNLOAD}
        return (rule.removes or overwrites) and not rule.displaces

    assert not offenders(sins, lambda _: True)


def test_two_written_sides_are_never_settled_without_a_conflict_that_is_shown() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        both = here.local is Local.MODIFIED and here.remote in WRITTEN_THERE and here.same is Same.DIFFERENT
        return both and rule.do in WRITES_HERE | WRITES_THERE and not rule.conflict

    assert not offenders(sins, lambda _: True)


def test_the_same_content_on_both_sides_moves_no_bytes() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        here_too = here.local in {Local.UNCHANGED, Local.MODIFIED} and here.remote is Remote.MODIFIED
        return here_too and here.same is not Same.DIFFERENT and rule.do is not Do.ADOPT

    assert not offenders(sins, lambda _: True)


def test_a_pair_that_does_not_clean_begins_and_ends_no_cleaning() -> None:
    assert not offenders(
        lambda here, rule: rule.do in {Do.CLEAN, Do.FINISH_CLEANING}, lambda policy: not policy.cleanup
    )


def test_only_what_is_cleanable_is_cleaned() -> None:
    assert not offenders(
        lambda here, rule: (
            rule.do is Do.CLEAN
            and (not here.cleanable or (here.local, here.remote) != (Local.UNCHANGED, Remote.UNCHANGED))
        ),
        lambda _: True,
    )


def test_a_staged_file_goes_only_while_its_object_is_the_recorded_one() -> None:
    assert not offenders(
        lambda here, rule: (
            rule.do is Do.FINISH_CLEANING and (here.local, here.remote) != (Local.STAGED, Remote.UNCHANGED)
        ),
        lambda _: True,
    )
    assert not offenders(
        lambda here, rule: here.local is Local.STAGED and rule.do not in {Do.FINISH_CLEANING, Do.UNSTAGE},
        lambda _: True,
    )


def test_an_archived_object_is_never_read_nor_copied_aside() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        reads = rule.do in {Do.DOWNLOAD, Do.KEEP_BOTH} or (rule.displaces and rule.do in WRITES_THERE)
        return here.archived and reads

    assert not offenders(sins, lambda _: True)


def test_a_deletion_of_the_same_content_is_undone_at_most_once() -> None:
    assert not offenders(lambda here, rule: here.restored and rule.restores, lambda _: True)


def test_nobody_writes_to_s3_because_the_object_changed() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        own_content = here.local is Local.MODIFIED
        undoes = rule.restores and here.remote is Remote.DELETED
        carries = rule.do is Do.DELETE_REMOTE and here.local is Local.DELETED
        return rule.do in WRITES_THERE and not (own_content or undoes or carries)

    assert not offenders(sins, lambda _: True)


def test_a_record_goes_only_where_nothing_is_left_that_it_would_be_needed_for() -> None:
    def sins(here: Cell, rule: Rule) -> bool:
        gone_there = here.remote in {Remote.DELETED, Remote.ABSENT}
        gone_here = here.local in {Local.DELETED, Local.ABSENT, Local.CLEANED}
        superseded = here.local is Local.DELETED and here.remote in WRITTEN_THERE  # an upload pair forgets it
        return rule.do is Do.DROP and not (gone_here and (gone_there or superseded))

    assert not offenders(sins, lambda _: True)


# --- what can really be met --------------------------------------------------------------------------------

PATH = RelPath("d/a.log")
OURS, OTHER = (Digest(HashType.SHA256, digit * 64) for digit in "ab")
OLD, LEFT, NEW = ETag("old"), ETag("left"), ETag("new")
THEN, LATER = LocalStat(5, 10**18, 10**18, 7), LocalStat(6, 2 * 10**18, 2 * 10**18, 8)
LOOKED = THEN.mtime_ns + 10**10


def records() -> Iterator[Record | None]:
    """Every kind of record that the engine writes."""
    yield None
    for local, remote, digest, left, restored, own in product(LocalState, RemoteState, (OURS, None), BOTH, BOTH, BOTH):
        yield Record(
            path=PATH,
            local=local,
            remote=remote,
            size=5,
            digest=digest,
            stat=THEN if local in {LocalState.PRESENT, LocalState.CLEANING} else None,
            looked_ns=LOOKED,
            etag=OLD if remote is RemoteState.PRESENT else None,
            proof=ProofKind.ETAG if own else ProofKind.NONE,
            origin=Origin.UPLOADED if own else Origin.DOWNLOADED,
            seen=LEFT if left else None,
            seen_as="superseded" if left else "",
            restored=restored,
        )


def objects() -> Iterator[ListedObject | None]:
    yield None
    for etag, archived in product((OLD, LEFT, NEW), BOTH):
        yield ListedObject("k", 5, etag, 10**9, archived)


def met_cells() -> set[Cell]:
    """What `classify.cell` makes of every combination of what can be seen."""
    found = set()
    for record, listed, stat in product(records(), objects(), (None, THEN, LATER)):
        cleaning = record is not None and record.local is LocalState.CLEANING
        for staged, digest in product((None, THEN) if cleaning else (None,), (OURS, OTHER)):
            sides = Sides(record, stat, listed, staged)
            for kept_content, same, local_wins, ours in product(BOTH, Same, BOTH, BOTH):
                found.add(cell(sides, digest, same_as_record=kept_content, same=same, local_wins=local_wins, ours=ours))
    return found


def test_every_rule_is_met_by_some_path_and_no_other_is() -> None:
    met = {decide(here, policy).id for here in met_cells() for policy in POLICIES}
    assert met == RULES.keys()
