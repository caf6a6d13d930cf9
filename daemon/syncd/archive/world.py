"""One bucket folder of a batch at run time: its world, the batch's journal and spool, and what it was told to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from syncd.config.types import Batch
from syncd.core.model import LocalState
from syncd.core.paths import RelPath
from syncd.engine.backlog import Backlog
from syncd.engine.context import Context
from syncd.engine.pool import Pool
from syncd.ports import ArchiveStore, Spool


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchFolder:
    """`<root>/<bucket>` of one batch.

    `context`: of a pair named "<batch>/<bucket>" whose local root is this folder, whose bucket is its name and whose
    prefix is ""; mode upload, cleanup on. `manifests`: of the manifest bucket, with the prefix "<bucket>/"; None:
    manifests go beside their archives. Folders of one batch share `store` and `spool`, so they run one after the
    other. `once` says whether a skipped name is told for the first time.
    """

    batch: Batch
    context: Context
    store: ArchiveStore
    spool: Spool
    pool: Pool
    manifests: Context | None = None
    backlog: Backlog = field(default_factory=Backlog)
    once: Callable[[str, str], bool] = lambda *_: True

    @property
    def name(self) -> str:
        """As a person knows it: "<batch>/<bucket>"."""
        return self.context.pair.name

    @property
    def bucket(self) -> str:
        """The bucket that it is named for."""
        return self.context.pair.bucket


def staged_paths(folder: BatchFolder) -> list[RelPath]:
    """What may lie staged under `.syncd/cleaning`: for `LocalTree.sweep_staged`, which moves all else to trash."""
    records = folder.context.records.walk()
    cleaning = [record.path for record in records if record.local is LocalState.CLEANING]
    return [*cleaning, *folder.store.busy(folder.bucket)]
