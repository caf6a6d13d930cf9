"""The effective configuration as TOML: what `config show` prints. It reads back as the same configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator

from syncd.config.kinds import TomlValue
from syncd.config.schema import Key, keys_of
from syncd.config.types import S3, Config, Daemon, Pair

Section = Daemon | S3 | Pair


def show(config: Config) -> str:
    """Every key with the value that holds, each pair with its own keys of [s3]. There are no secrets in it."""
    lines = [
        f"# {_comment(line)}" for line in (f"from {config.source}" if config.source else "", *config.notices) if line
    ]
    lines += ["[daemon]", *_lines("daemon", config.daemon), "", "[s3]", *_lines("s3", config.s3)]
    for pair in config.pairs:
        own = [_line(key, pair.s3) for key in keys_of("s3").values() if _differs(key, pair.s3, config.s3)]
        lines += ["", "[[pair]]", *_lines("pair", pair), *own]
    return "\n".join(lines) + "\n"


def toml(value: TomlValue) -> str:
    """One value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(toml(one) for one in value)}]"
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> str:
    """Text that stays on its line."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _lines(section: str, values: Section) -> Iterator[str]:
    return (_line(key, values) for key in keys_of(section).values())


def _line(key: Key, values: Section) -> str:
    return f"{key.name} = {toml(key.kind.write(getattr(values, key.name)))}"


def _differs(key: Key, one: S3, other: S3) -> bool:
    return bool(getattr(one, key.name) != getattr(other, key.name))
