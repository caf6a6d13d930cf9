"""A call as it came in, and its parameters parsed. Nothing here knows the daemon."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from syncd.control.port import BadRequest
from syncwire.framing import LONE_SURROGATE, Junk

LONGEST_S = 100 * 365 * 86400.0
"""A hundred years: what is added to the clock must still be a date, and what is waited for fit the kernel's timers."""


SAID_BACK = 200
"""Characters of a caller's own words that an error repeats."""


class WireError(Exception):
    """An error in the words of the wire: its full name and parameters."""

    def __init__(self, name: str, **parameters: object) -> None:
        super().__init__(name)
        self.name = name
        self.parameters = parameters


class InvalidParameter(Exception):
    """A parameter is unknown, missing, of the wrong type, or no text at all."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `interface`.`method`, and whether several replies (`more`) or none (`oneway`) are wanted."""

    interface: str
    method: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    more: bool = False
    oneway: bool = False


def parse_call(message: Mapping[str, Any]) -> Call:
    """Parse one message of a client. Raises Junk."""
    name, parameters = message.get("method"), message.get("parameters")
    if not isinstance(name, str):
        raise Junk("a message without a method")
    if parameters is not None and not isinstance(parameters, dict):
        raise Junk("parameters that are no object")
    interface, _, method = name.rpartition(".")
    return Call(
        interface=interface,
        method=method,
        parameters=parameters or {},
        more=message.get("more") is True,
        oneway=message.get("oneway") is True,
    )


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a method takes under one name: `type` is str, float, int, bool, or list for texts."""

    type: type
    required: bool = False


class Arguments:
    """The parameters of a call, checked against what its method takes. Absent and null are the same."""

    def __init__(self, given: Mapping[str, Any], takes: Mapping[str, Parameter]) -> None:
        for name in given:
            if name not in takes:
                raise InvalidParameter(name[:SAID_BACK])
        self._values = {name: _value(name, given.get(name), parameter) for name, parameter in takes.items()}

    def text(self, name: str) -> str:
        """A required text."""
        return str(self._values[name])

    def text_or_none(self, name: str) -> str | None:
        """A text; an empty one counts as absent."""
        value = self._values[name]
        return str(value) if value else None

    def texts(self, name: str) -> list[str]:
        """A required list of texts, at least one. BadRequest for none."""
        value: list[str] = self._values[name]
        if not value:
            raise BadRequest(f"{name} is empty", hint="name one at least")
        return value

    def flag(self, name: str) -> bool:
        """Absent is False."""
        return bool(self._values[name])

    def seconds(self, name: str) -> float | None:
        """A duration. BadRequest for a negative one, and for one that no clock can add."""
        value: float | None = self._values[name]
        if value is not None and not (math.isfinite(value) and 0 <= value <= LONGEST_S):
            raise BadRequest(f"{name} is {value:g}", hint=f"give seconds, from 0 to {LONGEST_S:.0f}")
        return value

    def share(self, name: str) -> float:
        """A share over 0, up to 1, which stands for an absent one. BadRequest for another number."""
        value: float | None = self._values[name]
        if value is not None and not 0 < value <= 1:
            raise BadRequest(f"{name} is {value}", hint="give a share over 0, up to 1")
        return 1.0 if value is None else value

    def count(self, name: str, default: int, most: int) -> int:
        """A number from 1 to `most`. BadRequest for another one."""
        value = self._values[name]
        if value is not None and not 1 <= value <= most:
            raise BadRequest(f"{name} is {value}", hint=f"give a number from 1 to {most}")
        return default if value is None else int(value)

    def instant(self, name: str) -> float | None:
        """An RFC 3339 time, as seconds since the epoch. BadRequest for what is none."""
        value = self._values[name]
        if not value:
            return None
        try:
            moment = datetime.fromisoformat(value.replace("Z", "+00:00").replace("z", "+00:00"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
        except (ValueError, OverflowError):
            raise BadRequest(f"{name} is no time: {value[:80]!r}", hint="write 2026-11-20T13:00:00Z") from None

    def word(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of a few words. BadRequest for another one."""
        value = self.text(name)
        if value not in allowed:
            raise BadRequest(f"{name} is {value[:80]!r}", hint=f"one of: {', '.join(allowed)}")
        return value

    def word_or_none(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """The same, or None where it is absent."""
        return self.word(name, allowed) if self._values[name] else None


def _value(name: str, value: Any, parameter: Parameter) -> Any:
    if value is None and not parameter.required:
        return None
    right = isinstance(value, parameter.type)
    if parameter.type is float and isinstance(value, int) and not isinstance(value, bool):
        return _as_float(name, value)
    if right and parameter.type is list:
        right = all(isinstance(each, str) and _unicode(each) for each in value)
    if right and parameter.type is str:
        right = _unicode(value)
    if not right or (parameter.type is int and isinstance(value, bool)):
        raise InvalidParameter(name)
    return value


def _unicode(text: str) -> bool:
    """Whether it can be written down at all: JSON can say half a character, and no file or row can hold one."""
    return text.isascii() or LONE_SURROGATE.search(text) is None


def _as_float(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        raise InvalidParameter(name) from None
