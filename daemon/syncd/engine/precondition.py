"""Preconditions on endpoints that honour them, and the look before the leap on those that do not."""

from __future__ import annotations

from dataclasses import replace

from syncd import events
from syncd.core.model import ObjectFacts
from syncd.engine.context import Context
from syncd.errors import Stale
from syncd.ports import Absent, Matches, RemoteExpect, Unchecked


def sendable(context: Context, key: str, expect: RemoteExpect) -> RemoteExpect:
    """The precondition as this endpoint can hold it; where it cannot, look now and send none. Raises Stale."""
    if isinstance(expect, Unchecked) or _honoured(context, expect):
        return expect
    _look(context, key, expect)
    return Unchecked()


def completable(context: Context, key: str, expect: RemoteExpect) -> RemoteExpect:
    """The same for a Complete, with a look in any case: stores that honour it on a PUT may ignore it there."""
    if isinstance(expect, Unchecked):
        return expect
    _look(context, key, expect)
    return expect if _honoured(context, expect) and _honoured_in_parts(context, expect) else Unchecked()


def _honoured(context: Context, expect: Absent | Matches) -> bool:
    capabilities = context.capabilities
    return capabilities.put_if_none_match if isinstance(expect, Absent) else capabilities.put_if_match


def _honoured_in_parts(context: Context, expect: Absent | Matches) -> bool:
    capabilities = context.capabilities
    return capabilities.complete_if_none_match if isinstance(expect, Absent) else capabilities.complete_if_match


def _look(context: Context, key: str, expect: Absent | Matches) -> None:
    facts = context.objects.head(key)
    etag = None if facts is None else facts.etag
    if etag != (None if isinstance(expect, Absent) else expect.etag):
        raise Stale(key)


def own_write(
    context: Context, key: str, expect: RemoteExpect, operation: str, *, refused: bool = True
) -> ObjectFacts | None:
    """After a refusal: the facts of the object if it was our own write whose answer got lost, else None.

    An object that still has the very ETag we named, twice, means that the endpoint's precondition is broken, if it was
    the endpoint that refused (`refused`) and not our own side that broke off: a file that changed, or a stop. Once it
    can be a lost race: what refused us was there, and was gone again before we looked.
    """
    facts = context.objects.head(key)
    if facts is not None and facts.operation_id == operation:
        return facts
    unchanged = (isinstance(expect, Matches) and facts is not None and facts.etag == expect.etag) or (
        isinstance(expect, Absent) and facts is None
    )
    if refused:
        _doubt(context, key, expect, unchanged=unchanged)
    return None


def _doubt(context: Context, key: str, expect: RemoteExpect, *, unchanged: bool) -> None:
    doubted = context.endpoint.doubted
    if not unchanged:
        doubted.discard((key, expect))
    elif (key, expect) in doubted:
        _switch_off(context, expect)
    else:
        doubted.add((key, expect))


def _switch_off(context: Context, expect: RemoteExpect) -> None:
    name = "put_if_match" if isinstance(expect, Matches) else "put_if_none_match"
    if getattr(context.capabilities, name):
        context.endpoint.capabilities = replace(context.capabilities, **{name: False})  # type: ignore[arg-type]  # a flag
        context.events.emit(
            events.ENDPOINT_DEGRADED,
            pair=context.pair.name,
            capability=name,
            reason="the endpoint refused a precondition that holds; from now on we look before each write",
        )
