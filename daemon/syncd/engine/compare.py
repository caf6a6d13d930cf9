"""One path looked at on both sides and in the record, by what is known of it or by reading it. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core import findings as f
from syncd.core.findings import Finding
from syncd.core.model import Digest, HashType, LocalStat, LocalState, ObjectFacts, Record, racy
from syncd.core.paths import RelPath
from syncd.core.verify import Content, Seen, judge
from syncd.engine.checksum import crc64nvme_text
from syncd.engine.content import is_md5
from syncd.engine.context import Context
from syncd.engine.download import read_back
from syncd.errors import ItemError, RemoteError, RemoteKind, Stale
from syncd.ports import Hashes, OpenFile

LOOKS = 3

CRC = "CRC64NVME:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What became of one look. `reason`: in words, what failed included. `received`: bytes that came from S3."""

    path: RelPath
    finding: Finding
    reason: str
    size: int = 0
    received: int = 0
    record: Record | None = None
    error: RemoteError | ItemError | None = None


def look_at(context: Context, path: RelPath, *, download: bool) -> Looked | None:
    """Compare one path now. One HEAD; with `download` the file and the object are read, else what is known counts.

    None: nothing is there and nothing is recorded. Stale only where `context.stop` is abandoned.
    """
    for _ in range(LOOKS):
        try:
            return _Look(context, path, download=download).done()
        except Stale:
            if context.stop.abandoned():
                raise
        except (ItemError, RemoteError) as error:
            return Looked(path=path, finding=f.UNREADABLE, reason=error.message, error=error)
    return Looked(path=path, finding=f.RESTLESS, reason=f.RESTLESS.why)


