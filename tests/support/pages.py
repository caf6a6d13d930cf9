"""README and docs as pages, and what is set as code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.source import CHECKOUT

PAGES = (
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((CHECKOUT / "docs").glob("*.md")),
)
END_OF_COMMAND = re.compile(r"&&|\|\||[|;#)]|\s{2,}(?!-)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A piece of a page that is set as code: a line of a block, or what stands between backticks."""

    page: str
    line: int
    text: str
    inline: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line} `{self.text.strip()}`"


@cache
def codes() -> tuple[Code, ...]:
    """All code of all pages, commands of two lines as one."""
    return tuple(code for page in PAGES for code in _codes(page))


def _codes(page: Path) -> Iterator[Code]:
    name, fenced = page.relative_to(CHECKOUT).as_posix(), False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield Code(page=name, line=number, text=line, inline=False)
            for found in re.findall(r"`([^`]+)`", line):
                yield Code(page=name, line=number, text=found, inline=True)
        else:
            for found in re.findall(r"`([^`]+)`", line):
                yield Code(page=name, line=number, text=found.replace("\\|", "|"), inline=True)


def commands(program: str) -> Iterator[tuple[Code, str]]:
    """Every call of a program in code, up to the end of that command."""
    for code in codes():
        for found in re.finditer(rf"(?:^|[\s(/]){program} (?=[-\[a-z])", code.text):
            yield code, END_OF_COMMAND.split(code.text[found.end() :])[0]


def words(command: str) -> list[str]:
    """The words of a command, less the brackets of a synopsis and the quotes of a shell."""
    return re.sub(r"[\[\]\"']", " ", command).split()


def flags_in(command: str) -> list[str]:
    return [word.partition("=")[0] for word in words(command) if re.match(r"--?[a-z]", word)]
