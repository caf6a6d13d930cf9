"""Several daemons on folders of their own and one prefix, edited on all sides at once, and what must then hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.agreement import BUCKET, Agreement
from support.archive_feed import ArchiveFeed
from support.churn import Editor, digests
from support.daemon_process import Host
from support.killer import WORDS, Killer
from support.ledger import Ledger, Stretch
from support.logged_ceph import LoggedCeph
from support.moto import MotoServer
from support.processes import eventually
from support.variants import Part, Variant, seed_for
from support.versions_read import VersionsRead

PREFIX = "two/"
INTERVAL_S = 2.0
SETTLE_S = 0.5
MARGIN_S = 5.0
"""Beyond `settle`, for a daemon on a busy machine to get it away."""

PACE_S = 0.1
"""Between two operations of one editor, on average."""

REST_S = 150.0
"""The longest that they may take to agree once nobody edits."""

WRITES = {"PUT", "COPY", "DELETE", "CREATE", "PART", "PARTCOPY", "COMPLETE", "ABORT"}

PAIR = """\
interval = "2s"
settle = "500ms"
keep_versions = "all"
max_delete = "off"
deletes = "{deletes}"
conflict = "{conflict}"
cleanup = {cleanup}
"""

Server = MotoServer | LoggedCeph


@dataclass(frozen=True, slots=True, kw_only=True)
class Survived:
    """The figures of a run that lost nothing."""

    name: str
    seed: int
    operations: int
    kills: int
    owed: int
    recorded: int
    archived: int
    requests: int
    rest_s: float

    def __str__(self) -> str:
        found = f"{self.owed} versions owed and {self.recorded} recorded, all found"
        archived = f", {self.archived} small files archived" if self.archived else ""
        return (
            f"{self.name} (seed {self.seed:#x}): {self.operations} operations, {self.kills} kills, {found}{archived}; "
            f"{self.requests} requests, at rest after {self.rest_s:.1f} s"
        )


class Hosts:
    """The daemons of a variant, their folders below `folder`, and the bucket between them."""

    def __init__(self, server: Server, folder: Path, variant: Variant, *, seed: int) -> None:
        self.server = server
        self.variant = variant
        self.bucket = server.new_bucket(variant.name, versioned=variant.versioned)
        self.mark = server.mark()
        self.versions = VersionsRead(server.unchecking_client(), self.bucket)
        self.hosts = {part.name: self._host(part, folder / part.name) for part in variant.hosts}
        self.feeds = [self._feed(part, seed) for part in variant.hosts if part.archives]
        self.killer = Killer(self.hosts, seed=seed, before_s=SETTLE_S, after_s=INTERVAL_S)
        self._seed = seed

    def _host(self, part: Part, folder: Path) -> Host:
        lines = PAIR.format(
            deletes=self.variant.deletes, conflict=part.conflict, cleanup="true" if part.cleanup else "false"
        )
        remote = f"s3://{self.bucket}/{PREFIX}"
        s3 = f'retries = 1\nplane = "{part.plane}"'
        host = Host(folder, self.server.endpoint, remote=remote, mode=part.mode, pair=lines, s3=s3, env=self.server.env)
        (folder / "stash").mkdir()
        return host

    def _feed(self, part: Part, seed: int) -> ArchiveFeed:
        host = self.hosts[part.name]
        bucket = self.server.new_bucket(f"{self.variant.name}-small")
        feed = ArchiveFeed(host, self.server.client(), bucket, seed=seed)
        host.configure(more=feed.section)
        return feed

    @contextmanager
    def running(self) -> Iterator[None]:
        """All daemons run, and end."""
        with ExitStack() as stack:
            for host in self.hosts.values():
                stack.callback(host.close)
                host.start(*WORDS)
            yield
            for host in self.hosts.values():
                assert host.stop() == 0, host.process and host.process.said()

    def churn(self, seconds: float, ledger: Ledger) -> int:
        """Edit on all sides for so long; returns how many operations there were."""
        editors = [
            Editor(name, host.root, host.folder / "stash", ledger, seed=self._seed + number, pace_s=PACE_S)
            for number, (name, host) in enumerate(self.hosts.items())
        ]
        over = threading.Event()
        beside: list[Callable[[threading.Event], None]] = [feed.run for feed in self.feeds]
        if self.variant.kills:
            beside.append(self.killer.run)
        with ThreadPoolExecutor(len(editors) + len(beside)) as threads:
            others = [threads.submit(one, over) for one in beside]
            try:
                for edited in [threads.submit(editor.run, seconds) for editor in editors]:
                    edited.result()
            finally:
                over.set()
            for one in others:
                one.result()
        return sum(editor.done for editor in editors)

    # --- what is ---

    def trees(self) -> dict[str, dict[str, str]]:
        """Path to SHA-256 on each side: a walk of all roots, a plain client for the bucket."""
        found = {name: dict(digests(host.root)) for name, host in self.hosts.items()}
        found[BUCKET] = {
            key.removeprefix(PREFIX): digest
            for key, digest in self.versions.live().items()
            if not key.startswith(f"{PREFIX}.syncd/")
        }
        return found

    def writes(self, since: int) -> list[tuple[str, str, int]]:
        """What changed the bucket since a mark of the server's log."""
        return [row for row in self._log(since) if row[0] in WRITES]

    def _log(self, since: int) -> list[tuple[str, str, int]]:
        return [row for row in self.server.log(since) if row[1].partition("/")[0] == self.bucket]

    def settle(self, ledger: Ledger) -> float:
        """Wait until all sides agree and nothing was written for two intervals; returns how long that took."""
        began, broken = time.monotonic(), ["nobody came to rest"]
        quiet = _Quiet(lambda: len(self.writes(self.mark)), for_s=2 * INTERVAL_S)
        agreement = Agreement(
            variant=self.variant,
            ledger=ledger,
            deletes_travel=self.variant.versioned or self.server.deletes_conditionally,
            on_s3=lambda digest: digest in self.versions.everywhere(),
        )

        def settled() -> bool:
            nonlocal broken
            if not quiet():
                return False
            broken = agreement.broken(self.trees())
            return not broken

        def said() -> str:
            last = "\n".join(str(row) for row in self.writes(self.mark)[-8:])
            return "not agreed and quiet:\n" + "\n".join(broken) + f"\nlast writes:\n{last}"

        eventually(settled, within=REST_S, what=said, every=0.25)
        return time.monotonic() - began

    def stays_quiet(self, passes: int) -> None:
        """Nobody writes when nobody edits: not while each of the daemons looks so often, and for as many intervals.

        A pass that costs much comes less often than every interval, so that they are counted by their LISTs.
        """
        mark, until = self.server.mark(), time.monotonic() + passes * INTERVAL_S

        def looked() -> bool:
            lists = sum(row[0] == "LIST" for row in self._log(mark))
            return time.monotonic() >= until and lists >= passes * len(self.hosts)

        eventually(looked, within=60, what=lambda: f"they do not look any more: {self.server.requests(mark)}")
        assert not self.writes(mark), f"echoes: {self.writes(mark)}"

    def findable(self) -> set[str]:
        """The SHA-256 of all that a person can get back: files, trash and staging of all, objects, versions."""
        found = set(self.versions.everywhere())
        for host in self.hosts.values():
            for folder in (host.root, host.root / ".syncd" / "trash", host.root / ".syncd" / "cleaning"):
                found |= {digest for _, digest in digests(folder)}
        return found

    def owed(self, ledger: Ledger) -> dict[str, list[Stretch]]:
        """The versions that were closed and left alone for long enough, by digest.

        A host that only downloads gives nothing away: it owes what nobody touched any more.
        """
        parts = {part.name: part for part in self.variant.hosts}

        def is_owed(row: Stretch) -> bool:
            if parts[row.host].mode == "download":
                return row.touched == float("inf")
            return row.alone_s(self.killer.asleep[row.host]) >= SETTLE_S + MARGIN_S

        rows = ledger.stretches().items()
        return {digest: found for digest, found in rows if any(is_owed(row) for row in found)}


