"""The file: bytes to a dict, or a sentence that says which byte or line is wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from syncd.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LIMIT = 1 << 20
BOM = b"\xef\xbb\xbf"


def read_document(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError for what cannot be read, is over 1 MiB, or is no TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from error
    if len(content) > LIMIT:
        raise ConfigError([f"{path}: over 1 MiB is no configuration (the limit is 1 MiB); is it the right file?"])
    return parse_document(content, str(path))


def parse_document(content: bytes, source: str) -> dict[str, Any]:
    """The tables of TOML in UTF-8, with or without a byte order mark. Raises ConfigError."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError([f"{source}: not valid UTF-8 at byte 0 (it looks like UTF-16); save it as UTF-8"])
    skipped = len(BOM) if content.startswith(BOM) else 0
    try:
        text = content[skipped:].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start + skipped
        line = content.count(b"\n", 0, offset) + 1
        raise ConfigError([f"{source}: not valid UTF-8 at byte {offset} (line {line}); save it as UTF-8"]) from error
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ConfigError([f"{source}: brackets are nested too deep"]) from error
    except ValueError as error:
        lines = text.count("\n") + 1
        reason = str(error).replace("at end of document", f"at line {lines}, the end of the file")
        raise ConfigError([f"{source}: not valid TOML: {reason}"]) from error
