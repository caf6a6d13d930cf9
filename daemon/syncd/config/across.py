"""What sections demand of each other: names of their own, folders apart, prefixes apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from syncd.config.batches import BatchDraft
from syncd.config.findings import Findings
from syncd.config.locate import default_spool
from syncd.config.overlaps import Root, Territory, nested_roots, nested_territories
from syncd.config.pairs import PairDraft
from syncd.config.quantities import quote
from syncd.config.remotes import endpoint_identity
from syncd.core.model import Mode

Resolve = Callable[[Path], Path]

ROOTS_APART = "local roots must be apart"
SPOOLS_APART = "each batch has a spool of its own"
SPOOL_OUTSIDE = "keep spools out of local roots"
STATE_OUTSIDE = "keep the state folder out of local roots"
STATE_NOT_IN_SPOOL = "keep the state folder out of spools"


def check_names(drafts: Sequence[PairDraft | BatchDraft], findings: Findings) -> None:
    """No two sections share a name."""
    first: dict[str, str] = {}
    for draft in drafts:
        if draft.name and first.setdefault(draft.name, draft.where) != draft.where:
            findings.add(f"{draft.where}.name", f"{quote(draft.name)} is taken by {first[draft.name]}; choose another")


def check_folders(
    pairs: Sequence[PairDraft],
    batches: Sequence[BatchDraft],
    state_dir: Path | None,
    findings: Findings,
    resolve: Resolve,
) -> None:
    """No root is, holds or lies in another root, a spool or the state folder; no spool in another, nor the state."""
    roots = [_root(f"{pair.where}.local", pair.local, resolve) for pair in pairs if pair.local is not None]
    roots += [_root(f"{batch.where}.root", batch.root, resolve) for batch in batches if batch.root is not None]
    spools = [_root(f"{batch.where}.spool", batch.spool, resolve) for batch in batches if batch.spool is not None]
    for outer, inner in nested_roots([*roots, *spools]):
        count = (outer in spools) + (inner in spools)
        findings.add(
            inner.key, f"{_meeting(outer, inner, findings)}; {(ROOTS_APART, SPOOL_OUTSIDE, SPOOLS_APART)[count]}"
        )
    if state_dir is None:
        return
    state = _root("daemon.state_dir", state_dir, resolve)
    for root in roots:
        for outer, inner in nested_roots((root, state)):
            findings.add(inner.key, f"{_meeting(outer, inner, findings)}; {STATE_OUTSIDE}")
    _check_spools_and_state(spools, batches, state, findings, resolve)


def _check_spools_and_state(
    spools: Sequence[Root], batches: Sequence[BatchDraft], state: Root, findings: Findings, resolve: Resolve
) -> None:
    """A spool may lie in the state folder, where those without a name of their own are, but never hold it."""
    for spool in spools:
        if state.path.is_relative_to(spool.path):
            findings.add(spool.key, f"{_meeting(spool, state, findings)}; {STATE_NOT_IN_SPOOL}")
    implied = [
        _root(f"{batch.where}.spool", default_spool(state.written, batch.name), resolve)
        for batch in batches
        if batch.spool is None and batch.name
    ]
    for outer, inner in nested_roots([*spools, *implied]):
        if (outer in spools) != (inner in spools):
            findings.add(inner.key, f"{_meeting(outer, inner, findings)}; {SPOOLS_APART}")


def check_territories(drafts: Sequence[PairDraft], findings: Findings) -> None:
    """No two pairs write the same keys.

    A batch is not among them: its buckets are the folders of its root, which come and go while it runs.
    """
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


def follow_symlinks(path: Path) -> Path:
    """The path with every symlink followed that is there; itself where that cannot be told."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _root(key: str, path: Path, resolve: Resolve) -> Root:
    return Root(key=key, path=resolve(path), written=path)


def _meeting(outer: Root, inner: Root, findings: Findings) -> str:
    """How two folders meet, in words."""
    how = "is the same folder as" if outer.path == inner.path else "lies inside"
    return f"{inner.written} {how} {outer.written} of {findings.where(outer.key)}"
