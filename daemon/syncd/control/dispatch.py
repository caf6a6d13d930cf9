"""From a call to its replies: which method, may the caller, what went wrong."""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Protocol

from syncd import events
from syncd.control.methods import METHODS, Line, Method
from syncd.control.permission import Caller, Permission
from syncd.control.port import Daemon, Row
from syncd.control.requests import SAID_BACK, Arguments, Call, Parameter, WireError
from syncd.control.translate import Expected, on_the_wire
from syncd.ports import Events
from syncwire import names
from syncwire.descriptions import descriptions

LONG_CALLS = 32
"""Calls that may take long, at once: the other connections stay free for `status`."""


class ReplyLine(Line, Protocol):
    """The way back to the caller."""

    def reply(self, answer: Row, *, continues: bool) -> None:
        """Send one reply. LineLost where the caller is gone or does not read."""
        ...

    def fail(self, error: WireError) -> None:
        """Send an error, which ends the call. LineLost as above."""
        ...


class LineLost(Exception):
    """The caller is gone, or reads too slowly: nothing more can be told."""


class Dispatcher:
    """Answers calls, from many threads at once."""

    def __init__(self, daemon: Daemon, permission: Permission, events: Events, *, version: str) -> None:
        self._daemon = daemon
        self._permission = permission
        self._events = events
        self._version = version
        self._descriptions = descriptions()
        self._long = threading.BoundedSemaphore(LONG_CALLS)

    def answer(self, call: Call, caller: Caller, line: ReplyLine) -> None:
        """Run one call and send its replies. Raises LineLost alone."""
        try:
            self._run(call, caller, line)
        except Expected as error:
            line.fail(on_the_wire(error))
        except LineLost:
            raise
        except Exception as error:  # noqa: BLE001  a fault of ours must hurt one call, not the daemon
            line.fail(self._fault(call, caller, error))

    def _run(self, call: Call, caller: Caller, line: ReplyLine) -> None:
        if call.interface == names.SERVICE:
            line.reply(self._introspect(call), continues=False)
            return
        method = self._method(call)
        self._permit(call, caller, method)
        arguments = Arguments(call.parameters, method.takes)
        with ExitStack() as stack:
            if method.long:
                self._enter_long(stack)
            replies = method.run(self._daemon, arguments, line)
            _send(stack.enter_context(closing(replies)), line)

    def _method(self, call: Call) -> Method:
        if call.interface != names.INTERFACE:
            raise WireError(names.INTERFACE_NOT_FOUND, interface=call.interface[:SAID_BACK])
        if call.method not in METHODS:
            raise WireError(names.METHOD_NOT_FOUND, method=call.method[:SAID_BACK])
        return METHODS[call.method]

    def _permit(self, call: Call, caller: Caller, method: Method) -> None:
        if self._permission.allows(caller, changes=method.changes):
            return
        self._events.emit(events.REQUEST_REFUSED, method=call.method, uid=caller.uid, pid=caller.pid)
        raise WireError(
            names.PERMISSION_DENIED,
            message=f"{call.method} changes something, and user {caller.uid} may only look",
            hint="root, the daemon's own user and members of the group syncd-admin may",
        )

    def _enter_long(self, stack: ExitStack) -> None:
        if not self._long.acquire(blocking=False):
            raise WireError(names.BUSY, message=f"{LONG_CALLS} long calls run already", hint="try again later")
        stack.callback(self._long.release)

    def _introspect(self, call: Call) -> Row:
        match call.method:
            case "GetInfo":
                Arguments(call.parameters, {})
                about = {"vendor": "syncd", "product": "syncd", "version": self._version, "url": ""}
                return {**about, "interfaces": list(self._descriptions)}
            case "GetInterfaceDescription":
                wanted = Arguments(call.parameters, {"interface": Parameter(str, required=True)}).text("interface")
                if wanted not in self._descriptions:
                    raise WireError(names.INTERFACE_NOT_FOUND, interface=wanted[:SAID_BACK])
                return {"description": self._descriptions[wanted]}
            case _:
                raise WireError(names.METHOD_NOT_FOUND, method=call.method[:SAID_BACK])

    def _fault(self, call: Call, caller: Caller, error: Exception) -> WireError:
        id = uuid.uuid4().hex[:12]
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._events.emit(
            events.REQUEST_FAILED, id=id, method=call.method, uid=caller.uid, error=repr(error), traceback=trace
        )
        return WireError(
            names.INTERNAL_ERROR,
            message=f"a fault of syncd itself, {type(error).__name__}",
            hint=f"the daemon's log tells more under {id}",
            id=id,
        )


def _send(replies: Iterator[Row], line: ReplyLine) -> None:
    """Send each reply when the next one is there: only then is it known to be followed."""
    held = next(replies)
    for following in replies:
        if line.more:
            line.reply(held, continues=True)
        held = following
    line.reply(held, continues=False)