class _Look:
    """One look. Stale where a side moved under it."""

    def __init__(self, context: Context, path: RelPath, *, download: bool) -> None:
        self._context = context
        self._path = path
        self._record = context.records.get(path)
        cleaning = self._record is not None and self._record.local is LocalState.CLEANING
        stat = context.tree.lstat(path)
        staged = context.tree.staged(path) if cleaning and stat is None else None
        self._staged = staged is not None
        self._stat = stat if staged is None else staged
        self._facts = context.objects.head(context.key(path))
        self._read = download and self._worth_reading()
        self._received = 0

    def done(self) -> Looked | None:
        """The finding. A difference stands only where nothing moved since it was looked at."""
        record, stat, facts = self._record, self._stat, self._facts
        local = None if stat is None else self._local(stat)
        remote = None if facts is None else self._remote(facts, local)
        seen = Seen(
            mode=self._context.pair.mode,
            record=record,
            local=local,
            remote=remote,
            as_recorded=stat is not None and self._as_recorded(stat),
            etag=None if facts is None else facts.etag,
            staged=self._staged,
            archived=facts is not None and facts.archived,
            agreed=None if record is None else self._by_record(record),
        )
        finding = judge(seen)
        if finding is None:
            return None
        if finding.differs:
            self._still()
        size = stat.size if stat is not None else facts.size if facts is not None else 0
        return Looked(
            path=self._path, finding=finding, reason=finding.why, size=size, received=self._received, record=record
        )

    def _still(self) -> None:
        now = self._context.records.get(self._path)
        before = self._record
        if (now and now.seq) != (before and before.seq):
            raise Stale(self._path)
        stat = self._context.tree.staged(self._path) if self._staged else self._context.tree.lstat(self._path)
        if stat != self._stat:
            raise Stale(self._path)

    def _worth_reading(self) -> bool:
        """Whether the bytes can tell more: the object may be read, and the sizes leave the question open."""
        if self._facts is None or self._facts.archived:
            return False
        if self._stat is not None:
            return self._stat.size == self._facts.size
        record = self._record
        cleaned = record is not None and record.local in {LocalState.CLEANED, LocalState.CLEANING}
        return cleaned and record is not None and record.digest is not None and record.size == self._facts.size

    def _as_recorded(self, stat: LocalStat) -> bool:
        record = self._record
        if record is None or record.stat is None or record.local not in {LocalState.PRESENT, LocalState.CLEANING}:
            return False
        if self._staged:
            return stat.same_file(record.stat)
        return stat == record.stat and not racy(stat, record.looked_ns)

    # --- the file ---

    def _local(self, stat: LocalStat) -> Content:
        if self._read:
            return self._content(stat.size, self._hash(stat, self._types()), read=True)
        record = self._record
        if record is not None and record.digest is not None and self._as_recorded(stat):
            known = self._by_record(record)
            if self._suffices(known):
                return known
        if self._facts is not None and stat.size == self._facts.size:
            return self._content(stat.size, self._known(stat, self._types()))
        if record is not None and record.digest is not None and stat.size == record.size:
            return self._content(stat.size, self._known(stat, frozenset({record.digest.type.value})))
        return Content(size=stat.size)

    def _by_record(self, record: Record) -> Content:
        """What the record tells of a file that nobody wrote to since."""
        digests = set() if record.digest is None else {record.digest}
        if record.etag is not None and is_md5(self._context, record.etag):
            digests.add(Digest(HashType.MD5, record.etag))
        return Content(size=record.size, digests=frozenset(digests), checksum=record.checksum)

    def _suffices(self, known: Content) -> bool:
        """Whether the object can be compared with that, without reading the file."""
        facts, record = self._facts, self._record
        if facts is None or facts.size != known.size or (record is not None and record.etag == facts.etag):
            return True
        by_checksum = known.checksum is not None and facts.checksum is not None
        by_md5 = is_md5(self._context, facts.etag) and known.of(Digest(HashType.MD5, facts.etag)) is not None
        return by_checksum or by_md5

    def _types(self) -> frozenset[str]:
        """Which hashes of the file can be compared with something."""
        facts, record = self._facts, self._record
        if self._read:
            return frozenset({self._type.value})
        types = {self._type.value}
        if facts is not None and facts.digest is not None:
            types.add(facts.digest.type.value)
        if facts is not None and (facts.checksum or "").startswith(CRC):
            types.add("crc64nvme")
        if facts is not None and is_md5(self._context, facts.etag):
            types.add("md5")
        if record is not None and record.digest is not None:
            types.add(record.digest.type.value)
        return frozenset(types)

    @property
    def _type(self) -> HashType:
        record = self._record
        return self._context.pair.hash if record is None or record.digest is None else record.digest.type

    def _known(self, stat: LocalStat, types: frozenset[str]) -> Hashes:
        """The hashes of that version: remembered where no later write can hide behind its stat, else read now."""
        if not self._staged and not racy(stat, self._context.clock.now_ns()):
            cached = self._context.records.cached_hashes(stat)
            if cached is not None and all(getattr(cached, type) is not None for type in types):
                return cached
        return self._hash(stat, types)

    def _hash(self, stat: LocalStat, types: frozenset[str]) -> Hashes:
        tree = self._context.tree
        with tree.open_staged(self._path) if self._staged else tree.open(self._path) as file:
            return _hash(self._context, file, stat, types)

    def _content(self, size: int, hashes: Hashes, *, read: bool = False) -> Content:
        digests = {digest for type in HashType if (digest := hashes.digest(type)) is not None}
        checksum = None if hashes.crc64nvme is None else crc64nvme_text(hashes.crc64nvme)
        return Content(size=size, digests=frozenset(digests), checksum=checksum, read=read)

    # --- the object ---

    def _remote(self, facts: ObjectFacts, local: Content | None) -> Content:
        checksum = facts.checksum if (facts.checksum or "").startswith(CRC) else None
        if self._read:
            digests = frozenset({self._read_back(facts, local)})
            return Content(size=facts.size, digests=digests, checksum=checksum, claimed=facts.digest, read=True)
        computed = {Digest(HashType.MD5, facts.etag)} if is_md5(self._context, facts.etag) else set()
        return Content(size=facts.size, digests=frozenset(computed), checksum=checksum, claimed=facts.digest)

    def _read_back(self, facts: ObjectFacts, local: Content | None) -> Digest:
        """The digest of the object's bytes. Read twice before it is called wrong: the way may spoil one read."""
        expected = set() if local is None else set(local.digests)
        if self._record is not None and self._record.digest is not None:
            expected.add(self._record.digest)
        first = self._receive(facts)
        if first in expected:
            return first
        second = self._receive(facts)
        if second != first and second not in expected:
            message = f"{self._context.key(self._path)}: two reads gave two contents"
            raise RemoteError(RemoteKind.CORRUPT, message, hint="look at the network path or the store")
        return second

    def _receive(self, facts: ObjectFacts) -> Digest:
        digest = read_back(self._context, self._context.key(self._path), facts.etag, self._type)
        self._received += facts.size
        return digest


def _hash(context: Context, file: OpenFile, stat: LocalStat, types: frozenset[str]) -> Hashes:
    """Read it now, and remember nothing of it."""
    if file.fstat() != stat:
        raise Stale("changed before it was read")
    hashes = file.hash(types=types, stopped=context.stop.abandoned)
    if not file.fstat().same_file(stat):
        raise Stale("changed while it was read")
    return hashes
