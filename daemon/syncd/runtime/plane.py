"""Which way bytes and listings go, as status and doctor say it."""

from __future__ import annotations

from collections.abc import Iterable

from syncd.engine.context import Context
from syncd.ports import ObjectStore


def plane_of(contexts: Iterable[Context | None]) -> dict[str, str | None]:
    """ "lean" or "boto3", and why the latter, of the worlds that are open: one that goes by boto3 speaks for all."""
    open_ones = [context for context in contexts if context is not None]
    detour = next((context.objects.detour for context in open_ones if context.objects.detour), "")
    if not open_ones:
        return {"plane": None, "plane_reason": None}
    return {"plane": "boto3" if detour else "lean", "plane_reason": detour or None}


def said_of(objects: ObjectStore) -> str:
    """The same as a sentence."""
    return f"by boto3: {objects.detour}" if objects.detour else "over the lean client"
