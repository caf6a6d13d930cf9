"""Filters: which paths a pair wants. Globs in gitignore's manner, compiled once, applied to the original name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import count

from syncd.core.paths import original_name

SPECIAL = frozenset("*?[\\")


class BadGlob(ValueError):
    """A pattern that cannot mean anything; the text says why."""


class Filter:
    """What a pair includes, less what it excludes. An empty include means everything. Case-sensitive.

    A pattern without a slash matches the base name at any depth, one with a slash the whole path, one that ends
    with a slash everything below that folder. `**` as a component is any number of folders. Raises BadGlob.
    """

    __slots__ = ("_excluded", "_included")

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._included = _matcher(include)
        self._excluded = _matcher(exclude)

    def wants(self, path: str) -> bool:
        """Whether the pair takes this path; a conflict copy shares the fate of its original."""
        name = original_name(path) if ".conflict-" in path else path
        if self._included is not None and not self._included(name):
            return False
        return self._excluded is None or not self._excluded(name)


def check_glob(pattern: str) -> None:
    """Raise BadGlob where the pattern cannot mean anything."""
    if not pattern:
        raise BadGlob("an empty pattern matches nothing")
    if "\0" in pattern:
        raise BadGlob("a NUL byte cannot be in a file name")
    if pattern.startswith("!"):
        raise BadGlob(
            "`!` does not negate here: what is not wanted goes to exclude (`[!]x` is a name that begins with `!`)"
        )
    parts = pattern.removeprefix("/").removesuffix("/").split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise BadGlob("an empty, `.` or `..` component never matches")
    _translate(pattern, count())


def _matcher(patterns: Iterable[str]) -> Callable[[str], bool] | None:
    """One function for all patterns: suffixes by `endswith`, the rest by one regex; None where there is no pattern."""
    given = tuple(dict.fromkeys(patterns))
    for pattern in given:
        check_glob(pattern)
    if not given:
        return None
    suffixes = tuple(pattern[1:] for pattern in given if _is_suffix(pattern))
    marks = count()
    rest = [_translate(pattern, marks) for pattern in given if not _is_suffix(pattern)]
    if not rest:
        return lambda path: path.endswith(suffixes)
    search = re.compile("|".join(f"(?:{one})" for one in rest), re.DOTALL).fullmatch
    if not suffixes:
        return lambda path: search(path) is not None
    return lambda path: path.endswith(suffixes) or search(path) is not None


def _is_suffix(pattern: str) -> bool:
    """Whether the pattern is `*` and plain text: then it is a question of how the path ends."""
    return pattern[:1] == "*" and len(pattern) > 1 and "/" not in pattern and not SPECIAL.intersection(pattern[1:])


def _translate(pattern: str, marks: Iterator[int]) -> str:
    """The regex of one pattern, over whole paths. `marks` number its groups.

    Only the last `*` of a component and the last `**` backtrack; the others take their earliest match for good, so
    that no pattern takes more than about the square of the path's length.
    """
    body = pattern.removesuffix("/")
    parts = [*body.removeprefix("/").split("/"), *(["**"] if body != pattern else [])]
    if "/" not in body:
        parts = ["**", "*" if parts[0] == "**" else parts[0], *parts[1:]]
    groups: list[list[str]] = [[]]
    for part in parts:
        if part == "**":
            groups.append([])
        else:
            groups[-1].append(_component(part, marks))
    regex = "/".join(groups[0])
    if len(groups) == 1:
        return regex
    regex += "/" if groups[0] else ""
    for group in groups[1:-1]:
        if group:
            regex += _earliest(f"(?:.*?/)??{'/'.join(group)}/", marks)
    return regex + (f"(?:.*/)?{'/'.join(groups[-1])}" if groups[-1] else ".+")


def _component(part: str, marks: Iterator[int]) -> str:
    """The regex of one component; nothing in it matches a slash."""
    pieces = [""]
    place = 0
    while place < len(part):
        char = part[place]
        place += 1
        if char == "*":
            pieces += [""] if pieces[-1] or len(pieces) == 1 else []
        elif char == "?":
            pieces[-1] += "[^/]"
        elif char == "[":
            inside, place = _brackets(part, place)
            pieces[-1] += inside
        elif char == "\\":
            if place == len(part):
                raise BadGlob("a backslash at the end quotes nothing")
            pieces[-1] += re.escape(part[place])
            place += 1
        else:
            pieces[-1] += re.escape(char)
    if len(pieces) == 1:
        return pieces[0]
    middle = "".join(_earliest(f"[^/]*?{piece}", marks) for piece in pieces[1:-1])
    return f"{pieces[0]}{middle}[^/]*{pieces[-1]}"


def _earliest(regex: str, marks: Iterator[int]) -> str:
    """The regex, never tried again once it has matched (an atomic group, which Python 3.10 does not have)."""
    name = f"g{next(marks)}"
    return f"(?=(?P<{name}>{regex}))(?P={name})"


def _brackets(part: str, start: int) -> tuple[str, int]:
    """The regex of `[...]` whose inside begins at `start`, and where the pattern goes on."""
    negated = part[start : start + 1] in {"!", "^"}
    first = start + negated
    end = part.find("]", first + 1)
    if end < 0:
        raise BadGlob("a `[` has no `]` (a literal one is `\\[`)")
    inside = _members(part[first:end])
    return f"(?!/)[{'^' if negated else ''}{inside}]", end + 1


def _members(text: str) -> str:
    """What stands between brackets, each character and each range quoted for a regex."""
    members = ""
    place = 0
    while place < len(text):
        low, dash, high = text[place], text[place + 1 : place + 2], text[place + 2 : place + 3]
        if dash == "-" and high:
            if low > high:
                raise BadGlob(f"the range {low}-{high} runs backwards")
            members += f"{re.escape(low)}-{re.escape(high)}"
            place += 3
        else:
            members += re.escape(low)
            place += 1
    return members
