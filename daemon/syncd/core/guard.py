"""What stands between a plan and its execution: when deletions and overwrites stop and a person decides."""

from __future__ import annotations

from dataclasses import dataclass

SHARE_FROM = 20
"""A share of deletions counts from so many deletions on: two of three files are nobody's catastrophe."""

EMPTIED_FROM = 5
"""A side that lost all of at least so many files is emptied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """max_delete: any that is set halts. share 0..1, count in one plan, per_hour with those done before."""

    share: float | None = 0.10
    count: int | None = None
    per_hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a full pass counted. `removals` are net of renames and of those that a person accepted."""

    tracked: int
    removals: int
    removed_last_hour: int = 0
    local_files: int = 0
    remote_objects: int = 0
    local_gone: int = 0  # records present on that side whose file is not there
    remote_gone: int = 0
    complete: bool = True


def halt_reason(sight: Sight, limit: Limit) -> str | None:
    """Say why the plan's deletions and overwrites must wait for a person, or None."""
    if sight.removals == 0:
        return None
    if not sight.complete:
        return "a listing or scan was incomplete, so nothing may be called deleted"
    if sight.local_files == 0 and sight.local_gone >= EMPTIED_FROM:
        return f"the local root is empty: all of {sight.local_gone} files are gone at once"
    if sight.remote_objects == 0 and sight.remote_gone >= EMPTIED_FROM:
        return f"the remote prefix is empty: all of {sight.remote_gone} objects are gone at once"
    if limit.share is not None and sight.removals >= SHARE_FROM and sight.removals > limit.share * sight.tracked:
        return f"{sight.removals} of {sight.tracked} files would be deleted, more than max_delete {limit.share:.0%}"
    if limit.count is not None and sight.removals > limit.count:
        return f"{sight.removals} files would be deleted, more than max_delete {limit.count}"
    if limit.per_hour is not None and sight.removals + sight.removed_last_hour > limit.per_hour:
        total = sight.removals + sight.removed_last_hour
        return f"{total} deletions within an hour, more than max_delete {limit.per_hour}/h"
    return None
