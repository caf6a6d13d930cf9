"""What lies in the trash and how it stands: seen, held against the limits, and looked for elsewhere."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from syncd.core.classify import local_changed
from syncd.core.expiry import Displaced, Lair, Limits, decide, outlook, questions
from syncd.core.model import Digest, HashType, LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.engine.context import Context
from syncd.engine.transferring import text
from syncd.errors import ItemError, RemoteError
from syncd.ports import ConflictRow, TrashRow


def limits_of(context: Context) -> Limits:
    """The pair's limits."""
    keep = context.pair.trash_keep
    return Limits(keep_s=None if keep is None else keep.total_seconds(), most=context.pair.trash_max)


def clock_of(context: Context) -> float:
    """Now, by whichever clock is behind: one that ran ahead must not end the time of all that lies here."""
    return min(context.clock.now(), context.objects.server_now())


def survey(
    rows: Iterable[TrashRow], names: Mapping[str, LocalStat], unsettled: Sequence[ConflictRow]
) -> list[Displaced]:
    """What lies there: entries with what was seen of their files, and files without an entry."""
    places = {_place(conflict.loser_at): conflict.id for conflict in unsettled}
    losers = {conflict.loser_digest: conflict.id for conflict in unsettled if conflict.loser_digest}
    found, left = [], dict(names)
    for row in rows:
        lost = places.get(row.where) or (losers.get(row.digest, 0) if row.digest else 0)
        found.append(_entry(row, left.pop(name_of(row.where), None), lost))
    for name, stat in left.items():
        lost = places.get(f"local:{name}", 0)
        found.append(_unlisted(name, stat, lost))
    return found


def foresee(
    context: Context, rows: Iterable[TrashRow], unsettled: Sequence[ConflictRow]
) -> dict[str, tuple[float | None, str]]:
    """(when it expires, why it outlives its time) of each by where it lies, as far as no request or read is needed."""
    items = survey(rows, dict(context.tree.trash_names()), unsettled)
    limits, now = limits_of(context), clock_of(context)
    asked = questions(decide(items, limits, now=now, elsewhere=frozenset()))
    live = elsewhere(context, {item.digest for item in asked}, ask=False)
    decided = decide(items, limits, now=now, elsewhere=frozenset(live))
    return {item.where: outlook(fate, now) for item, fate in decided}


# --- what is seen ---


def _entry(row: TrashRow, stat: LocalStat | None, lost: int) -> Displaced:
    kind = row.where.partition(":")[0]
    if kind != "local":
        lair = Lair.VERSION if kind == "version" else Lair.COPY
        return Displaced(
            id=row.id, where=row.where, lair=lair, since=row.at, size=row.size, digest=row.digest, conflict=lost
        )
    if stat is None:
        return Displaced(id=row.id, where=row.where, lair=Lair.LOCAL, since=row.at, size=0, gone=True)
    # Somebody who had it open may have written to it since: then nobody knows what it holds, and its time begins anew.
    as_noted = stat.size == row.size and stat.mtime_ns / 1e9 <= row.at
    return Displaced(
        id=row.id,
        where=row.where,
        lair=Lair.LOCAL,
        since=max(row.at, stat.ctime_ns / 1e9),
        size=stat.size,
        digest=row.digest if as_noted else "",
        conflict=lost,
    )


def _unlisted(name: str, stat: LocalStat, lost: int) -> Displaced:
    since = stat.ctime_ns / 1e9
    return Displaced(
        id=0, where=f"local:{name}", lair=Lair.LOCAL, since=since, size=stat.size, conflict=lost, unlisted=True
    )


def name_of(where: str) -> str:
    """The name in the local trash, or the key."""
    return where.partition(":")[2]


def _place(loser_at: str) -> str:
    """Where a loser was left, in the words of the trash's entries."""
    kind, _, rest = loser_at.partition(":")
    return f"local:{rest}" if kind == "trash" else loser_at


# --- what is elsewhere ---


def elsewhere(context: Context, digests: Collection[str], *, ask: bool) -> dict[str, Record]:
    """Of these contents, those that are live now, each with a record whose file or object holds it."""
    wanted = [digest for digest in map(parse_text, digests) if digest is not None]
    live: dict[str, Record] = {}
    for record in context.records.holding(wanted) if wanted else ():
        digest = text(record.digest)
        if digest not in live and is_live(context, record, ask=ask):
            live[digest] = record
    return live


def is_live(context: Context, record: Record, *, ask: bool) -> bool:
    """Whether the recorded content is at the path, here or on S3. `ask`: by a HEAD; else as the record has it."""
    if record.local is LocalState.PRESENT:
        try:
            stat = context.tree.lstat(record.path)
        except ItemError:
            stat = None
        if stat is not None and not local_changed(record, stat):
            return True
    sure = record.origin is Origin.DOWNLOADED or record.proof not in {ProofKind.NONE, ProofKind.UNPROVEN}
    if record.remote is not RemoteState.PRESENT or not sure:
        return False
    if not ask:
        return True
    try:
        facts = context.objects.head(context.key(record.path))
    except RemoteError:
        return False
    return facts is not None and facts.etag == record.etag and facts.size == record.size


def parse_text(noted: str) -> Digest | None:
    """The digest of "sha256:hex"; None where nothing was noted."""
    type, _, hex = noted.partition(":")
    return Digest(HashType(type), hex) if hex else None
