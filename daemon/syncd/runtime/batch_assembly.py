"""How the world of one bucket folder is put together: its root and marker, its records, its bucket, its manifests."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from syncd import events
from syncd.archive.world import BatchFolder
from syncd.config.locate import default_spool
from syncd.config.quantities import Unreadable
from syncd.config.remotes import check_bucket, endpoint_identity
from syncd.config.types import S3, Batch, Pair
from syncd.core.filters import Filter
from syncd.core.model import LocalStat, Mode
from syncd.core.paths import RelPath
from syncd.engine.context import Context, Host
from syncd.engine.pool import Pool
from syncd.errors import PairHalted
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.digest import Digester
from syncd.local.root import Root
from syncd.local.spool import SpoolFolder
from syncd.local.stability import Ready, Stability
from syncd.local.translate import printable
from syncd.ports import (
    ArchiveIndex,
    ArchiveStore,
    Clock,
    Events,
    Marker,
    ObjectStore,
    Spool,
    StopToken,
)
from syncd.runtime.assembly import UNMARKED, Link, host_of
from syncd.runtime.canaries import Canaries
from syncd.s3.counts import RequestCounts
from syncd.s3.paces import Paces
from syncd.store.database import Database
from syncd.store.pairs import PairStore, RecordSetIdentity
from syncd.workers.bucket_folders import OpenedFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAssembly:
    """Opens the bucket folders of batches: a `workers.bucket_folders.BatchWorld`. What they share is in here."""

    database: Database
    clock: Clock
    events: Events
    transfers: TransferBoard
    stop: StopToken
    counts: RequestCounts
    pool: Pool
    hostname: str
    machine_id: str
    state_dir: Path
    paces: Paces | None = None
    dry: bool = False
    _links: dict[S3, Link] = field(default_factory=dict, init=False)
    _linking: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def host(self) -> Host:
        """Who writes, as documents and manifests name it."""
        return host_of(self.hostname, self.machine_id, Marker(UNMARKED, 0), self.clock.now())

    def unusable(self, batch: Batch, bucket: str) -> str:
        """Why no bucket of that endpoint can have this name; "" where one can."""
        try:
            check_bucket(bucket, on_aws=not endpoint_identity(batch.s3.endpoint_url))
        except Unreadable as error:
            return str(error)
        return ""

    def store(self, batch: Batch) -> ArchiveStore:
        """The batch's journal."""
        return self.database.archives(batch.name)

    def spool(self, batch: Batch) -> Spool:
        """Where its archives are sealed."""
        return SpoolFolder(batch.spool or default_spool(self.state_dir, batch.name))

    def index(self, batch: Batch) -> ArchiveIndex | None:
        """The index that is configured. ConfigError where it cannot be used as it is."""
        from syncd.index.open import open_index

        return open_index(batch.index)

    def objects(self, batch: Batch, bucket: str) -> ObjectStore:
        """Any bucket of the endpoint. ConfigError or RemoteError where there is no way to it."""
        pair = bucket_pair(batch, bucket)
        return self._link(batch, pair).objects(self._canaries.known(pair).capabilities)

    def open(self, batch: Batch, bucket: str, once: Callable[[str, str], bool]) -> OpenedFolder:
        """Open `<root>/<bucket>` and its records. Sends no request. PairHalted, ItemError, ConfigError, RemoteError."""
        pair = bucket_pair(batch, bucket)
        root = Root.at(pair.local, now=self.clock.now)
        marker = self._marker(root)
        context = self._context(pair, root, marker, self._link(batch, pair))
        folder = BatchFolder(
            batch=batch,
            context=context,
            store=self.store(batch),
            spool=self.spool(batch),
            pool=self.pool,
            manifests=self._manifests(batch, context, marker),
            once=lambda kind, name: once(kind, f"{bucket}/{name}"),
        )
        seen = None if marker.uuid == UNMARKED else marker
        return OpenedFolder(folder=folder, marker=seen, prove=self._proved)

    def _proved(self, folder: BatchFolder) -> BatchFolder:
        """The bucket and that of its manifests as their canaries found them of late; the same where nothing is new."""
        context, manifests = self._proved_world(folder.batch, folder.context), folder.manifests
        if manifests is not None:
            manifests = self._proved_world(folder.batch, manifests)
        if context is folder.context and manifests is folder.manifests:
            return folder
        return replace(folder, context=context, manifests=manifests)

    def _proved_world(self, batch: Batch, context: Context) -> Context:
        link = self._link(batch, context.pair)
        endpoint = self._canaries.current(context.pair, context.endpoint, link.probe)
        if endpoint is context.endpoint:
            return context
        return replace(context, objects=link.objects(endpoint.capabilities, context.records), endpoint=endpoint)

    @property
    def _canaries(self) -> Canaries:
        return Canaries(table=self.database.capabilities, clock=self.clock, events=self.events)

    # --- the parts of a world ---

    def _context(self, pair: Pair, root: Root, marker: Marker, link: Link) -> Context:
        endpoint, records = self._canaries.known(pair), self._records(pair, marker)
        return Context(
            pair=pair,
            wants=Filter(pair.include, pair.exclude).wants,
            tree=root,
            objects=link.objects(endpoint.capabilities, records),
            records=records,
            endpoint=endpoint,
            host=host_of(self.hostname, self.machine_id, marker, self.clock.now()),
            clock=self.clock,
            events=self.events,
            transfers=self.transfers,
            stop=self.stop,
            digester=Digester,
            ready=self._readiness(pair, root),
        )

    def _manifests(self, batch: Batch, context: Context, marker: Marker) -> Context | None:
        """The manifest bucket as this folder writes to it; None where manifests go beside their archives.

        Its records hold nothing but uploads in parts, which belong to that bucket.
        """
        if not batch.manifest_bucket:
            return None
        pair = replace(
            context.pair,
            name=f"{context.pair.name} (manifests)",
            bucket=batch.manifest_bucket,
            prefix=f"{context.pair.bucket}/",
        )
        endpoint, records = self._canaries.known(pair), self._records(pair, marker)
        return replace(
            context,
            pair=pair,
            objects=self._link(batch, pair).objects(endpoint.capabilities, records),
            records=records,
            endpoint=endpoint,
        )

    def _marker(self, root: Root) -> Marker:
        """The folder's identity, made where it has none. PairHalted where it may not be written: what is archived
        could never be removed there, and would be archived for ever."""
        marker = root.marker()
        if self.dry:
            return marker or Marker(UNMARKED, 0)
        if not os.access(root.path, os.W_OK | os.X_OK):
            raise _unwritable(root)
        if marker is not None:
            return marker
        made = Marker(uuid.uuid4().hex, 0)
        if not root.write_marker(made):
            raise _unwritable(root)
        return made

    def _records(self, pair: Pair, marker: Marker) -> PairStore:
        """The records of that folder; another folder in its place starts with none, which harms no archiver."""
        identity = RecordSetIdentity(
            root_uuid=marker.uuid, endpoint=pair.s3.endpoint_url, bucket=pair.bucket, prefix=pair.prefix
        )
        name = pair.name
        if self.dry and self.database.identity(name) not in {None, identity}:
            name = f"{name} (dry run)"  # opening it under another identity would drop the records of this one
        records = self.database.pair(name, identity)
        if marker.generation > records.generation() and not self.dry:
            records.drop_all()
            records.set_generation(marker.generation)
            self.events.emit(
                events.RECORDS_DROPPED,
                pair=pair.name,
                reason="the database is older than the folder (restored from a copy?)",
            )
        return records

    def _readiness(self, pair: Pair, root: Root) -> Callable[[RelPath, LocalStat], bool]:
        stability = Stability(pair.settle.total_seconds(), pair.settle_max.total_seconds())

        def ready(path: RelPath, stat: LocalStat) -> bool:
            verdict = stability.consider(
                path,
                stat,
                self.clock.monotonic(),
                self.clock.now_ns(),
                lambda: root.open_elsewhere(path, for_writing=True),
            )
            return isinstance(verdict, Ready)

        return ready

    # --- the way to the endpoint ---

    def _link(self, batch: Batch, pair: Pair) -> Link:
        """One client for all buckets of an endpoint."""
        with self._linking:
            if batch.s3 not in self._links:
                self._links[batch.s3] = Link.to(
                    pair, self.counts, lambda bucket, error: None, self.stop, paces=self.paces
                )
            return replace(self._links[batch.s3], pair=pair)


def bucket_pair(batch: Batch, bucket: str) -> Pair:
    """A bucket folder as the engine knows it: a pair that uploads and cleans."""
    return Pair(
        name=f"{batch.name}/{bucket}",
        local=batch.root / bucket,
        bucket=bucket,
        prefix="",
        s3=batch.s3,
        mode=Mode.UPLOAD,
        include=batch.include,
        exclude=batch.exclude,
        interval=batch.interval,
        settle=batch.settle,
        cleanup=True,
        trash_keep=batch.trash_keep,
        trash_max=batch.trash_max,
        watch=False,
    )


def _unwritable(root: Root) -> PairHalted:
    return PairHalted(
        f"{printable(str(root.path))} may not be written, so that what is archived could not be removed there",
        hint="give the daemon's user the right to write, or move the folder away",
    )
