"""Uploads in parts that nobody is at: what can go on waits for its file's turn, what cannot is dropped."""

from __future__ import annotations

from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.multipart import abandon
from syncd.errors import ItemError, RemoteError, Stale
from syncd.ports import LeftUpload

KEEP_S = 86_400.0
"""One whose turn does not come within so long is dropped: its parts are billed."""


def tidy_uploads(context: Context) -> int:
    """At start: nobody is at any of those that our journal names. Returns how many were dropped."""
    records = context.records
    records.leave_upload()
    may_wait = {left.upload_id for left in records.left_uploads()}
    others = [(key, upload_id) for key, upload_id in records.open_uploads() if upload_id not in may_wait]
    for key, upload_id in others:
        abandon(context, key, upload_id)
    return len(others) + drop_left_uploads(context)


def drop_left_uploads(context: Context) -> int:
    """Drop those whose file has changed, whose object has, or whose turn does not come. Returns how many."""
    dropped = 0
    for left in context.records.left_uploads():
        if not _may_go_on(context, left) and context.records.take_upload(left.upload_id):
            abandon(context, left.key, left.upload_id)
            dropped += 1
    return dropped


def _may_go_on(context: Context, left: LeftUpload) -> bool:
    if not 0 <= context.clock.now() - left.begun_at < KEEP_S:
        return False
    try:
        if context.tree.lstat(RelPath(left.source.path)) != left.source.stat:
            return False
        if left.source.expected is None:
            return True
        facts = context.objects.head(left.key)
    except (ItemError, Stale):
        return False
    except RemoteError:  # it cannot be asked now: the pass will tell
        return True
    return ("" if facts is None else facts.etag) == left.source.expected
