"""The effective configuration as TOML: what `config show` prints. Secrets apart, it reads back as the same."""

from __future__ import annotations

import json
from collections.abc import Iterator

from syncd.config.kinds import TomlValue
from syncd.config.schema import INDEX_SECTION, Key, keys_of
from syncd.config.types import S3, Batch, Config, Daemon, Index, Pair, Syslog

Section = Daemon | Syslog | S3 | Pair | Batch | Index


def show(config: Config) -> str:
    """Every key with the value that holds, each section with its own keys of [s3].

    A secret is shown as `***`, so that a person sees that it is set; read back, that is refused.
    """
    lines = [
        f"# {_comment(line)}" for line in (f"from {config.source}" if config.source else "", *config.notices) if line
    ]
    lines += ["[daemon]", *_lines("daemon", config.daemon), "", "[syslog]", *_lines("syslog", config.syslog)]
    lines += ["", "[s3]", *_lines("s3", config.s3)]
    for pair in config.pairs:
        lines += ["", "[[pair]]", *_lines("pair", pair), *_own(pair.s3, config.s3)]
    for batch in config.batches:
        lines += ["", "[[batch]]", *_lines("batch", batch), *_own(batch.s3, config.s3)]
        lines += [f"[{INDEX_SECTION}]", *_lines(INDEX_SECTION, batch.index)]
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


def _own(one: S3, defaults: S3) -> list[str]:
    """The keys of [s3] in which a section differs from the defaults."""
    return [_line(key, one) for key in keys_of("s3").values() if getattr(one, key.name) != getattr(defaults, key.name)]
