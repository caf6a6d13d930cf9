"""What a person types to name archived files: a glob over `bucket/key`, an s3:// address or an old absolute path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SPECIAL = re.compile(r"[*?\[]")
NEVER = "(?!)"


class BadPattern(ValueError):
    """It can name no archived file; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A glob as `ArchiveStore.find` takes it: `*` any text, `/` too, `?` one character, `[a-z]` and `[^a-z]` sets.

    It also means the name that is written just so, whatever stands in it.
    """

    typed: str
    glob: str

    @property
    def literal(self) -> str:
        """What every matching `bucket/key` begins with; "" where nothing is known."""
        return SPECIAL.split(self.glob, maxsplit=1)[0] if "/" in self.glob else ""

    @property
    def bucket(self) -> str | None:
        """The one bucket that it is about; None where it may be any."""
        name, slash, _ = self.literal.partition("/")
        return name if slash else None

    @property
    def folder(self) -> str:
        """The key folder at or below which every match lies, with its slash; "" for the whole bucket."""
        return self.literal.partition("/")[2].rpartition("/")[0] + "/" if self.literal.count("/") > 1 else ""

    def matcher(self) -> Callable[[str], bool]:
        """Whether a `bucket/key` is meant."""
        glob = self.glob if "/" in self.glob else f"*/{self.glob}"
        matches = re.compile(f"(?:{_regex(glob)})", re.DOTALL).fullmatch
        exact = self.glob if "/" in self.glob else f"/{self.glob}"
        ends = "/" not in self.glob
        return lambda name: matches(name) is not None or (name.endswith(exact) if ends else name == exact)


def parse_pattern(typed: str, *, roots: Iterable[Path]) -> Pattern:
    """Read what a person typed. `roots`: of the batches, for absolute paths. BadPattern where it can name nothing."""
    try:
        typed.encode()
    except UnicodeEncodeError:
        raise BadPattern("it is not valid UTF-8, and a key always is") from None
    glob = typed.removeprefix("s3://")
    if typed.startswith("/"):
        glob = _below(typed, roots)
    if glob.endswith("/"):
        glob += "*"
    if not glob.strip("/*") and not glob.startswith("*"):
        raise BadPattern("name BUCKET/KEY, a pattern such as 'BUCKET/2026-*.log', or the file's old path")
    return Pattern(typed=typed, glob=glob)


def _below(typed: str, roots: Iterable[Path]) -> str:
    for root in roots:
        if PurePosixPath(typed).is_relative_to(root):
            inner = str(PurePosixPath(typed).relative_to(root))
            if inner != ".":
                return inner + ("/" if typed.endswith("/") else "")
            return "*"
    known = ", ".join(str(root) for root in roots) or "none is configured"
    raise BadPattern(f"an absolute path lies below the root of a batch ({known})")


def _regex(glob: str) -> str:
    """Of a glob of SQLite. Each `*` but the last takes its earliest match for good: no pattern explodes."""
    first, *rest = _pieces(glob)
    if not rest:
        return first
    *inner, last = rest
    earliest = "".join(f"(?=(?P<g{number}>.*?{piece}))(?P=g{number})" for number, piece in enumerate(inner))
    return f"{first}{earliest}.*{last}"


def _pieces(glob: str) -> list[str]:
    """The regex of what stands before, between and after the stars."""
    pieces, at = [""], 0
    while at < len(glob):
        character = glob[at]
        if character == "*":
            pieces, at = ([*pieces, ""] if pieces[-1] or len(pieces) == 1 else pieces), at + 1
        elif character == "[":
            regex, at = _set(glob, at + 1)
            pieces[-1] += regex
        else:
            pieces[-1] += "." if character == "?" else re.escape(character)
            at += 1
    return pieces


def _set(text: str, at: int) -> tuple[str, int]:
    """The class behind a `[`, and where it ends. One that is not closed matches nothing, as in SQLite."""
    negated = text[at : at + 1] == "^"
    begin = at + negated
    end = text.find("]", begin + 1)
    if end < 0:
        return NEVER, len(text)
    ranges, here, before = "", begin, ""
    while here < end:
        if text[here] == "-" and before and here + 1 < end:
            if before <= text[here + 1]:
                ranges += f"{re.escape(before)}-{re.escape(text[here + 1])}"
            here, before = here + 2, ""
            continue
        before = text[here]
        ranges += re.escape(before)
        here += 1
    if not ranges:
        return "." if negated else NEVER, end + 1
    return f"[{'^' if negated else ''}{ranges}]", end + 1
