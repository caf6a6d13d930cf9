"""Our errors in the words of the wire: one place, every kind."""

from __future__ import annotations

from syncd.control.port import BadRequest, NotFound
from syncd.control.requests import InvalidParameter, WireError
from syncd.errors import ConfigError, PairHalted, RemoteError, Stale, SyncdError
from syncwire import names

Expected = (SyncdError, Stale, InvalidParameter, WireError, TimeoutError)
"""What a call may end in without being a fault of ours."""


def on_the_wire(error: SyncdError | Stale | InvalidParameter | WireError | TimeoutError) -> WireError:
    """The error that the caller is told."""
    match error:
        case WireError():
            return error
        case InvalidParameter():
            return WireError(names.INVALID_PARAMETER, parameter=error.name)
        case Stale():
            return WireError(names.CHANGED, message=str(error) or "it has changed meanwhile", hint="look again")
        case TimeoutError():
            return WireError(names.TIMEOUT, message=str(error) or "it took too long", hint="")
        case _:
            return _ours(error)


def _ours(error: SyncdError) -> WireError:
    said = {"message": error.message, "hint": error.hint}
    match error:
        case NotFound():
            return WireError(names.NOT_FOUND, **said)
        case BadRequest():
            return WireError(names.BAD_REQUEST, **said)
        case ConfigError():
            return WireError(names.CONFIG_INVALID, **said, problems=error.problems)
        case PairHalted():
            return WireError(names.HALTED, **said, plan_id=error.plan_id)
        case RemoteError() if error.retryable:
            return WireError(names.UNAVAILABLE, **said, kind=error.kind.value)
        case _:
            return WireError(names.FAILED, **said)
