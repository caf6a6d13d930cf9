"""Before staged steps run: the guard, the plan that a person may accept, and the intent to remove."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from syncd import events
from syncd.core import guard
from syncd.core.rules import CLEAN_UNDO, Do
from syncd.engine.context import Context
from syncd.engine.sight import Sight
from syncd.engine.step import Step
from syncd.errors import ItemError, PairHalted

HOUR = 3600.0

CLEANS = {Do.CLEAN, Do.FINISH_CLEANING}
REMOVALS = {Do.TRASH_LOCAL, Do.DELETE_REMOTE, Do.CLEAN, Do.FINISH_CLEANING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may run now; where a guard halted, the plan's id and the reason in words."""

    allowed: tuple[Step, ...]
    plan_id: str = ""
    reason: str = ""


def judge(context: Context, staged: Sequence[Step], sight: Sight) -> Verdict:
    """Hold the staged steps against the limits. Steps that a person accepted pass; anything newer does not."""
    accepted = context.records.accepted_plan()
    removals = [step for step in staged if step.rule.removes and step.fingerprint not in accepted]
    counted = sum(not _renamed(context, step) for step in removals)
    reason = guard.halt_reason(_sight(context, sight, counted), _limit(context))
    if reason is None:
        return Verdict(allowed=_markable(context, staged))
    # What was accepted is no part of the new plan: it goes now, and the id must be the same when it is gone.
    fingerprints = sorted(step.fingerprint for step in staged if step.fingerprint not in accepted)
    plan_id = hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()[:12]
    context.records.set_halted_plan(plan_id, fingerprints)
    passing = [step for step in staged if step.fingerprint in accepted]
    return Verdict(allowed=_markable(context, passing), plan_id=plan_id, reason=reason)


def _renamed(context: Context, step: Step) -> bool:
    """Whether the file that is missing here lies under another name, whose record knows it by now."""
    record = step.record
    if step.rule.do is not Do.DELETE_REMOTE or record is None or record.stat is None:
        return False
    other = context.records.by_inode(record.stat.inode, record.stat.size, record.stat.mtime_ns)
    if other is None or other.path == step.path or other.digest != record.digest:
        return False
    here = context.tree.lstat(other.path)
    return here is not None and here.same_file(record.stat)


def _announced(context: Context) -> bool:
    """Whether the root took the intent to remove. PairHalted where somebody else removed there meanwhile."""
    marker = context.tree.marker()
    if marker is None:
        return False
    known = context.records.generation()
    if marker.generation > known:
        raise PairHalted(
            f"{context.pair.local} was worked on by another syncd (generation {marker.generation}, ours is {known})",
            hint="one root belongs to one daemon and one state folder: stop the other; the next pass unites both sides",
        )
    context.records.set_generation(known + 1)
    try:
        return context.tree.write_marker(replace(marker, generation=known + 1))
    except ItemError:  # a full disk, most likely
        return False


def may_remove(context: Context) -> bool:
    """Announce a batch of removals. False, and said, where the root cannot be written.

    PairHalted where somebody else removed there meanwhile.
    """
    if _announced(context):
        return True
    context.events.emit(
        events.PAIR_DEGRADED,
        pair=context.pair.name,
        reason="the root cannot be written (rights, or a full disk), so nothing is removed, here or on S3",
    )
    return False


def settle_plans(context: Context) -> None:
    """A whole pass that nothing halted is through: what was accepted is used up, what was halted is over."""
    if context.records.accepted_plan() or context.records.halted_plan() is not None:
        context.records.clear_plans()


def _sight(context: Context, sight: Sight, removals: int) -> guard.Sight:
    return guard.Sight(
        tracked=sight.records,
        removals=removals,
        removed_last_hour=context.records.removals_since(context.clock.now() - HOUR),
        local_files=sight.local_files,
        remote_objects=sight.remote_objects,
        local_gone=sight.local_gone,
        remote_gone=sight.remote_gone,
    )


def _limit(context: Context) -> guard.Limit:
    asked = context.pair.max_delete
    return guard.Limit(share=asked.share, count=asked.count, per_hour=asked.per_hour)


def _markable(context: Context, staged: Sequence[Step]) -> tuple[Step, ...]:
    """Announce a batch of removals: the intent in the database, then the root's marker. No marker, no removals.

    What cleans waits besides while no canary of late vouches for the endpoint.
    """
    if not context.may_clean:
        staged = [step for step in map(_to_trash, staged) if step.rule.do not in CLEANS]
    if not any(step.rule.do in REMOVALS for step in staged) or may_remove(context):
        return tuple(staged)
    kept = (_to_trash(step) for step in staged)
    return tuple(step for step in kept if step.rule.do not in REMOVALS)


def _to_trash(step: Step) -> Step:
    """A staged file in whose place a new one lies goes to trash instead of away: the new one must not wait for it."""
    if step.rule.do is Do.FINISH_CLEANING and step.sides.stat is not None:
        return replace(step, rule=CLEAN_UNDO)
    return step
