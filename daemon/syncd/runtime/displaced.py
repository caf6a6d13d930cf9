"""Where displaced bytes lie, and how they come back to a path of the root: whole, verified, in one rename."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import cast

from syncd.core.exhaustive import assert_never
from syncd.core.model import Digest, ETag, HashType, ObjectFacts
from syncd.core.paths import OURS, RelPath, parse_relpath
from syncd.engine.context import Context
from syncd.engine.download import download
from syncd.errors import Stale, SyncdError
from syncd.local import trash
from syncd.local.anchor import Anchor
from syncd.local.handle import Handle, open_regular
from syncd.ports import LocalExpect, ObjectBody, ObjectStore, OpenFile, Placed

PIECE = 1 << 18
UNNUMBERED = "null"
"""What S3 calls the version of an object that is older than the bucket's versioning."""


@dataclass(frozen=True, slots=True)
class Trashed:
    """A file in the local trash, by its name there."""

    name: str


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, by its whole key; of a version id that very version."""

    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """A file of the root under a name of its own: a conflict copy."""

    path: RelPath


Lair = Trashed | Stored | Beside


def parse_lair(text: str, *, key: str) -> Lair:
    """Read `where` of a TrashRow or `loser_at` of a ConflictRow. `key`: of the path, where a version names none."""
    kind, _, rest = text.partition(":")
    match kind:
        case "local" | "trash" if rest:
            return Trashed(rest)
        case "s3" if rest:
            return Stored(rest)
        case "version":
            named, _, version_id = rest.rpartition(":")
            return Stored(named or key, version_id or UNNUMBERED)
        case _:
            return Beside(parse_relpath(text))


def parse_digest(text: str) -> Digest | None:
    """`sha256:hex` as history and trash have it; None where nothing was known."""
    type, _, hex = text.partition(":")
    return Digest(HashType(type), hex) if hex else None


def bring(  # noqa: RET503  # the match is exhaustive
    context: Context, lair: Lair, digest: Digest | None, target: RelPath, *, expect: LocalExpect
) -> Placed:
    """Put a copy of those bytes at `target`; what `expect` names there goes to trash in the same rename.

    What lies in the lair stays there. SyncdError where it is gone or no longer the content of `digest`; Stale where
    `target` or the lair changed meanwhile.
    """
    match lair:
        case Stored():
            return _bring_down(context, lair, digest, target, expect)
        case Trashed(name):
            with _trashed(context, name) as file:
                return _copy(context, file, name, digest, target, expect)
        case Beside(path):
            with context.tree.open(path) as file:
                return _copy(context, file, path, digest, target, expect)
        case _:
            assert_never(lair)


def stored_facts(context: Context, lair: Stored) -> ObjectFacts:
    """What the store says of it. SyncdError where it is gone or cannot be read now."""
    try:
        facts = _facts(context, lair)
    except Stale:
        facts = None
    if facts is None:
        raise SyncdError(
            f"{_named(lair)} is no longer on S3",
            hint="a lifecycle rule of the bucket, or somebody, removed it; `synctl trash list` shows the rest",
        )
    if facts.archived:
        raise SyncdError(f"{_named(lair)} lies in an archive tier", hint="restore it there first, then ask again")
    return facts


def as_it_was(context: Context, lair: Stored) -> Context:
    """The same world, in which a read of that object gives that version."""
    if lair.version_id is None:
        return context
    return replace(context, objects=cast("ObjectStore", _OneVersion(context.objects, lair.version_id)))


def another(what: str) -> SyncdError:
    """Said where the bytes found are not those that were noted."""
    return SyncdError(
        f"{what} does not hold the content that was noted for it",
        hint="look at it first; `synctl trash restore ID --to PATH` brings what is in the trash to another place",
    )


class _OneVersion:
    """The reading half of an ObjectStore, pinned to one version. It can do nothing else."""

    def __init__(self, objects: ObjectStore, version_id: str) -> None:
        self._objects = objects
        self._version_id = version_id

    def get(
        self, key: str, *, expect: ETag, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[ObjectBody]:
        return self._objects.get(key, expect=expect, start=start, length=length, version_id=self._version_id)


def _facts(context: Context, lair: Stored) -> ObjectFacts | None:
    if lair.version_id is None:
        return context.objects.head(lair.key)
    with context.objects.get(lair.key, expect=None, version_id=lair.version_id) as body:
        return body.facts


def _named(lair: Stored) -> str:
    return lair.key if lair.version_id is None else f"version {lair.version_id} of {lair.key}"


def _bring_down(context: Context, lair: Stored, digest: Digest | None, target: RelPath, expect: LocalExpect) -> Placed:
    facts = stored_facts(context, lair)
    if digest is not None and facts.digest is not None and facts.digest.type is digest.type and facts.digest != digest:
        raise another(_named(lair))
    return download(as_it_was(context, lair), target, lair.key, facts.etag, expect=expect).placed


@contextmanager
def _trashed(context: Context, name: str) -> Iterator[OpenFile]:
    """The file in the trash, open for reading. It stays where it is."""
    context.tree.check_root()
    try:
        fd = open_regular(Anchor(context.pair.local), f"{OURS}/{trash.FOLDER}/{trash.own_name(name)}")
    except FileNotFoundError:
        raise SyncdError(f"{name} is no longer in the trash", hint="`synctl trash list` shows what is") from None
    except OSError as error:
        raise SyncdError(f"{name} in the trash cannot be read: {error.strerror}", hint="look at its rights") from error
    file = Handle(fd, name)
    try:
        yield file
    finally:
        file.close()


def _copy(
    context: Context, file: OpenFile, name: str, digest: Digest | None, target: RelPath, expect: LocalExpect
) -> Placed:
    stat = file.fstat()
    digester = context.digester(frozenset() if digest is None else frozenset({digest.type.value}))
    with context.tree.temporary() as temporary:
        reader = file.reader(0, stat.size)
        while piece := reader.read(PIECE):
            if context.stop.abandoned():
                raise Stale("stopped")
            digester.update(piece)
            temporary.write(piece)
        if not file.fstat().same_file(stat):
            raise Stale(f"{name} changed while it was read")
        if digest is not None and digester.result().digest(digest.type) != digest:
            raise another(name)
        temporary.finish(mtime_ns=stat.mtime_ns)
        return context.tree.place(temporary, target, expect=expect)
