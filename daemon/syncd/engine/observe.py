"""One path seen on its three sides, looked into only as far as the decision asks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from syncd.core.classify import Sides, cell, cleanable, local_changed, local_side, remote_side
from syncd.core.clearing import ALL_DUE, Clearance
from syncd.core.inodes import adopted, adopted_staged
from syncd.core.model import Digest, ListedObject, LocalState, Mode, ObjectFacts, Record
from syncd.core.newer import local_is_newer
from syncd.core.paths import RelPath
from syncd.core.reconcile import Local, Remote, Same, decide
from syncd.core.rules import CLEAN, IN_STEP, REFRESH, Do, Rule
from syncd.engine import content
from syncd.engine.context import Context
from syncd.engine.rename import old_name
from syncd.engine.step import Step
from syncd.engine.twin import look_for_twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What the closer look brought."""

    sides: Sides
    digest: Digest | None = None
    facts: ObjectFacts | None = None
    same: Same = Same.DIFFERENT
    same_as_record: bool = False


def sides_of(context: Context, path: RelPath, listed: ListedObject | None) -> Sides:
    """The cheap look: the row, lstat, and what the listing (or the row) says of the object."""
    record, stat, staged = context.records.get(path), context.tree.lstat(path), None
    if record is not None and record.local is LocalState.CLEANING:
        staged = context.tree.staged(path)
    if record is not None and not context.numbered:
        record = adopted(record, stat) if staged is None else adopted_staged(record, staged)
    return Sides(record, stat, listed, staged)


def listed_by_record(record: Record | None) -> ListedObject | None:
    """What the row says of the object: enough for a hot file, whose write carries that ETag."""
    if record is None or (record.seen or record.etag) is None:
        return None
    etag = record.seen or record.etag
    assert etag is not None
    return ListedObject(record.path, record.size, etag, 0)


def listed_by_facts(path: RelPath, facts: ObjectFacts | None) -> ListedObject | None:
    """What HEAD says, in the words of a listing."""
    if facts is None:
        return None
    return ListedObject(path, facts.size, facts.etag, facts.last_modified_s, facts.archived)


def decide_step(context: Context, path: RelPath, sides: Sides, clearance: Clearance = ALL_DUE) -> Step:
    """Look as closely as needed and choose the rule. Reads a file at most once, HEADs an object at most once."""
    learnt = _learn(context, path, sides)
    here = cell(
        learnt.sides,
        learnt.digest,
        same_as_record=learnt.same_as_record,
        same=learnt.same,
        local_wins=_local_wins(context, path, learnt),
        ours=learnt.facts is not None and learnt.facts.host_id == context.host.id,
        stays=sides.record is not None and clearance.stays(sides.record),
    )
    rule = decide(here, context.policy)
    digest = learnt.digest
    if rule.conflict and digest is None and learnt.sides.stat is not None:
        digest = content.digest_of(context, path, learnt.sides.stat, context.pair.hash)
    renamed_from = None
    if rule.do is Do.UPLOAD and learnt.sides.listed is None and learnt.sides.stat is not None:
        renamed_from = old_name(context, path, learnt.sides.stat)
    return Step(
        path=path,
        rule=rule,
        sides=learnt.sides,
        facts=learnt.facts,
        digest=digest,
        renamed_from=renamed_from,
        note=_clearing(context, sides.record, rule, clearance),
    )


def _clearing(context: Context, record: Record | None, rule: Rule, clearance: Clearance) -> str:
    """Why a proven file goes or stays, where the pair says when."""
    if not context.pair.cleanup or record is None or rule not in {IN_STEP, REFRESH, CLEAN} or not cleanable(record):
        return ""
    return clearance.words(record)


def _learn(context: Context, path: RelPath, sides: Sides) -> Learnt:
    digest = _local_digest(context, path, sides)
    local, remote = local_side(sides, digest), remote_side(sides.record, sides.listed)
    facts = None
    if _needs_head(context, sides, local, remote):
        facts = context.objects.head(context.key(path))
        look_for_twin(context, path, facts)
        sides = replace(sides, listed=listed_by_facts(path, facts))
        remote = remote_side(sides.record, sides.listed)
    same, same_as_record = Same.DIFFERENT, False
    record = sides.record
    if facts is not None and record is not None and remote is Remote.MODIFIED:
        same_as_record = _holds_recorded(context, path, sides, local, record, facts)
    if facts is not None and local is Local.MODIFIED and not same_as_record and sides.stat is not None:
        same = content.compare(context, path, sides.stat, facts)
    elif record is not None and local is Local.MODIFIED and digest is not None and digest == record.digest:
        same = Same.SAME
    return Learnt(sides=sides, digest=digest, facts=facts, same=same, same_as_record=same_as_record)


def _local_digest(context: Context, path: RelPath, sides: Sides) -> Digest | None:
    """The file's digest in the record's type, where its stat moved since the record."""
    record, stat = sides.record, sides.stat
    if record is None or stat is None or record.digest is None:
        return None
    if record.local is LocalState.PRESENT and not local_changed(record, stat):
        return None
    if record.local is LocalState.PRESENT and record.size != stat.size:
        return None  # another size is other content
    return content.digest_of(context, path, stat, record.digest.type)


def _needs_head(context: Context, sides: Sides, local: Local, remote: Remote) -> bool:
    if remote is Remote.SEEN:
        return local is Local.MODIFIED and context.pair.mode is not Mode.DOWNLOAD
    if remote is not Remote.MODIFIED:
        return False
    if local is Local.ABSENT and sides.record is None:  # only whether it is our own, cleaned
        return context.pair.cleanup and context.pair.mode is Mode.BIDIRECTIONAL
    return local is not Local.CLEANED or context.pair.mode is not Mode.UPLOAD


def _holds_recorded(
    context: Context, path: RelPath, sides: Sides, local: Local, record: Record, facts: ObjectFacts
) -> bool:
    """Whether the object under its new ETag still has the recorded content."""
    if record.digest is None or facts.size != record.size:
        return False
    if facts.digest is not None and facts.digest.type is record.digest.type:
        return facts.digest == record.digest and not _denied(context, record, facts)
    if facts.checksum is not None and record.checksum is not None:
        return facts.checksum == record.checksum
    if local is Local.UNCHANGED and sides.stat is not None:
        return content.compare(context, path, sides.stat, facts) is Same.SAME
    return False


def _denied(context: Context, record: Record, facts: ObjectFacts) -> bool:
    """Whether what the server computed shows that the metadata outlived the bytes that it was written for."""
    if facts.checksum is not None and record.checksum is not None:
        return facts.checksum != record.checksum
    both_md5 = content.is_md5(context, facts.etag) and content.is_md5(context, record.etag)
    return both_md5 and facts.etag != record.etag


def _local_wins(context: Context, path: RelPath, learnt: Learnt) -> bool:
    stat, facts = learnt.sides.stat, learnt.facts
    if stat is None or facts is None:
        return False
    ours = "" if learnt.digest is None else learnt.digest.hex
    theirs = ""
    if facts.digest is not None:
        theirs = facts.digest.hex
        ours = content.digest_of(context, path, stat, facts.digest.type).hex
    return local_is_newer(stat, ours, facts, theirs, server_now=context.objects.server_now())
