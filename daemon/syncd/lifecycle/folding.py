"""Repeated failures become one line and a count. Pure: the time is an argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

VARYING = frozenset(
    {"path", "key", "cycle", "bytes", "elapsed", "elapsed_s", "attempt", "id", "repeated", "etag"}
    | {"request_id", "host_id"}
)
"""Fields that differ between two occurrences of one failure."""

_BEFORE, _BEHIND = r"(?<![^/\s\"'(])", r"(?![^\s\"':?,.)])"
"""Where a path stands by itself in a text, or ends a URL."""

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """An event to write. A summary carries the field `repeated`."""

    event: str
    fields: Fields


@dataclass(slots=True)
class _Kind:
    """One failure in its window: what was shown of it and what was folded."""

    event: str
    opened: float
    window: float
    shown: set[object] = field(default_factory=set)
    folded: int = 0
    last_fields: Fields = field(default_factory=dict)
    last_seen: float = 0.0

    def summary(self) -> Line:
        # What varies would name one of many; a single path is still worth its name.
        drop = VARYING if len(self.shown) > 1 else VARYING - {"path", "key"}
        kept = {name: value for name, value in self.last_fields.items() if name not in drop}
        if len(self.shown) > 1:
            kept = {name: _unnamed(value, self.last_fields) for name, value in kept.items()}
        return Line(self.event, {**kept, "repeated": f"repeated {self.folded} times"})


class Folding:
    """Lets a failure through, then counts it until its window ends; the window doubles while it goes on.

    The same failure on different paths is shown for the first `burst` of them. Not thread-safe.
    """

    def __init__(
        self, *, window_s: float = 60.0, longest_s: float = 900.0, burst: int = 10, most_kinds: int = 512
    ) -> None:
        self._window_s = window_s
        self._longest_s = longest_s
        self._burst = burst
        self._most_kinds = most_kinds
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    def admit(self, event: str, fields: Fields, now: float) -> list[Line]:
        """The lines to write for this occurrence: none when it is folded, a summary before it when one is due."""
        key = _key(event, fields)
        kind = self._kinds.get(key)
        lines: list[Line] = []
        if kind is None or now - kind.opened >= kind.window:
            if kind is not None and kind.folded:
                lines.append(kind.summary())
            lines += self._evicted() if kind is None else []
            kind = _Kind(event, now, self._next_window(kind, now))
            self._kinds[key] = kind
        kind.last_fields, kind.last_seen = fields, now
        what = (str(fields.get("path", "")), str(fields.get("key", "")))
        if what in kind.shown or len(kind.shown) >= self._burst:
            kind.folded += 1
            return lines
        kind.shown.add(what)
        return [*lines, Line(event, fields)]

    def due(self, now: float) -> list[Line]:
        """Summaries of windows that ended; failures that stayed away are forgotten."""
        lines: list[Line] = []
        for key, kind in list(self._kinds.items()):
            if now - kind.opened < kind.window:
                continue
            if kind.folded:
                lines.append(kind.summary())
                kind.folded = 0
            if now - kind.last_seen > 2 * kind.window:
                del self._kinds[key]
        return lines

    def flush(self) -> list[Line]:
        """Summaries of everything folded so far, window over or not; forgets all."""
        lines = [kind.summary() for kind in self._kinds.values() if kind.folded]
        self._kinds.clear()
        return lines

    def _next_window(self, before: _Kind | None, now: float) -> float:
        if before is None or now - before.last_seen > 2 * before.window:
            return self._window_s
        return min(before.window * 2, self._longest_s)

    def _evicted(self) -> list[Line]:
        if len(self._kinds) < self._most_kinds:
            return []
        oldest = min(self._kinds, key=lambda key: self._kinds[key].last_seen)
        kind = self._kinds.pop(oldest)
        return [kind.summary()] if kind.folded else []


def _key(event: str, fields: Fields) -> tuple[object, ...]:
    kept = ((name, str(_unnamed(value, fields))) for name, value in fields.items() if name not in VARYING)
    return (event, *sorted(kept))


def _unnamed(value: object, fields: Fields) -> object:
    """A text without the path and the key of its line: an error that names its file is the same error on another."""
    if not isinstance(value, str):
        return value
    for name in (str(fields.get("key", "")), str(fields.get("path", ""))):
        spellings = {name, quote(name, errors="surrogateescape"), quote(name, safe="/~", errors="surrogateescape")}
        for spelling in sorted(spellings - {""}, key=len, reverse=True):
            value = re.sub(_BEFORE + re.escape(spelling) + _BEHIND, "…", value)
    return value
