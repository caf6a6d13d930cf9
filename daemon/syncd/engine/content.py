"""What local files contain: each version is read once and remembered."""

from __future__ import annotations

import hashlib

from syncd.core.inodes import by_path
from syncd.core.model import Digest, HashType, LocalStat, ObjectFacts, racy
from syncd.core.paths import RelPath
from syncd.core.reconcile import Same
from syncd.engine.checksum import crc64nvme_text
from syncd.engine.context import Context
from syncd.errors import Stale
from syncd.ports import Hashes, OpenFile

FREE_MD5 = 65536
"""Up to so many bytes an MD5 is computed where the ETag is all that may prove an upload."""

USUAL_PARTS = tuple(size << 20 for size in (5, 8, 10, 15, 16, 32, 50, 64, 100, 128, 256, 512))
"""Part sizes that other tools use, in bytes."""

PIECE = 1 << 18


def digest_of(context: Context, path: RelPath, stat: LocalStat, type: HashType) -> Digest:
    """The content digest of exactly that version. Stale where the file is another one by now."""
    digest = hashes_of(context, path, stat, frozenset({type.value})).digest(type)
    assert digest is not None
    return digest


def hashes_of(context: Context, path: RelPath, stat: LocalStat, types: frozenset[str]) -> Hashes:
    """The hashes of exactly that version, from memory where it was read before."""
    cached = _cached(context, path, stat, types)
    if cached is not None:
        return cached
    with context.tree.open(path) as file:
        if file.fstat() != stat:
            raise Stale(path)
        return _read_hashes(context, path, file, stat, types)


def open_hashes(context: Context, path: RelPath, file: OpenFile, stat: LocalStat, types: frozenset[str]) -> Hashes:
    """The same through a descriptor that is open already."""
    return _cached(context, path, stat, types) or _read_hashes(context, path, file, stat, types)


def _key(context: Context, path: RelPath, stat: LocalStat) -> LocalStat:
    """What the hash cache knows that version by."""
    return stat if context.numbered else by_path(stat, path)


def _cached(context: Context, path: RelPath, stat: LocalStat, types: frozenset[str]) -> Hashes | None:
    if racy(stat, context.clock.now_ns()):
        return None
    cached = context.records.cached_hashes(_key(context, path, stat))
    if cached is None or any(getattr(cached, type) is None for type in types):
        return None
    return cached


def _read_hashes(context: Context, path: RelPath, file: OpenFile, stat: LocalStat, types: frozenset[str]) -> Hashes:
    """Read it now. What was touched within 2 s of the look is not remembered: it is read once more later."""
    started = context.clock.now_ns()
    hashes = file.hash(types=types, stopped=context.stop.abandoned)
    if file.fstat() != stat:
        raise Stale("changed while it was read")
    if not racy(stat, started):
        context.records.cache_hashes(_key(context, path, stat), hashes)
    return hashes


def hashes_of_bytes(context: Context, data: bytes, types: frozenset[str]) -> Hashes:
    """The same of what is in memory."""
    digester = context.digester(types)
    digester.update(data)
    return digester.result()


def upload_hashes(context: Context, size: int) -> frozenset[str]:
    """Which hashes an upload needs in its one read."""
    asked = context.pair.s3.checksum
    types = {context.pair.hash.value}
    if asked != "none":
        types.add(asked)
    able = context.capabilities
    proven_without = asked == "crc64nvme" and able.rejects_wrong_crc64nvme and not context.endpoint.silent
    if able.etag_is_md5 and size <= FREE_MD5 and not proven_without:
        types.add("md5")
    return frozenset(types)


def compare(context: Context, path: RelPath, stat: LocalStat, facts: ObjectFacts) -> Same:
    """Whether an object holds a local file's content: by its metadata, unless what the server computed denies it."""
    if facts.size != stat.size:
        return Same.DIFFERENT
    shown = facts.checksum if facts.checksum is not None and facts.checksum.startswith("CRC64NVME:") else None
    if facts.digest is None and shown is None:
        return _by_etag(context, path, stat, facts)
    types = set[str]() if facts.digest is None else {facts.digest.type.value}
    by_etag = shown is None and is_md5(context, facts.etag)
    if shown is not None:
        types.add("crc64nvme")
    elif by_etag:
        types.add("md5")
    ours = hashes_of(context, path, stat, frozenset(types))
    if facts.digest is not None and ours.digest(facts.digest.type) != facts.digest:
        return Same.DIFFERENT
    if shown is not None:
        return _same(ours.crc64nvme is not None and crc64nvme_text(ours.crc64nvme) == shown)
    return _same(not by_etag or (ours.md5 is not None and ours.md5.hex() == facts.etag))


def is_md5(context: Context, etag: str | None) -> bool:
    """Whether that ETag is the MD5 of its object, as far as the probe can tell."""
    return etag is not None and context.capabilities.etag_is_md5 and "-" not in etag and len(etag) == 32


def _by_etag(context: Context, path: RelPath, stat: LocalStat, facts: ObjectFacts) -> Same:
    etag, dash, count = facts.etag.partition("-")
    if not dash and len(etag) == 32:
        if digest_of(context, path, stat, HashType.MD5).hex == etag:
            return Same.SAME
        if context.capabilities.etag_is_md5 or context.capabilities.probed_at == 0:
            return Same.DIFFERENT  # unprobed (a download pair): fetching once too often beats keeping other bytes
    elif dash and count.isdigit() and _md5_of_parts_matches(context, path, stat, etag, int(count)):
        return Same.SAME
    return Same.UNPROVEN if facts.last_modified_s >= stat.mtime_ns // 1_000_000_000 else Same.DIFFERENT


def _md5_of_parts_matches(context: Context, path: RelPath, stat: LocalStat, etag: str, count: int) -> bool:
    fitting = [size for size in USUAL_PARTS if -(-stat.size // size) == count]
    if not fitting:
        return False
    with context.tree.open(path) as file:
        if file.fstat() != stat:
            raise Stale(path)
        return any(_md5_of_parts(context, file, stat.size, size) == etag for size in fitting)


def _md5_of_parts(context: Context, file: OpenFile, total: int, part: int) -> str:
    outer = hashlib.md5(usedforsecurity=False)
    for start in range(0, total, part):
        inner = hashlib.md5(usedforsecurity=False)
        reader = file.reader(start, min(part, total - start))
        while piece := reader.read(PIECE):
            inner.update(piece)
            if context.stop.abandoned():
                raise Stale("stopped")
        outer.update(inner.digest())
    return outer.hexdigest()


def _same(equal: bool) -> Same:
    return Same.SAME if equal else Same.DIFFERENT
