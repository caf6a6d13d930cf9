"""The tables of a document, read by the one table of keys; what is wrong goes to the findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from syncd.config.findings import Findings
from syncd.config.kinds import LATER, nearest
from syncd.config.quantities import Unreadable, quote
from syncd.config.remotes import endpoint_identity
from syncd.config.schema import AWS_CLASSES, INDEX, KEYS, LATER_SECTIONS, SECTIONS, keys_of
from syncd.config.types import S3

Table = dict[str, Any]

WRITTEN = {section: f"[[{section}]]" if section in {"pair", "batch"} else f"[{section}]" for section in SECTIONS}


def check_sections(raw: Mapping[str, object], findings: Findings) -> bool:
    """Refuse tables that we do not know, or not yet; True where one of the latter is there."""
    later = False
    for section in raw:
        if section in LATER_SECTIONS:
            later = True
            findings.add(section, f"[[{section}]] {LATER}; remove it")
        elif section not in SECTIONS:
            homes = _homes(section)
            hint = f" (it belongs in {homes})" if homes else nearest(section, (*SECTIONS, *LATER_SECTIONS))
            findings.add(shown(section), f"there is no such section{hint}; allowed: {' '.join(WRITTEN.values())}")
    return later


def single(raw: Mapping[str, object], section: str, findings: Findings, *, within: str = "") -> Table:
    """A table of its own, or an empty one. `within`: the dotted key of the table that holds it."""
    found = raw.get(section, {})
    if isinstance(found, dict):
        return found
    inside = f"{within.partition('[')[0]}." if within else ""
    findings.add(f"{within}.{section}" if within else section, f"write it once, as [{inside}{section}]")
    return {}


def several(raw: Mapping[str, object], section: str, findings: Findings) -> list[Table]:
    """The tables of `[[pair]]` or `[[batch]]`."""
    found = raw.get(section, [])
    if isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return found
    findings.add(section, f"write [[{section}]], with two brackets: there may be several")
    return [found] if isinstance(found, dict) else []


def read(table: Table, sections: tuple[str, ...], where: str, findings: Findings) -> Table:
    """The typed values of the keys that are there and right. The first section's required keys must be there."""
    known = {name: key for section in sections for name, key in keys_of(section).items()}
    values: Table = {}
    for name, value in table.items():
        key = known.get(name)
        if key is None:
            findings.add(f"{where}.{shown(name)}", _unknown(name, tuple(known), sections[0]))
            continue
        try:
            values[name] = key.kind.read(value)
        except Unreadable as error:
            findings.add(f"{where}.{name}", str(error))
    for name, key in keys_of(sections[0]).items():
        if key.default is None and name not in table:
            findings.add(f"{where}.{name}", f"is missing; write {key.kind.allowed}")
    return values


def section_s3(values: Table, defaults: S3, where: str, findings: Findings) -> S3:
    """Take the keys of [s3] that a section sets for itself out of `values`, over the defaults."""
    own = {name: values.pop(name) for name in keys_of("s3") if name in values}
    s3 = dataclasses.replace(defaults, **own)
    if own.keys() & {"storage_class", "endpoint_url"}:
        check_class(s3, where, findings)
    return s3


def check_class(s3: S3, where: str, findings: Findings) -> None:
    """On AWS the storage classes are known."""
    known = ("auto", *AWS_CLASSES)
    if not endpoint_identity(s3.endpoint_url) and s3.storage_class not in known:
        text = f"AWS has no storage class {quote(s3.storage_class)}{nearest(s3.storage_class, known)}"
        findings.add(f"{where}.storage_class", f"{text}; allowed: {' '.join(known)}")


def name_section(table: Table, where: str, findings: Findings) -> None:
    """Let messages on this section carry its name."""
    if isinstance(table.get("name"), str):
        findings.name(where, quote(table["name"])[1:-1])


def shown(name: str) -> str:
    """A key for a message: quoted where TOML would need it."""
    return name if name and all(char.isalnum() or char in "-_" for char in name) else quote(name)


def _unknown(name: str, known: tuple[str, ...], section: str) -> str:
    """What to say of a key that is not there."""
    homes = _homes(name)
    if homes:
        return f"there is no such key here; it belongs in {homes}"
    return f"there is no such key{nearest(name, (*known, INDEX) if section == 'batch' else known)}"


def _homes(name: str) -> str:
    """The sections that have a key, or a table, of that name."""
    homes = {f"[{key.section}]" for key in KEYS if key.name == name}
    return " or ".join(sorted(homes | ({"[batch]"} if name == INDEX else set())))
