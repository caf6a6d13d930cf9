"""Which preconditions a store holds: each with a value that holds and one that does not."""

from __future__ import annotations

from syncd.s3.canary import WRONG, Canary, tagged
from syncd.s3.parameters import quoted
from syncd.s3.probe_content import BODY


def put_if_none_match(canary: Canary) -> bool:
    """Whether `*` refuses what is there and takes what is not."""
    put = canary.client.put_object
    refuses = canary.refuses(put, Key=canary.key, Body=BODY, IfNoneMatch="*")
    return refuses and canary.takes(put, Key=f"{canary.key}-absent", Body=BODY, IfNoneMatch="*")


def put_if_match(canary: Canary) -> tuple[bool, bool]:
    """(the ETag is to be quoted, the right one passes and the wrong one does not)."""
    put = canary.client.put_object
    for quotes in (True, False):
        if not canary.refuses(put, Key=canary.key, Body=b"wrong", IfMatch=tagged(WRONG, quotes)):
            continue
        if canary.takes(put, Key=canary.key, Body=BODY, IfMatch=tagged(canary.etag, quotes)):
            return quotes, True
    return True, False


def copies(canary: Canary) -> tuple[bool, bool]:
    """(it copies at all, a copy pinned to another ETag is refused and one pinned to the right one is not).

    RemoteError CORRUPT where the copy is another content.
    """
    if not canary.takes(canary.client.put_object, Key=canary.key, Body=BODY):
        return False, False
    copy, target = canary.client.copy_object, f"{canary.key}-copy"
    source = {"Bucket": canary.place.bucket, "Key": canary.key}
    pinned = canary.takes(copy, Key=target, CopySource=source, CopySourceIfMatch=quoted(canary.etag))
    if not (pinned or canary.takes(copy, Key=target, CopySource=source)):
        return False, False
    canary.reads(target, BODY)
    return True, pinned and canary.refuses(copy, Key=target, CopySource=source, CopySourceIfMatch=quoted(WRONG))


def deletes(canary: Canary) -> bool:
    """Whether an object that was deleted is gone."""
    key = f"{canary.key}-copy"
    if not canary.takes(canary.client.put_object, Key=key, Body=BODY):
        return False
    return canary.takes(canary.client.delete_object, Key=key) and not canary.is_there(key)


def delete_if_match(canary: Canary, quotes: bool) -> bool:
    """Whether the wrong ETag leaves the object and the right one removes it. The object is gone after it."""
    canary.look()
    delete = canary.client.delete_object
    if not canary.refuses(delete, Key=canary.key, IfMatch=tagged(WRONG, quotes)):
        return False
    if not canary.is_there(canary.key):
        return False
    canary.takes(delete, Key=canary.key, IfMatch=tagged(canary.etag, quotes))
    return not canary.is_there(canary.key)
