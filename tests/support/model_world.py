"""The model's world: hosts around one bucket, the people and tools that meddle, and what must hold whatever they do.

The book-keeping knows contents as bytes at paths and nothing of records, rules or digests.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support.fake_store import FakeObjects
from support.model_host import EPOCH, ModelClock, ModelHost
from support.model_records import Image
from syncd.config.types import S3, Pair
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.ports import Capabilities

PREFIX = "data/"
TEMPORARY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
OUTSIDE = {"data": b"beside", "database/x": b"a longer name", "other/.syncd/x": b"another's", "zz": b"after"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one host is set up."""

    mode: Mode
    deletes: Deletes
    conflict: ConflictPolicy
    keep_versions: KeepVersions
    hash: HashType
    cleanup: bool
    skew: int


@dataclass
class Expected:
    """The last write of a path, while nothing but deletions of older content happened to it since."""

    host: ModelHost
    content: bytes


@dataclass
class Journal:
    """What the book-keeping remembers of one host: per path, the content that it and S3 last both had.

    `unsure`: paths of which the host may have missed that.
    """

    agreed: dict[str, bytes] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    image: Image | None = None
    agreed_then: dict[str, bytes] = field(default_factory=dict)  # when the image was taken
    unsure_then: set[str] = field(default_factory=set)

    def knows(self, path: str, content: bytes | None) -> bool:
        """Whether the host surely knows that both sides have that content."""
        return path not in self.unsure and self.agreed.get(path) == content

    def forget(self) -> None:
        """The host knows of nothing any more."""
        self.agreed.clear()
        self.unsure.clear()

    def keep(self, image: Image) -> None:
        """A backup is taken."""
        self.image, self.agreed_then, self.unsure_then = image, dict(self.agreed), set(self.unsure)

    def bring_back(self) -> None:
        """The backup is what the host knows from now on."""
        self.agreed, self.unsure = dict(self.agreed_then), set(self.unsure_then)