class _Quiet:
    """True once a number has stayed the same for so long."""

    def __init__(self, number: Callable[[], int], *, for_s: float) -> None:
        self._number = number
        self._for_s = for_s
        self._last, self._since = -1, time.monotonic()

    def __call__(self) -> bool:
        now, number = time.monotonic(), self._number()
        if number != self._last:
            self._last, self._since = number, now
        return now - self._since >= self._for_s


def nothing_is_lost(hosts: Hosts, ledger: Ledger) -> tuple[int, int]:
    """Check it; returns how many versions were owed and how many S3 had acknowledged."""
    found, owed, recorded = (
        hosts.findable(),
        hosts.owed(ledger),
        hosts.server.hashes_put(hosts.mark, under=f"{hosts.bucket}/"),
    )
    lost = [str(row) for digest, rows in owed.items() if digest not in found for row in rows]
    assert not lost, "closed, left alone and lost:\n" + "\n".join(lost)
    gone = recorded - found - hosts.versions.torn
    assert not gone, f"S3 had them, and they are nowhere any more: {sorted(gone)}"
    return len(owed), len(recorded)


def survive(server: Server, folder: Path, variant: Variant, *, seconds: float) -> Survived:
    """The whole run. A failure names the seed: CHURN_SEED=0x... repeats its operations."""
    seed = seed_for(variant)
    try:
        return _survive(server, folder, variant, seconds=seconds, seed=seed)
    except AssertionError as error:
        raise AssertionError(f"{variant.name}, seed {seed:#x}, files in {folder}: {error}") from error


def _survive(server: Server, folder: Path, variant: Variant, *, seconds: float, seed: int) -> Survived:
    hosts = Hosts(server, folder, variant, seed=seed)
    with Ledger(folder / "ledger", once=variant.deletes == "keep") as ledger, hosts.running():
        operations = hosts.churn(seconds, ledger)
        rest_s = hosts.settle(ledger)
        hosts.stays_quiet(3)
        archived = sum(feed.check_all_is_archived(within=60) for feed in hosts.feeds)
        owed, recorded = nothing_is_lost(hosts, ledger)
    assert owed > seconds / 2 * len(hosts.hosts), "too few versions were left alone to mean anything"
    return Survived(
        name=variant.name,
        seed=seed,
        operations=operations,
        kills=hosts.killer.kills,
        owed=owed,
        recorded=recorded,
        archived=archived,
        requests=sum(server.requests(hosts.mark).values()),
        rest_s=rest_s,
    )
