"""What was displaced comes back: trash is listed and restored, conflicts are settled. Nothing is ever lost by it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from syncd.control.port import BadRequest, NotFound
from syncd.core.model import Digest, LocalStat
from syncd.core.paths import RelPath, Unrepresentable, conflict_name, is_ours, parse_relpath
from syncd.core.rules import CONFLICT_LOCAL, CONFLICT_STORED
from syncd.engine import content
from syncd.engine.context import Context
from syncd.engine.download import read_back
from syncd.engine.execute import execute
from syncd.engine.expiring import trash_claim
from syncd.engine.observe import listed_by_facts, sides_of
from syncd.engine.outlook import foresee
from syncd.engine.step import Step
from syncd.errors import ConfigError, ItemError, PairHalted, RemoteError, Stale, SyncdError
from syncd.ports import Absent, Commit, ConflictRow, HistoryRow, Openness, TrashRow, Unchanged
from syncd.runtime.displaced import (
    Beside,
    Lair,
    Stored,
    Trashed,
    as_it_was,
    bring,
    parse_digest,
    parse_lair,
    stored_facts,
)
from syncd.runtime.places import Place
from syncd.store.database import Database

FOUND = "found"
"""The reason of what lies in the local trash without a row: a kill came between the move and the commit."""

SLICE_S = 0.1
CLAIM_TRIES = 50  # five seconds
DURABLE_S = 60.0

_TRASH_NAME = re.compile(r"(\d{8}T\d{6}Z)-[0-9a-f]{16}-(.+)", re.DOTALL)


# --- the trash ---


def trash_rows(place: Place, database: Database) -> list[TrashRow]:
    """All that can be brought back, newest first: the rows, and files in the local trash that have none.

    A row whose local file is gone is left out. Where the root cannot be opened: the rows as they are.
    """
    try:
        context = place.open()
        names = dict(context.tree.trash_names())
    except (PairHalted, ConfigError, RemoteError, ItemError):
        return database.trash.rows(place.name)
    rows = database.trash.rows(place.name)
    known = {row.where.partition(":")[2] for row in rows if _is_local(row)}
    if known - names.keys():  # moved there since the first look, or gone
        names |= dict(context.tree.trash_names())
    kept = [row for row in rows if not _is_local(row) or row.where.partition(":")[2] in names]
    found = [_found(context, name, stat) for name, stat in names.items() if name not in known and _speakable(name)]
    return sorted([*kept, *found], key=lambda row: (row.at, row.id), reverse=True)


def wire_id(row: TrashRow) -> str:
    """The id of a row as it is shown and asked for: its number, or "local:NAME" of a file without a row."""
    return str(row.id) if row.id else row.where


def outlooks(place: Place, database: Database) -> dict[str, tuple[float | None, str]]:
    """(when it expires, why it outlives its time) of each, by where it lies; empty where the root cannot be seen."""
    try:
        return foresee(place.open(), database.trash.rows(place.name), database.conflicts.unresolved(place.name))
    except (PairHalted, ConfigError, RemoteError, ItemError):
        return {}


def restore(place: Place, database: Database, row: TrashRow, to: str | None) -> str:
    """Bring a displaced version back to its own path, or to `to`, never over anything; return the path.

    BadRequest: `to` is no place in this root. SyncdError: the path is taken, or the version is gone.
    """
    context = place.open()
    path = _home(context, row) if to is None else _place(context, to)
    lair = parse_lair(row.where, key=context.key(row.path))
    with _claimed(context, path), _claimed(context, trash_claim(row.where)):
        if context.tree.lstat(path) is not None:
            raise _taken(path)
        try:
            if isinstance(lair, Trashed):
                context.tree.untrash(lair.name, path)
            else:
                bring(context, lair, parse_digest(row.digest), path, expect=Absent())
        except Stale as stale:
            raise (_taken(path) if context.tree.lstat(path) is not None else _moved(path)) from stale
        _note(context, path, "restore", size=row.size, digest=row.digest)
        if isinstance(lair, Trashed) and row.id:
            database.trash.delete(row.id)
    return path


def _is_local(row: TrashRow) -> bool:
    return row.where.startswith("local:")


def _speakable(name: str) -> bool:
    """Whether the name can be an id: ours are UTF-8, what somebody else put there need not be."""
    return name.isprintable()


def _found(context: Context, name: str, stat: LocalStat) -> TrashRow:
    named = _TRASH_NAME.fullmatch(name)
    at = stat.ctime_ns / 1e9
    if named is not None:
        at = datetime.strptime(named[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()
    path = _origin(context, stat) or (named[2] if named is not None else name)
    return TrashRow(at=at, path=path, where=f"local:{name}", reason=FOUND, size=stat.size, pair=context.pair.name)


def _origin(context: Context, stat: LocalStat) -> RelPath | None:
    """Where a file without a row was, if the record still knows it by its inode."""
    record = context.records.by_inode(stat.inode, stat.size, stat.mtime_ns)
    return None if record is None else record.path


def _home(context: Context, row: TrashRow) -> RelPath:
    if row.id:
        return _parsed(row.path)
    stat = dict(context.tree.trash_names()).get(row.where.partition(":")[2])
    origin = None if stat is None else _origin(context, stat)
    if stat is not None and origin is None:
        raise BadRequest(f"it is not known in which folder {row.path} was", hint="say where it goes with --to PATH")
    return origin or _parsed(row.path)


def _place(context: Context, to: str) -> RelPath:
    """A path below the root that a person named, absolute or relative to the root."""
    if not to.startswith("/"):
        return _parsed(to)
    root = context.pair.local
    if not Path(to).is_relative_to(root):
        raise BadRequest(f"{to} does not lie below {root}", hint="name a path in the root of the same pair")
    return _parsed(os.path.relpath(to, root) if ".." not in Path(to).parts else to)


def _parsed(text: str) -> RelPath:
    try:
        path = parse_relpath(text)
    except Unrepresentable as error:
        raise BadRequest(
            f"{text!r} is no path of a file below the root: {error.reason}", hint="name another one with --to PATH"
        ) from error
    if is_ours(path):
        raise BadRequest(f"{path} lies where syncd keeps its own files", hint="name another place with --to PATH")
    return path


def _taken(path: RelPath) -> SyncdError:
    return SyncdError(
        f"{path} exists, and nothing is ever restored over a file",
        hint="name another place with --to PATH, or move that file away first",
    )


def _moved(path: RelPath) -> SyncdError:
    return SyncdError(f"{path} changed at this very moment", hint="ask again; nothing is lost")


# --- conflicts ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loser:
    """The version that did not win. `lair`: where it was left. `beside`: the conflict name made of its digest."""

    lair: Lair
    digest: Digest
    beside: RelPath


def resolve(place: Place, database: Database, conflict: ConflictRow, keep: str) -> None:
    """Settle a conflict as a person wants it: `keep` the local or the remote version, or both.

    The winner stays as it is. The loser comes back to the path, what lies there goes to trash, and the next cycle
    carries it to the other side. Both: the loser's bytes lie beside under the conflict name. A kill at any moment
    leaves every version and an unsettled conflict, which can be settled again. SyncdError says why it cannot be.
    """
    if keep not in {"local", "remote", "both"}:
        raise BadRequest(f"{keep!r} is no way to settle a conflict", hint="keep local, remote or both")
    context = place.open()
    path = _parsed(conflict.path)
    with _claimed(context, path), _claimed(context, trash_claim(conflict.loser_at)):
        _refuse_settled(database, conflict)
        if keep != conflict.winner:
            _settle(context, database, conflict, path, both=keep == "both")
        _note(context, path, "resolve", rule=conflict.rule, digest=conflict.loser_digest)
        database.conflicts.resolve(conflict.id, keep)


def _refuse_settled(database: Database, conflict: ConflictRow) -> None:
    row = database.conflicts.get(conflict.id)
    if row is None or row.resolved:
        raise NotFound(f"the conflict {conflict.id} is settled", hint="`synctl conflicts` lists the open ones")


def _settle(context: Context, database: Database, conflict: ConflictRow, path: RelPath, *, both: bool) -> None:
    try:
        loser = _loser(context, conflict, path)
        with _claimed(context, loser.beside):
            match conflict.rule == CONFLICT_STORED.id, both:
                case True, True:
                    assert isinstance(loser.lair, Stored)
                    stored_facts(context, loser.lair)
                case True, False:
                    _bring_to_path(context, path, loser)
                    _send_over(context, path)
                case False, True:
                    _bring_beside(context, database, path, loser)
                case False, False:
                    _bring_to_path(context, path, loser)
    except Stale as stale:
        raise _moved(path) from stale


def _loser(context: Context, conflict: ConflictRow, path: RelPath) -> _Loser:
    """Where the loser was left, and its digest."""
    digest = parse_digest(conflict.loser_digest)
    if digest is not None and conflict.loser_at == conflict_name(path, digest.hex):
        lair: Lair = Beside(RelPath(conflict.loser_at))
    else:
        lair = parse_lair(conflict.loser_at, key=context.key(path))
    if digest is None:
        digest = _measured(context, lair)
    return _Loser(lair=lair, digest=digest, beside=conflict_name(path, digest.hex))


def _lair_now(context: Context, path: RelPath, loser: _Loser) -> Lair:
    """Where its bytes are now: an earlier try may have got half way, a person may have taken the copy away."""
    lair = loser.lair
    if isinstance(lair, Stored) or (isinstance(lair, Trashed) and lair.name in dict(context.tree.trash_names())):
        return lair
    copy = lair.path if isinstance(lair, Beside) else loser.beside
    if context.tree.lstat(copy) is not None:
        return Beside(copy)
    if context.objects.head(context.key(copy)) is not None:  # it went up under its own name
        return Stored(context.key(copy))
    raise SyncdError(
        f"the other version of {path} is no longer where it was left, and not at {copy} either",
        hint="keep what is there: `synctl conflicts resolve ID --keep` with the side that won",
    )


def _measured(context: Context, lair: Lair) -> Digest:
    """The digest of an object of another tool, which carries none. It is read for that."""
    if isinstance(lair, Stored):
        facts = stored_facts(context, lair)
        return read_back(as_it_was(context, lair), lair.key, facts.etag, context.pair.hash)
    raise SyncdError("it was never noted what the other version contains", hint="`synctl trash list` may show it")


def _bring_to_path(context: Context, path: RelPath, loser: _Loser) -> None:
    stat = context.tree.lstat(path)
    if stat is None:
        bring(context, _lair_now(context, path, loser), loser.digest, path, expect=Absent())
        return
    before = content.digest_of(context, path, stat, loser.digest.type)
    if before == loser.digest:
        return
    if context.tree.open_elsewhere(path, for_writing=True) is Openness.OPEN:
        raise SyncdError(f"{path} is open for writing in another program", hint="close it there, then ask again")
    placed = bring(context, _lair_now(context, path, loser), loser.digest, path, expect=Unchanged(stat))
    if placed.displaced is not None:
        trash = TrashRow(
            at=context.clock.now(),
            path=path,
            where=f"local:{placed.displaced}",
            reason="conflict",
            size=stat.size,
            digest=f"{before.type.value}:{before.hex}",
        )
        context.records.commit(Commit(trash=trash)).result(DURABLE_S)


def _bring_beside(context: Context, database: Database, path: RelPath, loser: _Loser) -> None:
    stat = context.tree.lstat(loser.beside)
    if stat is not None:
        if content.digest_of(context, loser.beside, stat, loser.digest.type) != loser.digest:
            raise SyncdError(
                f"{loser.beside} exists, and holds something else", hint="move it away first, then ask again"
            )
        return
    lair = _lair_now(context, path, loser)
    if not isinstance(lair, Trashed):
        bring(context, lair, loser.digest, loser.beside, expect=Absent())
        return
    context.tree.untrash(lair.name, loser.beside)
    for row in database.trash.rows(context.pair.name):
        if row.where == f"local:{lair.name}":
            database.trash.delete(row.id)


def _send_over(context: Context, path: RelPath) -> None:
    """Let the local file replace the object that an upload-only pair left alone; the object is displaced first."""
    facts = context.objects.head(context.key(path))
    sides = sides_of(context, path, listed_by_facts(path, facts))
    if sides.stat is None:
        raise Stale(path)
    type = context.pair.hash if facts is None or facts.digest is None else facts.digest.type
    digest = content.digest_of(context, path, sides.stat, type)
    if facts is not None and facts.digest == digest:
        return  # an earlier try got this far
    # A person decides here, so that this is no conflict once more: nothing is to be settled about it.
    rule = replace(CONFLICT_LOCAL, conflict=False)
    done = execute(context, Step(path=path, rule=rule, sides=sides, facts=facts, digest=digest))
    assert done.commit is not None
    context.records.commit(done.commit).result(DURABLE_S)


# --- both ---


@contextmanager
def _claimed(context: Context, path: RelPath) -> Iterator[None]:
    """Nobody else works on the path meanwhile. SyncdError where somebody does, and goes on doing so."""
    for _ in range(CLAIM_TRIES):
        if context.claims.take(path):
            break
        if context.stop.wait(SLICE_S):
            raise SyncdError("syncd is stopping", hint="ask again when it runs")
    else:
        raise SyncdError(f"{path} is being worked on right now", hint="ask again when `synctl status` is quiet")
    try:
        yield
    finally:
        context.claims.release(path)


def _note(context: Context, path: RelPath, operation: str, *, rule: str = "", size: int = 0, digest: str = "") -> None:
    row = HistoryRow(
        at=context.clock.now(), path=path, operation=operation, rule=rule, result="done", size=size, digest=digest
    )
    context.records.commit(Commit(history=row)).result(DURABLE_S)
