"""The kinds of value that a key can take: each reads what TOML gave and writes it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from syncd.config.quantities import (
    BANDWIDTH,
    DELETIONS,
    DURATION,
    SIZE,
    Unreadable,
    format_duration,
    format_max_delete,
    format_rate,
    format_size,
    parse_bandwidth,
    parse_duration,
    parse_max_delete,
    parse_percentage,
    parse_size,
    quote,
)
from syncd.core.filters import BadGlob, check_glob
from syncd.core.timetable import Timetable, write_timetable

TomlValue = str | int | bool | list[str]

LATER = "arrives in a later version"
HIDDEN = "***"


class Kind(Protocol):
    """What a key takes. `allowed` finishes the sentence "write …"."""

    @property
    def allowed(self) -> str: ...

    def read(self, value: object) -> Any:
        """The typed value. Raises Unreadable with what is wrong and what is allowed."""
        ...

    def write(self, value: Any) -> TomlValue:
        """What stands in TOML for a typed value, so that `read` gives the same again."""
        ...


def nearest(word: str, words: Iterable[str]) -> str:
    """` (did you mean "…"?)`, or nothing where no word is near."""
    known = {one.lower(): one for one in words}
    near = get_close_matches(word.lower().replace("-", "_"), known, n=1, cutoff=0.6) or get_close_matches(
        word.lower(), known, n=1, cutoff=0.6
    )
    return f' (did you mean "{known[near[0]]}"?)' if near else ""


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text; `check` refuses what the key cannot mean by raising Unreadable."""

    allowed: str = "text in quotes"
    check: Callable[[str], None] | None = None

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise Unreadable(f"{quote(value)} is not {self.allowed}")
        if self.check is not None:  # first, because a check knows where a secret may stand, which is not repeated
            self.check(value)
        if any(not char.isprintable() for char in value):
            raise Unreadable(f"{quote(value)} holds a control character")
        return value

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Switch:
    """true or false."""

    allowed: str = "true or false"

    def read(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        word = value.lower() if isinstance(value, str) else ""
        hint = f" (write {word} without quotes)" if word in {"true", "false"} else ""
        raise Unreadable(f"{quote(value)} is not {self.allowed}{hint}")

    def write(self, value: bool) -> bool:
        return value


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words; `make` turns the word into its typed value (an enumeration)."""

    words: tuple[str, ...]
    make: Callable[[str], Any] = str

    @property
    def allowed(self) -> str:
        return f"one of {' '.join(word or '(empty)' for word in self.words)}"

    def read(self, value: object) -> Any:
        if isinstance(value, str) and value in self.words:
            return self.make(value)
        near = nearest(value, (word for word in self.words if word)) if isinstance(value, str) else ""
        raise Unreadable(f"{quote(value)} is not {self.allowed}{near}")

    def write(self, value: Any) -> str:
        return str(value.value) if isinstance(value, Enum) else str(value)


def word_of(kind: type[Enum]) -> Word:
    """The words of an enumeration."""
    return Word(tuple(str(member.value) for member in kind), kind)


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time; `over_zero` where nothing at all makes no sense; `off`: that word too, read as None."""

    over_zero: bool = False
    off: bool = False

    @property
    def allowed(self) -> str:
        return f'"off" or {DURATION}' if self.off else DURATION

    def read(self, value: object) -> Any:
        if self.off and value == "off":
            return None
        duration = parse_duration(value)
        if self.over_zero and not duration:
            raise Unreadable(f"{quote(value)} is too short; it must be over 0")
        return duration

    def write(self, value: Any) -> str:
        return "off" if value is None else format_duration(value)


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number between two bounds; with `auto`, also the word "auto", which reads as None."""

    least: int
    most: int
    auto: bool = False

    @property
    def allowed(self) -> str:
        auto = '"auto" or ' if self.auto else ""
        return f"{auto}a whole number from {self.least} to {self.most}"

    def read(self, value: object) -> int | None:
        if self.auto and value == "auto":
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
            raise Unreadable(f"{quote(value)} is not {self.allowed}")
        return value

    def write(self, value: int | None) -> str | int:
        return "auto" if value is None else value


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes between two bounds."""

    least: int = 1
    most: int = 1 << 50

    @property
    def allowed(self) -> str:
        return f"{SIZE}, from {format_size(self.least)} to {format_size(self.most)}"

    def read(self, value: object) -> int:
        size = parse_size(value)
        if not self.least <= size <= self.most:
            raise Unreadable(f"{quote(value)} is not between {format_size(self.least)} and {format_size(self.most)}")
        return size

    def write(self, value: int) -> str:
        return format_size(value)


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a whole in whole per cents, read as 0..1; nothing and everything make no sense."""

    allowed: str = 'a share from "1%" to "99%"'

    def read(self, value: object) -> float:
        share = parse_percentage(value)
        if not 0.01 <= share <= 0.99:
            raise Unreadable(f"{quote(value)} is not {self.allowed}")
        return share

    def write(self, value: float) -> str:
        return f"{value * 100:.9g}%"


@dataclass(frozen=True, slots=True)
class OrOff:
    """What another kind takes, or "off", which reads as None."""

    kind: Kind

    @property
    def allowed(self) -> str:
        return f'{self.kind.allowed}, or "off"'

    def read(self, value: object) -> Any:
        if value == "off":
            return None
        try:
            return self.kind.read(value)
        except Unreadable as error:
            raise Unreadable(f'{error}, or "off"') from error

    def write(self, value: Any) -> TomlValue:
        return "off" if value is None else self.kind.write(value)


@dataclass(frozen=True, slots=True)
class PartSize:
    """The size of a part of a multipart upload in bytes, or "auto", which reads as None."""

    bytes: Size = Size(least=5 << 20, most=5 << 30)

    @property
    def allowed(self) -> str:
        return f'"auto" or {self.bytes.allowed}'

    def read(self, value: object) -> int | None:
        return None if value == "auto" else self.bytes.read(value)

    def write(self, value: int | None) -> str:
        return "auto" if value is None else self.bytes.write(value)


@dataclass(frozen=True, slots=True)
class Secret:
    """A line of text that nobody sees again: not in a message, and `***` in what `config show` prints."""

    allowed: str = "text in quotes"
    one_word: bool = False

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise Unreadable(f"is not {self.allowed}")
        if value == HIDDEN:
            raise Unreadable(f'"{HIDDEN}" is what `config show` prints in place of a secret; write the secret itself')
        if any(not char.isprintable() for char in value):
            raise Unreadable("holds a control character")
        if self.one_word and not all("!" <= char <= "~" for char in value):
            raise Unreadable("holds a space or a letter that is not ASCII; it is one word")
        return value

    def write(self, value: str) -> str:
        return HIDDEN if value else ""


@dataclass(frozen=True, slots=True)
class Globs:
    """A list of patterns (see core.filters)."""

    allowed: str = 'a list of patterns such as ["*.gz", "logs/**"]'

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Unreadable(f"{quote(value)} is not {self.allowed}")
        wrong = []
        for pattern in value:
            try:
                check_glob(pattern)
            except BadGlob as error:
                wrong.append(f"the pattern {quote(pattern)}: {error}")
        if wrong:
            raise Unreadable("; ".join(wrong))
        return tuple(value)

    def write(self, value: tuple[str, ...]) -> list[str]:
        return list(value)


@dataclass(frozen=True, slots=True)
class Place:
    """An absolute path; with `optional`, "" reads as None."""

    optional: bool = False

    @property
    def allowed(self) -> str:
        return "an absolute path such as /var/log/app" + (', or "" to have it found' if self.optional else "")

    def read(self, value: object) -> Path | None:
        if not isinstance(value, str) or (not value and not self.optional):
            raise Unreadable(f"{quote(value)} is not {self.allowed}")
        if not value:
            return None
        if "\0" in value or any(0xD800 <= ord(char) <= 0xDFFF for char in value):
            raise Unreadable(f"{quote(value)} holds a NUL byte or is not valid UTF-8")
        if not value.startswith("/"):
            home = " (~ is not filled in here)" if value.startswith("~") else ""
            raise Unreadable(f"{quote(value)} is not absolute{home}; write {self.allowed}")
        return Path("/" + value.lstrip("/"))

    def write(self, value: Path | None) -> str:
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Deletions:
    """The guard on deletions."""

    allowed: str = DELETIONS

    def read(self, value: object) -> Any:
        return parse_max_delete(value)

    def write(self, value: Any) -> str:
        return format_max_delete(value)


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """A limit on the rate, for all of the day or by a timetable."""

    allowed: str = BANDWIDTH

    def read(self, value: object) -> Timetable:
        return parse_bandwidth(value)

    def write(self, value: Timetable) -> str:
        return write_timetable(value, format_rate)
