"""The three-way decision as one pure, total function over a finite table (SEMANTICS.md, the table)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncd.core import rules as r
from syncd.core.model import ConflictPolicy, Deletes, Mode
from syncd.core.rules import Do, Rule


class Local(str, Enum):
    """What became of the local side since the record."""

    UNCHANGED = "unchanged"
    MODIFIED = "modified"  # or created
    DELETED = "deleted"
    CLEANED = "cleaned"
    STAGED = "staged"  # being cleaned: it lies under .syncd/cleaning
    ABSENT = "absent"  # never there, or a remembered absence


class Remote(str, Enum):
    """What became of the remote side since the record."""

    UNCHANGED = "unchanged"
    MODIFIED = "modified"
    SEEN = "seen"  # a change that was seen and left alone before
    DELETED = "deleted"
    ABSENT = "absent"


class Same(str, Enum):
    """Whether both sides hold the same content, where both changed."""

    DIFFERENT = "different"
    SAME = "same"
    UNPROVEN = "unproven"  # by size and time only


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the configuration and the endpoint ask for. `can_delete`: a remote delete loses nothing."""

    mode: Mode
    deletes: Deletes
    conflict: ConflictPolicy
    cleanup: bool = False
    can_delete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One path's situation. The flags matter only in the cells that name them.

    `local_wins`: by the order of `core.newer`. `restored`: this content came back once already. `cleanable`: this
    host uploaded it and it may be cleaned. `cleaning`: the record says so and the file is still at its place.
    `after_cleaning`: the record says Cleaned. `refreshed`: unchanged content, but the stat or the ETag moved.
    """

    local: Local
    remote: Remote
    same: Same = Same.DIFFERENT
    local_wins: bool = False
    restored: bool = False
    cleanable: bool = False
    cleaning: bool = False
    after_cleaning: bool = False
    refreshed: bool = False
    ours: bool = False
    archived: bool = False
    staged_changed: bool = False  # somebody wrote to the staged file


def decide(cell: Cell, policy: Policy) -> Rule:
    """Choose the one rule for a path. Total: every cell has exactly one. A deletion never beats a write."""
    rule = _decide(cell, policy)
    if cell.archived and (rule.do in {Do.DOWNLOAD, Do.KEEP_BOTH} or (rule.displaces and rule.do is not Do.TRASH_LOCAL)):
        return r.ARCHIVED
    return rule


def _decide(cell: Cell, policy: Policy) -> Rule:
    match cell.local:
        case Local.STAGED:
            goes_on = policy.cleanup and policy.mode is not Mode.DOWNLOAD and not cell.staged_changed
            return r.CLEAN_FINISH if goes_on and cell.remote is Remote.UNCHANGED else r.CLEAN_UNDO
        case Local.CLEANED:
            return _cleaned(cell, policy.mode)
        case Local.UNCHANGED:
            return _unchanged(cell, policy)
        case Local.MODIFIED:
            return _modified(cell, policy)
        case Local.DELETED:
            return _deleted(cell, policy)
        case Local.ABSENT:
            return _absent(cell, policy)


def _cleaned(cell: Cell, mode: Mode) -> Rule:
    if cell.remote is Remote.UNCHANGED:
        return r.CLEAN_DONE if cell.cleaning or cell.refreshed else r.CLEANED
    if cell.remote in {Remote.DELETED, Remote.ABSENT}:
        return r.LAST_COPY
    return r.CLEANED_LEFT if mode is Mode.UPLOAD else r.CLEANED_DOWNLOAD


def _unchanged(cell: Cell, policy: Policy) -> Rule:
    match cell.remote:
        case Remote.UNCHANGED:
            if cell.cleanable and policy.cleanup and policy.mode is not Mode.DOWNLOAD:
                return r.CLEAN
            if cell.cleaning:
                return r.CLEAN_ABORTED
            return r.REFRESH if cell.refreshed else r.IN_STEP
        case Remote.SEEN if policy.mode is Mode.UPLOAD:
            return r.STILL_SUPERSEDED
        case Remote.MODIFIED | Remote.SEEN:
            if cell.same is not Same.DIFFERENT:
                return r.REFRESH
            return r.SUPERSEDED if policy.mode is Mode.UPLOAD else r.DOWNLOAD_CHANGED
        case Remote.DELETED:
            return _deleted_remotely(cell, policy)
        case Remote.ABSENT:
            return r.ABSENCE


def _deleted_remotely(cell: Cell, policy: Policy) -> Rule:
    match policy.mode, policy.deletes:
        case Mode.DOWNLOAD | Mode.BIDIRECTIONAL, Deletes.PROPAGATE:
            return r.DELETION_DOWN
        case Mode.UPLOAD | Mode.BIDIRECTIONAL, Deletes.KEEP if not cell.restored:
            return r.UPLOAD_RESTORED
        case _:
            return r.REMOTE_ABSENCE


def _modified(cell: Cell, policy: Policy) -> Rule:
    upload_only, download_only = policy.mode is Mode.UPLOAD, policy.mode is Mode.DOWNLOAD
    match cell.remote:
        case Remote.UNCHANGED:
            if cell.same is not Same.DIFFERENT:
                return r.CLEANED_BACK if cell.after_cleaning else r.REFRESH
            if download_only:
                return r.DIVERGED
            return r.UPLOAD_RECREATED if cell.after_cleaning else r.UPLOAD_CHANGED
        case Remote.ABSENT:
            return r.LOCAL_ONLY if download_only else r.UPLOAD_NEW
        case Remote.DELETED:
            return r.DIVERGED if download_only else r.UPLOAD_REVIVED
        case Remote.SEEN if download_only and policy.conflict in {ConflictPolicy.NEWER, ConflictPolicy.LOCAL}:
            return r.STILL_DIVERGED
        case Remote.MODIFIED | Remote.SEEN:
            if cell.same is Same.SAME:
                return r.SAME
            if cell.same is Same.UNPROVEN:
                return r.SAME_UNPROVEN
            return _conflict(policy, local_wins=cell.local_wins, upload_only=upload_only, download_only=download_only)


def _conflict(policy: Policy, *, local_wins: bool, upload_only: bool, download_only: bool) -> Rule:
    if policy.conflict is ConflictPolicy.KEEP_BOTH:
        return r.CONFLICT_STORED if upload_only else r.CONFLICT_BOTH
    if policy.conflict is ConflictPolicy.NEWER:
        local = local_wins
    else:
        local = policy.conflict is ConflictPolicy.LOCAL
    if local:
        return r.DIVERGED_SEEN if download_only else r.CONFLICT_LOCAL
    return r.CONFLICT_STORED if upload_only else r.CONFLICT_REMOTE


def _deleted(cell: Cell, policy: Policy) -> Rule:
    match cell.remote:
        case Remote.DELETED | Remote.ABSENT:
            return r.GONE
        case Remote.MODIFIED | Remote.SEEN:
            return r.SUPERSEDED_GONE if policy.mode is Mode.UPLOAD else r.DOWNLOAD_REVIVED
        case Remote.UNCHANGED:
            return _deleted_locally(cell, policy)


def _deleted_locally(cell: Cell, policy: Policy) -> Rule:
    match policy.mode, policy.deletes:
        case Mode.DOWNLOAD, Deletes.PROPAGATE:
            return r.DOWNLOAD_SOURCE
        case _, Deletes.PROPAGATE:
            return r.DELETION_UP if policy.can_delete else r.DELETION_UNSUPPORTED
        case Mode.DOWNLOAD | Mode.BIDIRECTIONAL, Deletes.KEEP if not cell.restored:
            return r.DOWNLOAD_RESTORED
        case _:
            return r.LOCAL_ABSENCE


def _absent(cell: Cell, policy: Policy) -> Rule:
    match cell.remote:
        case Remote.UNCHANGED:
            return r.ABSENCE
        case Remote.DELETED | Remote.ABSENT:
            return r.GONE
        case Remote.MODIFIED | Remote.SEEN:
            if cell.ours and policy.cleanup and policy.mode is not Mode.DOWNLOAD:
                return r.CLEANED_RECOVERED
            return r.REMOTE_ONLY if policy.mode is Mode.UPLOAD else r.DOWNLOAD_NEW
