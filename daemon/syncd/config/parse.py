"""dict -> Config, every problem at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from syncd.config.findings import Findings
from syncd.config.kinds import LATER, nearest
from syncd.config.overlaps import Root, Territory, nested_roots, nested_territories
from syncd.config.quantities import Unreadable, quote
from syncd.config.remotes import Remote, endpoint_identity, parse_remote
from syncd.config.schema import AWS_CLASSES, KEYS, LATER_SECTIONS, SECTIONS, keys_of
from syncd.config.types import S3, Config, Daemon, Pair
from syncd.core.model import Mode

Table = dict[str, Any]

NOTHING = "nothing is configured: add a [[pair]] with name, local and remote (etc/syncd.toml shows every key)"


def parse(
    raw: Mapping[str, object],
    *,
    hostname: str,
    source: str = "",
    labels: Mapping[str, str] | None = None,
    state_dir: Path | None = None,
    resolve: Callable[[Path], Path] | None = None,
) -> Config:
    """Read the tables of a document. Raises ConfigError with every problem.

    `hostname` fills `{host}`; `labels` name a flag or variable by the dotted key that it stands for; `state_dir` is
    the state folder where the document names none; `resolve` follows symlinks (by default in the file system).
    """
    findings = Findings(labels)
    config = collect(raw, findings, hostname=hostname, source=source, state_dir=state_dir, resolve=resolve)
    findings.raise_if_any()
    return config


def collect(
    raw: Mapping[str, object],
    findings: Findings,
    *,
    hostname: str,
    source: str = "",
    state_dir: Path | None = None,
    resolve: Callable[[Path], Path] | None = None,
) -> Config:
    """As `parse`, but leave the problems in `findings`; what was wrong has its default in the answer."""
    later = _check_sections(raw, findings)
    daemon = Daemon(**_read(_table(raw, "daemon", findings), ("daemon",), "daemon", findings))
    s3 = S3(**_read(_table(raw, "s3", findings), ("s3",), "s3", findings))
    _check_class(s3, "s3", findings)
    drafts = [_draft(table, place, s3, hostname, findings) for place, table in enumerate(_pairs(raw, findings))]
    if not drafts and not later and not findings.problems:
        findings.add_plain(NOTHING)
    _check_names(drafts, findings)
    _check_roots(drafts, daemon.state_dir or state_dir, findings, resolve or _resolve)
    _check_territories(drafts, findings)
    pairs = tuple(draft.pair for draft in drafts if draft.pair is not None)
    return Config(daemon=daemon, s3=s3, pairs=pairs, source=source)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A pair as far as it could be read."""

    where: str
    name: str
    local: Path | None
    remote: Remote | None
    s3: S3
    mode: Mode | None  # None: what stands there is no mode
    pair: Pair | None


def _check_sections(raw: Mapping[str, object], findings: Findings) -> bool:
    """Refuse tables that we do not know, or not yet; True where one of the latter is there."""
    later = False
    for section in raw:
        if section in LATER_SECTIONS:
            later = True
            findings.add(section, f"[[{section}]] {LATER}; remove it")
        elif section not in SECTIONS:
            home = sorted({f"[{key.section}]" for key in KEYS if key.name == section})
            hint = f" (it belongs in {' or '.join(home)})" if home else nearest(section, (*SECTIONS, *LATER_SECTIONS))
            findings.add(_shown(section), f"there is no such section{hint}; allowed: [daemon] [s3] [[pair]]")
    return later


def _table(raw: Mapping[str, object], section: str, findings: Findings) -> Table:
    """A table of its own, or an empty one."""
    found = raw.get(section, {})
    if isinstance(found, dict):
        return found
    findings.add(section, f"write it once, as [{section}]")
    return {}


def _pairs(raw: Mapping[str, object], findings: Findings) -> list[Table]:
    """The tables of `[[pair]]`."""
    found = raw.get("pair", [])
    if isinstance(found, list) and all(isinstance(one, dict) for one in found):
        return found
    findings.add("pair", "write [[pair]], with two brackets: there may be several")
    return [found] if isinstance(found, dict) else []


def _read(table: Table, sections: tuple[str, ...], where: str, findings: Findings) -> Table:
    """The typed values of the keys that are there and right. The first section's required keys must be there."""
    known = {name: key for section in sections for name, key in keys_of(section).items()}
    values: Table = {}
    for name, value in table.items():
        key = known.get(name)
        if key is None:
            findings.add(f"{where}.{_shown(name)}", _unknown(name, tuple(known)))
            continue
        try:
            values[name] = key.kind.read(value)
        except Unreadable as error:
            findings.add(f"{where}.{name}", str(error))
    for name, key in keys_of(sections[0]).items():
        if key.default is None and name not in table:
            findings.add(f"{where}.{name}", f"is missing; write {key.kind.allowed}")
    return values


def _unknown(name: str, known: tuple[str, ...]) -> str:
    """What to say of a key that is not there."""
    homes = [f"[{key.section}]" for key in KEYS if key.name == name]
    if homes:
        return f"there is no such key here; it belongs in {homes[0]}"
    return f"there is no such key{nearest(name, known)}"


def _shown(name: str) -> str:
    """A key for a message: quoted where TOML would need it."""
    return name if name and all(char.isalnum() or char in "-_" for char in name) else quote(name)


