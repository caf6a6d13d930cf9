"""The sections of one `--once`: what the daemon makes for each of its workers, without the workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from syncd.config.types import Config
from syncd.engine.pool import Pool
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.ports import Clock, Events
from syncd.runtime.assembly import Assembly
from syncd.s3.counts import RequestCounts
from syncd.s3.paces import Paces
from syncd.store.database import Database
from syncd.workers.section import Section

if TYPE_CHECKING:
    from syncd.workers.batch import BatchSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a short run is made of. `dry`: nothing is changed, not even a marker."""

    config: Config
    state_dir: Path
    hostname: str
    machine_id: str
    database: Database
    clock: Clock
    events: Events
    transfers: TransferBoard
    stop: Stop
    pool: Pool
    paces: Paces
    dry: bool
    counts: RequestCounts = field(default_factory=RequestCounts)


def sections_of(parts: Parts) -> list[Section]:
    """Every pair."""
    assembly = Assembly(
        database=parts.database,
        clock=parts.clock,
        events=parts.events,
        transfers=parts.transfers,
        stop=parts.stop,
        counts=parts.counts,
        hostname=parts.hostname,
        machine_id=parts.machine_id,
        paces=parts.paces,
        dry=parts.dry,
    )
    return [
        Section(pair, opener=assembly.open, pool=parts.pool, clock=parts.clock, events=parts.events)
        for pair in parts.config.pairs
    ]


def batches_of(parts: Parts) -> list[BatchSection]:
    """Every batch. A host without one does not load the archiver."""
    if not parts.config.batches:
        return []
    from syncd.runtime.batch_assembly import BatchAssembly
    from syncd.workers.batch import BatchSection

    world = BatchAssembly(
        database=parts.database,
        clock=parts.clock,
        events=parts.events,
        transfers=parts.transfers,
        stop=parts.stop,
        counts=parts.counts,
        pool=parts.pool,
        hostname=parts.hostname,
        machine_id=parts.machine_id,
        state_dir=parts.state_dir,
        paces=parts.paces,
        dry=parts.dry,
    )
    return [
        BatchSection(batch, world=world, clock=parts.clock, events=parts.events, stop=parts.stop)
        for batch in parts.config.batches
    ]
