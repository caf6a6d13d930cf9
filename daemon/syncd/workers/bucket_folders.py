"""The bucket folders of a batch: found, opened one by one, and left alone by themselves where they cannot be used."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from syncd.archive.world import BatchFolder, staged_paths
from syncd.config.types import Batch
from syncd.engine.context import Host
from syncd.engine.multipart import abort_open_uploads
from syncd.errors import ConfigError, PairHalted, RemoteError, RemoteKind, SyncdError
from syncd.local.translate import printable
from syncd.ports import ArchiveIndex, ArchiveStore, Marker, ObjectStore, Spool

FOREIGN = frozenset({"lost+found"})
"""Folders of the file system that stand at the top of a disk: nobody means them as a bucket."""

SHARED = frozenset({RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED})
"""Failures that no bucket has to itself."""

WHO = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity", "AccountProblem", "NoCredentials"})
"""Refusals that are about the credentials, not about one bucket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFolder:
    """A bucket folder's world. `prove` sends canaries where it is time for one and gives the world that uses what they
    found: the same one where nothing is new. RemoteError where the first of all fails.

    `marker`: the folder's identity when it was opened; None where it had none and got none.
    """

    folder: BatchFolder
    marker: Marker | None
    prove: Callable[[BatchFolder], BatchFolder]


class BatchWorld(Protocol):
    """What a batch is opened with."""

    def unusable(self, batch: Batch, bucket: str) -> str:
        """Why no bucket of that endpoint can have this name; "" where one can."""
        ...

    @property
    def host(self) -> Host:
        """Who writes, as documents and manifests name it."""
        ...

    def store(self, batch: Batch) -> ArchiveStore: ...

    def spool(self, batch: Batch) -> Spool: ...

    def index(self, batch: Batch) -> ArchiveIndex | None:
        """ConfigError where it cannot be used as it is configured."""
        ...

    def objects(self, batch: Batch, bucket: str) -> ObjectStore:
        """Any bucket of the endpoint. ConfigError or RemoteError where there is no way to it."""
        ...

    def open(self, batch: Batch, bucket: str, once: Callable[[str, str], bool]) -> OpenedFolder:
        """Open `<root>/<bucket>` and its records. Sends no request. PairHalted, ConfigError, RemoteError.

        `once` says whether something is said for the first time.
        """
        ...


@dataclass(slots=True, kw_only=True)
class FolderState:
    """What is known of one bucket folder: idle, transferring, or waiting for a reason.

    `unlinking`: files that are archived and still there.
    """

    bucket: str
    state: str = "idle"
    reason: str = ""
    unlinking: int = 0