def _draft(table: Table, place: int, defaults: S3, hostname: str, findings: Findings) -> _Draft:
    """Read one pair; everything that is wrong in it alone is noted."""
    where = f"pair[{place}]"
    if isinstance(table.get("name"), str):
        findings.name(where, quote(table["name"])[1:-1])
    values = _read(table, ("pair", "s3"), where, findings)
    own = {name: values.pop(name) for name in keys_of("s3") if name in values}
    s3 = dataclasses.replace(defaults, **own)
    if own.keys() & {"storage_class", "endpoint_url"}:
        _check_class(s3, where, findings)
    remote = _remote(values.pop("remote", None), where, s3, hostname, findings)
    mode = None if "mode" in table and "mode" not in values else values.get("mode", Mode.BIDIRECTIONAL)
    _check_rules(values, mode, remote, where, findings)
    pair = None
    if remote is not None and "name" in values and "local" in values:
        pair = Pair(**values, bucket=remote.bucket, prefix=remote.prefix, s3=s3)
    return _Draft(
        where=where,
        name=values.get("name", ""),
        local=values.get("local"),
        remote=remote,
        s3=s3,
        mode=mode,
        pair=pair,
    )


def _remote(text: str | None, where: str, s3: S3, hostname: str, findings: Findings) -> Remote | None:
    """The remote taken apart; None where it is missing or wrong."""
    if text is None:
        return None
    try:
        return parse_remote(text, hostname=hostname, on_aws=not endpoint_identity(s3.endpoint_url))
    except Unreadable as error:
        findings.add(f"{where}.remote", str(error))
        return None


def _check_class(s3: S3, where: str, findings: Findings) -> None:
    """On AWS the storage classes are known."""
    known = ("auto", *AWS_CLASSES)
    if not endpoint_identity(s3.endpoint_url) and s3.storage_class not in known:
        text = f"AWS has no storage class {quote(s3.storage_class)}{nearest(s3.storage_class, known)}"
        findings.add(f"{where}.storage_class", f"{text}; allowed: {' '.join(known)}")


def _check_rules(values: Table, mode: Mode | None, remote: Remote | None, where: str, findings: Findings) -> None:
    """What the keys of one pair demand of each other."""
    if values.get("cleanup") and mode is Mode.DOWNLOAD:
        text = "cleanup removes what this host uploaded, and mode download uploads nothing; drop one of them"
        findings.add(f"{where}.cleanup", text)
    settle = values.get("settle", timedelta(seconds=2))
    settle_max = values.get("settle_max", timedelta(minutes=10))
    if settle > settle_max:
        findings.add(
            f"{where}.settle", "is longer than settle_max: every file would be held; make settle_max the longer"
        )
    buckets = values.get("layout") == "buckets"
    if buckets and mode not in {Mode.UPLOAD, None}:
        findings.add(
            f"{where}.layout", 'layout "buckets" goes with mode = "upload" alone, not bidirectional or download'
        )
    if buckets and remote is not None and remote.bucket:
        findings.add(f"{where}.remote", 'layout "buckets" takes the bucket from the folder; write remote = "s3://"')
    if not buckets and remote is not None and not remote.bucket:
        findings.add(f"{where}.remote", 'names no bucket; write s3://BUCKET/PREFIX/ (s3:// goes with layout "buckets")')


def _check_names(drafts: list[_Draft], findings: Findings) -> None:
    """No two pairs share a name."""
    first: dict[str, str] = {}
    for draft in drafts:
        if draft.name and first.setdefault(draft.name, draft.where) != draft.where:
            findings.add(f"{draft.where}.name", f"{quote(draft.name)} is taken by {first[draft.name]}; choose another")


def _resolve(path: Path) -> Path:
    """The path with every symlink followed that is there; itself where that cannot be told."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _check_roots(
    drafts: list[_Draft], state_dir: Path | None, findings: Findings, resolve: Callable[[Path], Path]
) -> None:
    """No root is another's, none holds the state folder, and the state folder holds none."""
    roots = [
        Root(key=f"{draft.where}.local", path=resolve(draft.local), written=draft.local)
        for draft in drafts
        if draft.local is not None
    ]
    for outer, inner in nested_roots(roots):
        findings.add(inner.key, f"{_meeting(outer, inner, findings)}; local roots must be apart")
    if state_dir is None:
        return
    state = Root(key="daemon.state_dir", path=resolve(state_dir), written=state_dir)
    for root in roots:
        for outer, inner in nested_roots((root, state)):
            findings.add(inner.key, f"{_meeting(outer, inner, findings)}; keep the state folder out of local roots")


def _meeting(outer: Root, inner: Root, findings: Findings) -> str:
    """How two folders meet, in words."""
    how = "is the same folder as" if outer.path == inner.path else "lies inside"
    return f"{inner.written} {how} {outer.written} of {findings.where(outer.key)}"


def _check_territories(drafts: list[_Draft], findings: Findings) -> None:
    """No two pairs write the same keys."""
    written = [
        Territory(
            key=f"{draft.where}.remote",
            endpoint=endpoint_identity(draft.s3.endpoint_url),
            bucket=draft.remote.bucket,
            prefix=draft.remote.prefix,
        )
        for draft in drafts
        if draft.remote is not None and draft.mode not in {Mode.DOWNLOAD, None}
    ]
    for outer, inner in nested_territories(written):
        how = "is also written by" if outer.steps == inner.steps else "lies in what is written by"
        text = f"s3://{inner.bucket}/{inner.prefix} {how} {findings.where(outer.key)}"
        findings.add(inner.key, f"{text}; writable prefixes must be apart (or make one a download)")
