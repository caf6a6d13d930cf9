"""How the world of one pair is put together: its root and marker, its records, its bucket."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from syncd import __version__, events
from syncd.config.types import Pair
from syncd.core.filters import Filter
from syncd.core.inodes import PASSES
from syncd.core.model import Mode
from syncd.engine.context import Context, Host
from syncd.errors import ItemError, PairHalted, RemoteError, RemoteKind
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.digest import Digester
from syncd.local.root import Root
from syncd.ports import Capabilities, Clock, Events, Marker, ObjectStore, StopToken
from syncd.runtime.canaries import Canaries
from syncd.s3.counts import RequestCounts
from syncd.s3.paces import Paces
from syncd.store.database import Database
from syncd.store.pairs import PairStore, RecordSetIdentity
from syncd.workers.section import Opened, Section

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from syncd.s3.buckets import BucketStore
    from syncd.s3.copying import Journal
    from syncd.s3.planes import Planes

UNMARKED = "unmarked"
"""The identity of a root that we may not write: it works for upload, without removals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """Opens sections. Everything that they share is in here."""

    database: Database
    clock: Clock
    events: Events
    transfers: TransferBoard
    stop: StopToken
    counts: RequestCounts
    hostname: str
    machine_id: str
    paces: Paces | None = None
    dry: bool = False

    def open(self, section: Section) -> Opened:
        """Open a pair's root and records and connect to its endpoint. Sends no request."""
        pair = section.pair
        # A root that was synced before and is missing is a mount that is away: never made anew in its place.
        fresh = self.database.identity(pair.name) is None
        create = fresh and pair.mode is not Mode.UPLOAD and not self.dry
        root = Root.at(pair.local, create=create, now=self.clock.now)
        marker = self._marker(section, root)
        records = self._records(pair, root, marker)
        link = Link.to(
            pair,
            self.counts,
            lambda bucket, error: self._bucket_failed(section, bucket, error),
            self.stop,
            paces=self.paces,
        )
        endpoint = self._canaries.known(pair)
        context = Context(
            pair=pair,
            wants=_wants(pair),
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
            ready=section.ready,
            quiet=section.quiet,
            claims=section.claims,
            numbered=records.renumbered_passes() < PASSES,
        )
        return Opened(context=context, prove=lambda known: self._proved(known, link))

    def _proved(self, context: Context, link: Link) -> Context:
        """The endpoint as its canary found it of late, used so; the same world where nothing is new."""
        endpoint = self._canaries.current(context.pair, context.endpoint, link.probe)
        if endpoint is context.endpoint:
            return context
        return replace(context, objects=link.objects(endpoint.capabilities, context.records), endpoint=endpoint)

    @property
    def _canaries(self) -> Canaries:
        return Canaries(table=self.database.capabilities, clock=self.clock, events=self.events)

    # --- the root ---

    def _marker(self, section: Section, root: Root) -> Marker:
        """The root's identity, made where there is none. PairHalted where another root was synced before."""
        pair, marker = section.pair, root.marker()
        before = self.database.identity(pair.name)
        known = "" if before is None or before.root_uuid == UNMARKED else before.root_uuid
        if known and (marker is None or marker.uuid != known):
            self._refuse_other_root(section, known, marker)
        if marker is not None:
            return marker
        made, why = (None, None) if self.dry else new_marker(root)
        if made is None:
            if pair.mode is not Mode.UPLOAD and not self.dry:
                raise PairHalted(
                    f"{pair.local} cannot be written, and this pair writes there{(why and f': {why.message}') or ''}",
                    hint=why.hint if why else 'give the daemon\'s user the right to write, or set mode = "upload"',
                ) from why
            return Marker(UNMARKED, 0)
        return made

    def _refuse_other_root(self, section: Section, known: str, marker: Marker | None) -> None:
        found = "no marker" if marker is None else "another marker"
        plan_id = "root-" + hashlib.sha256(f"{known}:{marker and marker.uuid}".encode()).hexdigest()[:8]
        if section.accepted_root == plan_id:
            return
        raise PairHalted(
            f"{section.pair.local} is not the root that was synced before (it has {found})",
            hint=f"mount or restore it; if it is meant to be a new one, synctl resume {section.name} "
            f"--accept {plan_id} starts afresh: both sides are united, nothing is deleted",
            plan_id=plan_id,
        )

    def _records(self, pair: Pair, root: Root, marker: Marker) -> PairStore:
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
                reason="the database is older than the root (restored from a copy?): both sides are united anew",
            )
        return records

    def _bucket_failed(self, section: Section, bucket: str, error: RemoteError) -> None:
        if section.once("bucket", f"{bucket}: {error.message}"):
            self.events.emit(
                events.FILE_SKIPPED, pair=section.name, path=f"{bucket}/", kind="bucket", reason=str(error)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The way to a pair's bucket, or to its buckets. Connects when it is first used."""

    pair: Pair
    planes: Planes
    problem: Callable[[str, RemoteError], None]

    @classmethod
    def to(
        cls,
        pair: Pair,
        counts: RequestCounts,
        problem: Callable[[str, RemoteError], None],
        stop: StopToken | None = None,
        *,
        paces: Paces | None = None,
    ) -> Link:
        """Make the client. ConfigError or RemoteError where the settings cannot work. `stop` ends waits for a retry."""
        from syncd.s3.planes import Planes
        from syncd.s3.wired import Surroundings

        around = Surroundings(counts=counts)
        if stop is not None:
            around = replace(around, rest=stop.wait)
        pace = None if paces is None else paces.of(pair.s3)
        if pace is not None:
            around = replace(around, limiter=pace.limiter, up=pace.meter.up, down=pace.meter.down)
        planes = Planes.to(pair.s3, around)
        if pace is not None:
            pace.attach(planes.client)
        return cls(pair=pair, planes=planes, problem=problem)

    @property
    def client(self) -> S3Client:
        """For what is no object's: canaries, doctor."""
        return self.planes.client

    def objects(self, capabilities: Capabilities, journal: Journal | None = None) -> ObjectStore:
        """The store, used as a probe found it. Who writes gives it the journal of uploads: large copies are some."""
        from syncd.s3.buckets import BucketsObjects
        from syncd.s3.copying import BucketJournal

        many = self.pair.layout == "buckets"

        def one(bucket: str) -> BucketStore:
            own = BucketJournal(journal, bucket) if journal is not None and many else journal
            return self.planes.store(bucket, capabilities, own)

        if many:
            return BucketsObjects(lambda: _folders(self.pair.local), one, problem=self.problem)
        return one(self.pair.bucket)

    def probe(self) -> Capabilities:
        """What a canary finds. Buckets may differ, so of several of them nothing is assumed.

        Before anything is cleaned there each bucket has its canary all the same; one that is missing or closed to us
        shows that by itself.
        """
        from syncd.s3.probe import probe

        if self.pair.layout != "buckets":
            return probe(self.client, self.pair.bucket, self.pair.prefix)
        for bucket in _folders(self.pair.local) if self.pair.cleanup else ():
            try:
                probe(self.client, bucket, "")
            except RemoteError as error:
                if error.kind not in {RemoteKind.MISSING, RemoteKind.DENIED, RemoteKind.REJECTED}:
                    raise
        return Capabilities(probed_at=time.time())


def _folders(root: Path) -> list[str]:
    """The folders of a root in the buckets layout, by name."""
    with os.scandir(root) as entries:
        return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False))


def _wants(pair: Pair) -> Callable[[str], bool]:
    chosen = Filter(pair.include, pair.exclude).wants
    if pair.layout != "buckets":
        return chosen
    return lambda path: "/" in path and chosen(path)


def new_marker(root: Root) -> tuple[Marker | None, ItemError | None]:
    """Give a root an identity. None where it may not be written, with the reason where the disk gave one."""
    made = Marker(uuid.uuid4().hex, 0)
    try:
        return (made if root.write_marker(made) else None), None
    except ItemError as error:
        return None, error


def host_of(hostname: str, machine_id: str, marker: Marker, now: float) -> Host:
    """Who writes: the id outlives the state folder, by the machine's and the root's."""
    host_id = hashlib.sha256(f"{machine_id}:{marker.uuid}".encode()).hexdigest()[:32]
    return Host(name=hostname, id=host_id, software=f"syncd/{__version__}", since=now)
