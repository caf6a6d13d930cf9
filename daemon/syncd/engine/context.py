"""All that the engine needs to work on one pair, wired once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from syncd.config.types import Pair
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.core.reconcile import Policy
from syncd.engine.claims import Claims
from syncd.engine.crew import Crew
from syncd.ports import (
    Capabilities,
    Clock,
    Digester,
    Events,
    LocalTree,
    ObjectStore,
    RecordStore,
    RemoteExpect,
    StopToken,
    Transfers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Who writes: the name a person knows, and the id that outlives the state folder (machine-id and root UUID)."""

    name: str
    id: str
    software: str  # "syncd/VERSION"
    since: float = 0.0  # when this world was opened, seconds since the epoch


@dataclass(slots=True)
class Endpoint:
    """What the canary found out. Assumes nothing until then; a broken precondition switches a capability off.

    `doubted`: (key, precondition) of refusals that a look could not explain: a lost race, or a broken endpoint.
    `twins`: names of hosts that were seen to write there under our id. `missed`: capabilities whose lack was told.
    `proven_until`: seconds since the epoch; after it nothing is cleaned before a canary has passed again. `tried_at`:
    when the last one failed that was sent since; `trouble`: why. `silent`: an answer to a PUT showed no checksum.
    `unranged`: nobody probed it, and it gave no range of an object.
    """

    capabilities: Capabilities = field(default_factory=Capabilities)
    doubted: set[tuple[str, RemoteExpect]] = field(default_factory=set)
    twins: set[str] = field(default_factory=set)
    missed: set[str] = field(default_factory=set)
    proven_until: float = 0.0
    tried_at: float = 0.0
    trouble: str = ""
    silent: bool = False
    unranged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One pair's world. `ready` says whether a changed local file may be read now (see local/stability).

    `quiet`: whether it was left alone for long enough by its times and no event tells otherwise; if nobody has it open
    it is then ready. False where that is not known.
    """

    pair: Pair
    wants: Callable[[str], bool]
    tree: LocalTree
    objects: ObjectStore
    records: RecordStore
    endpoint: Endpoint
    host: Host
    clock: Clock
    events: Events
    transfers: Transfers
    stop: StopToken
    digester: Callable[[frozenset[str]], Digester]
    ready: Callable[[RelPath, LocalStat], bool]
    quiet: Callable[[RelPath, LocalStat], bool] = lambda path, stat: False
    claims: Claims = field(default_factory=Claims)
    crew: Crew = field(default_factory=Crew)
    numbered: bool = True  # inode numbers last from one pass to the next (see core/inodes)

    @property
    def capabilities(self) -> Capabilities:
        """What the endpoint is known to honour by now."""
        return self.endpoint.capabilities

    @property
    def may_clean(self) -> bool:
        """Whether a canary of late says that this endpoint gives back what it is given."""
        return self.clock.now() < self.endpoint.proven_until

    @property
    def policy(self) -> Policy:
        """What the configuration and the endpoint ask of the decision."""
        capabilities = self.capabilities
        return Policy(
            mode=self.pair.mode,
            deletes=self.pair.deletes,
            conflict=self.pair.conflict,
            cleanup=self.pair.cleanup,
            can_delete=capabilities.delete_if_match or capabilities.versioned,
        )

    def key(self, path: str) -> str:
        """The whole key of a path."""
        return self.pair.prefix + path
