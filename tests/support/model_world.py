"""The model's world: real engines on real folders around one bucket, and the people and tools that meddle.

What must hold whatever they do is the reference's to say (tests/model/reference.py); here it is made to happen.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from model.reference import Expected, Party, Reference, Watch
from support.fake_store import FakeObjects
from support.model_host import EPOCH, ModelClock, ModelHost
from support.model_records import Image
from syncd.config.types import S3, MaxDelete, Pair
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode, Record
from syncd.core.paths import RelPath
from syncd.ports import Capabilities

PREFIX = "data/"
PAGE = 3
"""Objects a page of the listing: a few files are several pages."""

TEMPORARY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
OUTSIDE = {"data": b"beside", "database/x": b"a longer name", "other/.syncd/x": b"another's", "zz": b"after"}
NOBODYS = b"nobody's business"
SMALL = {"engine.upload.SINGLE_PUT": 20, "engine.multipart.PART": 8, "engine.multipart.MIN_PART": 8}
"""Sizes in bytes under which the model's files are large ones."""


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
    max_delete: int | None = None


class World:
    """Everything there is. `check_*` raise AssertionError."""

    def __init__(self, capabilities: Capabilities, manners: list[Manner], *, in_parts: bool = False) -> None:
        """`in_parts`: files of more than twenty bytes go up in parts of eight."""
        self._patches = [patch(f"syncd.{name}", size) for name, size in SMALL.items()] if in_parts else []
        for small in self._patches:
            small.start()
        self._folder = tempfile.TemporaryDirectory(prefix="model-", dir=TEMPORARY)
        self.folder = Path(self._folder.name)
        self.clock = ModelClock(EPOCH)
        self.bucket = FakeObjects(capabilities=capabilities, now=self.clock.now, page_size=PAGE)
        for key, content in OUTSIDE.items():
            self.bucket.plant(key, content)
        self.hosts = [self._host(f"host{number}", manner) for number, manner in enumerate(manners)]
        self._named = {host.name: host for host in self.hosts}
        self._images: dict[str, Image] = {}
        self.reference = Reference(self, map(_party, self.hosts), tells_contents_apart=capabilities.etag_is_md5)
        self._numbers = 0

    def close(self) -> None:
        """Remove the folders."""
        self._folder.cleanup()
        for small in self._patches:
            small.stop()

    @property
    def expected(self) -> dict[str, Expected]:
        """The writes that no deletion may beat."""
        return self.reference.expected

    def _host(self, name: str, manner: Manner) -> ModelHost:
        local = self.folder / name / "root"
        local.mkdir(parents=True)
        (local.parent / "beside").write_bytes(b"outside of the root")
        for ours in (".syncd/mine", "d/.syncd/mine"):
            (local / ours).parent.mkdir(parents=True)
            (local / ours).write_bytes(NOBODYS)
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
            max_delete=MaxDelete(count=manner.max_delete),
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
        if self.blocked(host.name, path):
            return False
        self.reference.writes(host.name, path, content)
        when = host.clock.now_ns()
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "in-place":
            target.write_bytes(content)
        else:
            draft = host.path.parent / "draft"
            draft.write_bytes(content)
            os.replace(draft, target)
        if how == "old":
            when = (EPOCH - 1_000_000 - self._numbers) * 1_000_000_000
        os.utime(target, ns=(when, when))
        return True

    def touch(self, host: ModelHost, path: str) -> None:
        """A person touches a file."""
        now = host.clock.now_ns()
        os.utime(host.path / path, ns=(now, now))

    def delete(self, host: ModelHost, path: str) -> None:
        """A person deletes a file."""
        self.reference.removes(host.name, path)
        (host.path / path).unlink()

    def rename(self, host: ModelHost, path: str, target: str) -> bool:
        """A person renames a file, over another perhaps. False where that cannot be."""
        goal = host.path / target
        if path == target or self.blocked(host.name, target):
            return False
        self.reference.removes(host.name, path)
        self.reference.writes(host.name, target, (host.path / path).read_bytes())
        goal.parent.mkdir(parents=True, exist_ok=True)
        (host.path / path).rename(goal)
        return True

    def rename_folder(self, host: ModelHost, folder: str, target: str) -> bool:
        """A person renames a folder to a name that is free. False where that cannot be."""
        source, goal = host.path / folder, host.path / target
        within = goal.is_relative_to(source) or source.is_relative_to(goal)
        if not source.is_dir() or goal.exists() or within or self.blocked(host.name, target):
            return False
        for path, content in host.files().items():
            if path.startswith(f"{folder}/"):
                self.reference.removes(host.name, path)
                self.reference.writes(host.name, target + path.removeprefix(folder), content)
        goal.parent.mkdir(parents=True, exist_ok=True)
        source.rename(goal)
        return True

    def foreign_put(self, path: str, content: bytes, metadata: Mapping[str, str]) -> None:
        """Another tool writes an object."""
        self.reference.stores(path)
        self.bucket.plant(PREFIX + path, content, metadata=metadata)

    def foreign_delete(self, path: str) -> None:
        """Another tool deletes an object."""
        self.reference.unstores(path)
        self.bucket.take_away(PREFIX + path)

    # --- the daemons --------------------------------------------------------------------------------------

    def lose_records(self, host: ModelHost) -> None:
        """The host's database is gone."""
        host.records.drop_all()
        self.reference.forgets(host.name)

    def back_up_records(self, host: ModelHost) -> None:
        """Somebody copies the host's database."""
        self._images[host.name] = host.records.image()
        self.reference.backs_up(host.name)

    def restore_records(self, host: ModelHost) -> None:
        """The host's database comes back from the backup that was taken, and the daemon starts."""
        image = self._images.get(host.name)
        if image is not None:
            host.records.restore(image)
        host.restart()
        if image is not None:
            self.reference.goes_back(host.name, believed=host.records.count() > 0)

    @contextmanager
    def watching(self, host: ModelHost, *, hot: Iterable[str] | None = None, trouble: bool = False) -> Iterator[Watch]:
        """What the host does within is judged: see `Reference.watching`."""
        with self.reference.watching(host.name, hot=hot, trouble=trouble) as watch:
            yield watch
        self.check_outside()

    def meddling(self, act: Callable[[], object]) -> None:
        """Somebody acts while a host works, a moment after all that went before."""
        self.clock.seconds += 0.002
        self.reference.meddling(lambda: void(act()))

    def _unlinking(self, path: str, content: bytes) -> None:
        found = self.bucket.live(PREFIX + path)
        assert found is not None, f"{path} is cleaned and not on S3"
        assert found.body == content, f"{path} is cleaned and S3 has other bytes"

    # --- what is there (the reference's Scene) ------------------------------------------------------------

    def here(self, name: str) -> dict[str, bytes]:
        """What a person sees in a host's folder."""
        return self._named[name].files()

    def there(self) -> dict[str, bytes]:
        """What a person sees below the prefix."""
        return self.objects()

    def blocked(self, name: str, path: str) -> bool:
        """Whether a folder is at that path of a host, or a file on the way to it."""
        root = self._named[name].path
        parts = path.split("/")
        on_the_way = any((root / "/".join(parts[:depth])).is_file() for depth in range(1, len(parts)))
        return on_the_way or (root / path).is_dir()

    def ever_stored(self) -> set[bytes]:
        """Every content that S3 ever took."""
        return {version.body for version in self.bucket.history()}

    def objects(self) -> dict[str, bytes]:
        """What a person sees below the prefix."""
        found = {}
        for key, content in self.bucket.contents().items():
            path = key.removeprefix(PREFIX)
            if key.startswith(PREFIX) and ".syncd" not in path.split("/"):
                found[path] = content
        return found

    def findable(self) -> set[bytes]:
        """Every content that can be had somewhere: live, displaced, staged, or as an old version."""
        found = set(self.bucket.contents().values())
        if self.bucket.capabilities.versioned:
            found |= self.ever_stored()
        for host in self.hosts:
            found.update(host.everything().values())
        return found

    def state(self) -> object:
        """All that a pass could change, to be compared."""
        writes = [self.bucket.requests[name] for name in ("put", "copy", "delete", "complete_multipart")]
        return writes, {host.name: host.inodes() for host in self.hosts}

    def rows(self) -> dict[str, dict[RelPath, Record]]:
        """Every host's records, with their commit numbers."""
        return {host.name: host.records.rows() for host in self.hosts}

    # --- what must hold -----------------------------------------------------------------------------------

    def check_outside(self) -> None:
        """What is not ours was neither touched nor synced."""
        live = self.bucket.contents()
        for key, content in OUTSIDE.items():
            assert live.get(key) == content, f"{key} is outside of the prefix"
        for key, content in live.items():
            assert key in OUTSIDE or key.startswith(PREFIX), f"{key} is outside of the prefix"
            assert content != NOBODYS, f"{key} is of a .syncd"
            parts = key.split("/")
            assert ".syncd" not in parts[2:] or key in OUTSIDE, f"{key}: a .syncd was synced"
        for host in self.hosts:
            assert (host.path.parent / "beside").read_bytes() == b"outside of the root"
            assert set(os.listdir(host.path.parent)) == {"beside", "root"}
            for path in host.files():
                assert host.free(path), f"{host.name}: the claim of {path} was never given back"

    def check_survivors(self) -> None:
        """A deletion never beat a write."""
        self.reference.check_survivors()

    def check_agreement(self) -> None:
        """All that is settled agrees, as far as each host's mode goes."""
        self.reference.check_agreement()

    def check_rest(self) -> None:
        """Nothing more happens, and it costs a LIST for each host."""
        for host in self.hosts:
            state, rows, before = self.state(), host.records.rows(), dict(host.fuse.calls)
            self.clock.seconds += 3
            passed = host.run_pass()
            assert self.state() == state, f"{host.name} echoes: {passed.steps}"
            assert host.records.rows() == rows, f"{host.name} writes records at rest: {passed.steps}"
            spent = {name: host.fuse.calls[name] - before.get(name, 0) for name in ("head", "get", "put", "copy")}
            # where the file is absent, or another one that stays, a same object under a new ETag is asked for each
            # time: the row keeps the old one
            here, there = host.files(), self.objects()
            stays = host.pair.mode is Mode.DOWNLOAD
            unlike = [path for path in there if path not in here or (stays and here[path] != there[path])]
            spent["head"] = max(0, spent["head"] - len(unlike))
            asked = {name: count for name, count in spent.items() if count}
            assert not asked, f"{host.name} asks at rest: {asked} {passed.steps} {passed.report.unfinished}"


def _party(host: ModelHost) -> Party:
    pair = host.pair
    return Party(
        name=host.name,
        mode=pair.mode.value,
        conflict=pair.conflict.value,
        hash=pair.hash.value,
        cleans=pair.cleanup,
        keeps_all=pair.keep_versions is KeepVersions.ALL,
    )


def void(_: object) -> None:
    """What comes back does not matter."""