class World:
    """Everything there is. `check_*` raise AssertionError."""

    def __init__(self, capabilities: Capabilities, manners: list[Manner]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="model-", dir=TEMPORARY)
        self.folder = Path(self._folder.name)
        self.clock = ModelClock(EPOCH)
        self.bucket = FakeObjects(capabilities=capabilities, now=self.clock.now)
        for key, content in OUTSIDE.items():
            self.bucket.plant(key, content)
        self.hosts = [self._host(f"host{number}", manner) for number, manner in enumerate(manners)]
        self.journals = {host.name: Journal() for host in self.hosts}
        self.expected: dict[str, Expected] = {}
        self.deleted: set[str] = set()  # paths that somebody or something removed on some side, ever
        self.opaque: set[str] = set()  # paths where a tool left an object that only size and time can be compared of
        self.meddled: set[str] = set()  # paths that a foreign tool wrote
        self._numbers = 0

    def close(self) -> None:
        """Remove the folders."""
        self._folder.cleanup()

    def _host(self, name: str, manner: Manner) -> ModelHost:
        local = self.folder / name / "root"
        local.mkdir(parents=True)
        (local.parent / "beside").write_bytes(b"outside of the root")
        for ours in (".syncd/mine", "d/.syncd/mine"):
            (local / ours).parent.mkdir(parents=True)
            (local / ours).write_bytes(b"nobody's business")
        pair = Pair(
            name=name,
            local=local,
            bucket="bucket",
            prefix=PREFIX,
            s3=S3(endpoint_url="http://model"),
            mode=manner.mode,
            deletes=manner.deletes,
            conflict=manner.conflict,
            keep_versions=manner.keep_versions,
            hash=manner.hash,
            cleanup=manner.cleanup,
        )
        return ModelHost(pair, self.bucket, ModelClock(skew=manner.skew, shared=self.clock), self._unlinking)

    # --- people and tools ---------------------------------------------------------------------------------

    def content(self, kind: str) -> bytes:
        """New bytes: of one size all, of a size of their own, or such as others have too."""
        self._numbers += 1
        match kind:
            case "same-size":
                return b"%08d" % self._numbers
            case "longer":
                return b"%08d" % self._numbers * (1 + self._numbers % 7)
            case _:
                return {"empty": b"", "common": b"in common"}[kind]

    def write(self, host: ModelHost, path: str, content: bytes, how: str) -> bool:
        """A person writes a file: in place, by a rename over it, or with an old time. False where a folder is."""
        target = host.path / path
        if target.is_dir() or any(parent.is_file() for parent in list(target.parents)):
            return False
        self._written(host, path, content)
        before = host.clock.now_ns()
        if how == "in-place":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = host.path.parent / "draft"
            draft.write_bytes(content)
            os.replace(draft, target)
        if how == "old":
            before = (EPOCH - 1_000_000 - self._numbers) * 1_000_000_000
        os.utime(target, ns=(before, before))
        return True

    def touch(self, host: ModelHost, path: str) -> None:
        """A person touches a file."""
        now = host.clock.now_ns()
        os.utime(host.path / path, ns=(now, now))

    def delete(self, host: ModelHost, path: str) -> None:
        """A person deletes a file."""
        self._removed(path, (host.path / path).read_bytes())
        host.touched.add(path)
        (host.path / path).unlink()

    def rename(self, host: ModelHost, path: str, target: str) -> bool:
        """A person renames a file, over another perhaps. False where that cannot be."""
        goal = host.path / target
        if path == target or goal.is_dir() or any(parent.is_file() for parent in list(goal.parents)):
            return False
        content = (host.path / path).read_bytes()
        host.touched.add(path)
        self._removed(path, content)
        self._written(host, target, content)
        goal.parent.mkdir(parents=True, exist_ok=True)
        (host.path / path).rename(goal)
        return True

    def foreign_put(self, path: str, content: bytes, metadata: Mapping[str, str]) -> None:
        """Another tool writes an object."""
        self.expected.pop(path, None)
        self.meddled.add(path)
        if not self.bucket.capabilities.etag_is_md5:
            self.opaque.add(path)
        self.bucket.plant(PREFIX + path, content, metadata=metadata)

    def foreign_delete(self, path: str) -> None:
        """Another tool deletes an object."""
        found = self.bucket.live(PREFIX + path)
        if found is not None:
            self._removed(path, found.body)
            self.bucket.take_away(PREFIX + path)

    def _written(self, host: ModelHost, path: str, content: bytes) -> None:
        """Expect the content to survive deletions, unless other content is under way to the same path.

        What the host agreed on with S3 and comes back (a file renamed away and back) is no write: its deletion holds.
        """
        host.touched.add(path)
        mine = host.files().get(path)
        self.expected.pop(path, None)
        agreed = self.journals[host.name].agreed.get(path)
        if content not in {mine, agreed} and self._settled(path, mine):
            self.expected[path] = Expected(host, content)

    def _settled(self, path: str, content: bytes | None) -> bool:
        """Whether all copies of the path are that content, and every host knows that its own is."""
        if len({host.pair.hash for host in self.hosts}) > 1:
            return False  # what another host puts back under its own hash type cannot be told from new content
        if any(copy != content for copy in self.copies(path)):
            return False
        holders = [host for host in self.hosts if path in host.files()]
        return all(self.journals[host.name].knows(path, content) for host in holders)

    def _removed(self, path: str, content: bytes) -> None:
        self.deleted.add(path)
        if path in self.expected and self.expected[path].content == content:
            del self.expected[path]

    # --- the daemons --------------------------------------------------------------------------------------

    def lose_records(self, host: ModelHost) -> None:
        """The host's database is gone."""
        host.records.drop_all()
        self.journals[host.name].forget()
        self.expected.clear()

    def back_up_records(self, host: ModelHost) -> None:
        """Somebody copies the host's database."""
        self.journals[host.name].keep(host.records.image())

    def restore_records(self, host: ModelHost) -> None:
        """The host's database comes back from the backup that was taken, and the daemon starts."""
        journal = self.journals[host.name]
        if journal.image is not None:
            host.records.restore(journal.image)
            journal.bring_back()
            self.expected.clear()
        host.restart()
        if host.records.count() == 0:  # the root has seen removals since: the backup was not believed
            journal.forget()

    @contextmanager
    def watching(self, host: ModelHost, *, hot: str | None = None, trouble: bool = False) -> Iterator[None]:
        """Whatever the host does within loses no content, but what an ordinary edit of its lineage superseded.

        `hot`: it looks at that path alone, not at all there is. `trouble`: it may not come to its end.
        """
        before = self.findable()
        agreed, apart = dict(self.journals[host.name].agreed), self._apart(host)
        yield
        lost = before - self.findable()
        if host.pair.keep_versions is KeepVersions.CONFLICTS:
            lost -= self._superseded(host, agreed)
        assert not lost, f"{host.name} lost {sorted(lost)}"
        if trouble:
            self._agree_in_trouble(host, hot)
        else:
            self._agree(host, hot, apart)
        self.check_outside()

    def _superseded(self, host: ModelHost, agreed: dict[str, bytes]) -> set[bytes]:
        """What both sides had and other content has taken the place of."""
        local, remote = host.files(), self.objects()
        superseded = set()
        for path, content in agreed.items():
            if any(there.get(path, content) != content for there in (local, remote)):
                superseded.add(content)
        return superseded

    def _apart(self, host: ModelHost) -> set[str]:
        """The paths that the host and S3 have not both with the same content."""
        local, remote = host.files(), self.objects()
        return {path for path in local.keys() | remote.keys() if local.get(path) != remote.get(path)}

    def _agree(self, host: ModelHost, hot: str | None, apart: set[str]) -> None:
        """Note what both have, and what went. `apart`: what they had not before (a hot look may end at the stat)."""
        journal, local, remote = self.journals[host.name], host.files(), self.objects()
        for path in local.keys() | remote.keys() | journal.agreed.keys() if hot is None else {hot}:
            if path in local and path in remote:
                if local[path] == remote[path]:
                    if hot is None or path in apart:
                        journal.unsure.discard(path)
                    elif journal.agreed.get(path) != local[path]:
                        journal.unsure.add(path)
                    journal.agreed[path] = local[path]
            elif hot is None and path in journal.agreed and not self._passes_for_edit(host, here=path in local):
                del journal.agreed[path]

    def _agree_in_trouble(self, host: ModelHost, hot: str | None) -> None:
        """Note what both have by now; what changed may have come to pass without a record of it."""
        journal, local, remote = self.journals[host.name], host.files(), self.objects()
        for path in local.keys() | remote.keys() | journal.agreed.keys() if hot is None else {hot}:
            content = local.get(path)
            if content is None or content != remote.get(path):
                journal.unsure.add(path)
            elif journal.agreed.get(path) != content:
                journal.unsure.add(path)
                journal.agreed[path] = content

    def _passes_for_edit(self, host: ModelHost, *, here: bool) -> bool:
        """Whether what comes in the place of what went passes for its edit: cleaning forgets why a file is gone."""
        return not here and host.pair.cleanup

    def _unlinking(self, path: str, content: bytes) -> None:
        found = self.bucket.live(PREFIX + path)
        assert found is not None, f"{path} is cleaned and not on S3"
        assert found.body == content, f"{path} is cleaned and S3 has other bytes"

    # --- what is there ------------------------------------------------------------------------------------

    def objects(self) -> dict[str, bytes]:
        """What a person sees below the prefix."""
        found = {}
        for key, content in self.bucket.contents().items():
            path = key.removeprefix(PREFIX)
            if key.startswith(PREFIX) and ".syncd" not in path.split("/"):
                found[path] = content
        return found

    def copies(self, path: str) -> list[bytes]:
        """The live copies of a path on all sides."""
        sides = [self.objects(), *(host.files() for host in self.hosts)]
        return [side[path] for side in sides if path in side]

    def findable(self) -> set[bytes]:
        """Every content that can be had somewhere: live, displaced, staged, or as an old version."""
        found = set(self.bucket.contents().values())
        if self.bucket.capabilities.versioned:
            found.update(version.body for version in self.bucket.history())
        for host in self.hosts:
            found.update(host.everything().values())
        return found

    def state(self) -> object:
        """All that a pass could change, to be compared."""
        writes = [self.bucket.requests[name] for name in ("put", "copy", "delete")]
        return writes, {host.name: host.inodes() for host in self.hosts}

    # --- what must hold -----------------------------------------------------------------------------------

    def check_outside(self) -> None:
        """What is not ours was neither touched nor synced."""
        live = self.bucket.contents()
        for key, content in OUTSIDE.items():
            assert live.get(key) == content, f"{key} is outside of the prefix"
        for key, content in live.items():
            assert key in OUTSIDE or key.startswith(PREFIX), f"{key} is outside of the prefix"
            assert content != b"nobody's business", f"{key} is of a .syncd"
            parts = key.split("/")
            assert ".syncd" not in parts[2:] or key in OUTSIDE, f"{key}: a .syncd was synced"
        for host in self.hosts:
            assert (host.path.parent / "beside").read_bytes() == b"outside of the root"
            assert {entry.name for entry in host.path.parent.iterdir()} == {"beside", "root"}
            for path in host.files():
                assert host.free(path), f"{host.name}: the claim of {path} was never given back"

    def check_survivors(self) -> None:
        """A deletion never beat a write."""
        for path, expected in self.expected.items():
            host = expected.host
            there = host.files() if host.pair.mode is Mode.DOWNLOAD else self.objects()
            assert there.get(path) == expected.content, (
                f"{path}: {expected.content!r} of {host.name} fell to a deletion"
            )

    def check_agreement(self) -> None:
        """All that is settled agrees, as far as each host's mode goes."""
        remote = self.objects()
        for host in self.hosts:
            local = host.files()
            for path in (local.keys() | remote.keys()) - self.opaque:
                here, there = local.get(path), remote.get(path)
                where = f"{host.name}: {path} is {here!r} here and {there!r} on S3"
                match host.pair.mode:
                    case Mode.BIDIRECTIONAL:
                        gone = path in self.deleted or (host.pair.cleanup and here is None)
                        assert here == there or (gone and None in (here, there)), where
                    case Mode.UPLOAD if here is not None:
                        stored = {version.body for version in self.bucket.history()}
                        assert here in stored, where
                    case Mode.DOWNLOAD if there is not None and path not in self.deleted:
                        assert here == there or path in host.touched or self._may_win(host, path, here), where

    def _may_win(self, host: ModelHost, path: str, here: bytes | None) -> bool:
        """Whether the host's file may stand against the object: no record says surely that it only came from there."""
        unknown = here is not None and not self.journals[host.name].knows(path, here)
        return unknown and host.pair.conflict in {ConflictPolicy.NEWER, ConflictPolicy.LOCAL}

    def check_rest(self) -> None:
        """Nothing more happens, and it costs a LIST for each host."""
        for host in self.hosts:
            state, seq, before = self.state(), host.records.seq(), dict(host.fuse.calls)
            self.clock.seconds += 3
            passed = host.run_pass()
            assert self.state() == state, f"{host.name} echoes: {passed.steps}"
            assert host.records.seq() == seq, f"{host.name} writes records at rest: {passed.steps}"
            spent = {name: count - before.get(name, 0) for name, count in host.fuse.calls.items()}
            # where the file is absent, a same object under a new ETag is asked for each time: the row keeps the old one
            spent["head"] = max(0, spent.get("head", 0) - len(self.objects().keys() - host.files().keys()))
            asked = {name: count for name, count in spent.items() if count and name != "list"}
            assert not asked, f"{host.name} asks at rest: {asked} {passed.steps} {passed.report.unfinished}"