class BucketFolders:
    """The folders directly below the root of a batch. Opened by any thread, marked by the one that runs."""

    def __init__(self, batch: Batch, world: BatchWorld, once: Callable[[str, str], bool]) -> None:
        self._batch = batch
        self._world = world
        self._once = once
        self._opened: dict[str, OpenedFolder] = {}
        self._states: dict[str, FolderState] = {}
        self._tidied: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()
        self._preparing = threading.Lock()

    def names(self) -> list[str]:
        """By name, those too whose names no bucket can have. PairHalted where the root cannot be listed."""
        return bucket_names(self._batch.root)

    def states(self) -> list[FolderState]:
        """As the last run saw them, by name."""
        with self._lock:
            return [replace(self._states[name]) for name in sorted(self._states)]

    def opened(self) -> list[BatchFolder]:
        """Those that are open."""
        with self._lock:
            return [each.folder for each in self._opened.values()]

    def reopen(self, batch: Batch) -> None:
        """Forget what is open: it is opened anew with these settings, what runs ends as it began."""
        with self._lock:
            self._batch = batch
            self._opened.clear()

    def open(self, bucket: str) -> BatchFolder:
        """A bucket folder's world. Raises PairHalted where the folder is missing or may not be used."""
        with self._lock:
            opened = self._opened.pop(bucket, None)
            if opened is None or not _is_there(opened):
                opened = self._world.open(self._batch, bucket, self._once)
            self._opened[bucket] = opened
            return opened.folder

    def prepare(self, bucket: str) -> BatchFolder:
        """Before a run: the world is open, what an earlier process left is tidied, the endpoint is proven of late."""
        with self._preparing:  # nobody may take what the other has just begun for what an earlier process left
            folder = self.open(bucket)
            self._tidy(folder)
            while True:
                with self._lock:
                    opened = self._opened.get(bucket)
                if opened is not None and opened.folder is folder:
                    proved = opened.prove(folder)
                    with self._lock:
                        if self._opened.get(bucket) is opened:
                            self._opened[bucket] = replace(opened, folder=proved)
                            return proved
                folder = self.open(bucket)  # the settings changed meanwhile

    def _tidy(self, folder: BatchFolder) -> None:
        context = folder.context
        place = (str(context.pair.local), context.pair.s3.endpoint_url, folder.bucket)
        if place in self._tidied:
            return
        context.tree.sweep_temporaries()
        context.tree.sweep_staged(lambda: staged_paths(folder))
        if folder.manifests is not None:
            abort_open_uploads(folder.manifests)
        self._tidied.add(place)

    # --- how each stands ---

    def keep(self, names: list[str]) -> None:
        """These are there now; what is known of others goes."""
        with self._lock:
            self._states = {name: self._states.get(name) or FolderState(bucket=name) for name in names}

    def working(self, bucket: str) -> None:
        """A run is at it."""
        self._states[bucket].state = "transferring"

    def through(self, bucket: str, *, unlinking: int) -> None:
        """A run did what it could there."""
        folder = self._states[bucket]
        folder.state, folder.reason, folder.unlinking = "idle", "", unlinking

    def resting(self, bucket: str) -> None:
        """A run did not come to it, or broke off: what is known of it stands."""
        folder = self._states[bucket]
        folder.state = "waiting" if folder.reason else "idle"

    def leave(self, bucket: str, reason: str) -> bool:
        """The folder waits. True where it did not before: then it is said."""
        folder = self._states[bucket]
        before, folder.state, folder.reason = folder.reason, "waiting", reason
        return not before


@dataclass(frozen=True, slots=True)
class Stray:
    """What lies directly below a batch's root and is no folder. `kind`: symlink, or file for all else."""

    name: str
    kind: str


def bucket_names(root: Path) -> list[str]:
    """The folders directly below the root of a batch, by name. PairHalted where it cannot be listed."""
    return [entry.name for entry in _entries(root) if entry.is_dir(follow_symlinks=False)]


def strays(root: Path) -> list[Stray]:
    """What lies beside them and goes nowhere. PairHalted as above."""
    others = [entry for entry in _entries(root) if not entry.is_dir(follow_symlinks=False)]
    return [Stray(printable(entry.name), "symlink" if entry.is_symlink() else "file") for entry in others]


def _entries(root: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise PairHalted(
            f"{printable(str(root))}, the root of the batch, cannot be listed: {error.strerror}",
            hint="make it, mount it, or give the daemon's user the right to read it",
        ) from error
    return [entry for entry in found if not entry.name.startswith(".") and entry.name not in FOREIGN]


def _is_there(opened: OpenedFolder) -> bool:
    """Whether it is still the folder that was opened. One made anew may have its inode, but never its marker."""
    try:
        opened.folder.context.tree.check_root()
        found = opened.folder.context.tree.marker()
    except PairHalted:
        return False
    return (found and found.uuid) == (opened.marker and opened.marker.uuid)


def is_shared(error: SyncdError) -> bool:
    """Whether it is no bucket folder's own: the endpoint, the credentials, the configuration."""
    if isinstance(error, RemoteError):
        return error.kind in SHARED or error.code in WHO
    return isinstance(error, ConfigError)


def reason_of(error: SyncdError, bucket: str) -> str:
    """Why a folder waits; the hint of a pair would send a person to the wrong place."""
    if isinstance(error, RemoteError) and error.code == "NoSuchBucket" and f"bucket {bucket} " in error.message:
        return "there is no bucket of this name (create it, or rename the folder to the bucket that is meant)"
    return str(error)
