"""Two daemons on two folders and one prefix, edited on both sides at once, and what must hold once that is over."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.churn import Editor, Ledger, Stretch, digests
from support.daemon_process import Host
from support.moto import MotoServer
from support.processes import eventually

PREFIX = "two/"
INTERVAL_S = 2.0
SETTLE_S = 0.5
MARGIN_S = 5.0
"""Beyond `settle`, for a daemon on a busy machine to get it away."""

PACE_S = 0.1
"""Between two operations of one editor, on average."""

WRITES = {"PUT", "COPY", "DELETE", "CREATE", "PART", "PARTCOPY", "COMPLETE", "ABORT"}

PAIR = """\
interval = "2s"
settle = "500ms"
keep_versions = "all"
max_delete = "off"
deletes = "{deletes}"
conflict = "{conflict}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to run it. `kills`: one of the daemons is killed and started again all the while."""

    name: str
    deletes: str
    versioned: bool
    conflict: str = "newer"
    kills: bool = False


VARIANTS = (
    Variant(name="kept-versioned", deletes="keep", versioned=True),
    Variant(name="kept-plain", deletes="keep", versioned=False, conflict="keep-both"),
    Variant(name="propagated-versioned", deletes="propagate", versioned=True, conflict="keep-both"),
    Variant(name="propagated-plain-killed", deletes="propagate", versioned=False, kills=True),
)


def seed_for(variant: Variant) -> int:
    """The seed of a run: CHURN_SEED, or one of the variant's own that never changes."""
    return int(os.environ.get("CHURN_SEED") or hashlib.sha256(variant.name.encode()).hexdigest()[:8], 16)


class TwoHosts:
    """Both daemons, their folders below `folder`, and the bucket between them."""

    def __init__(self, server: MotoServer, folder: Path, variant: Variant) -> None:
        self.server = server
        self.variant = variant
        self.bucket = server.new_bucket(variant.name, versioned=variant.versioned)
        self.mark = server.mark()
        self.asleep: dict[str, list[tuple[float, float]]] = {"one": [], "two": []}
        lines = PAIR.format(deletes=variant.deletes, conflict=variant.conflict)
        self.hosts = {
            name: Host(
                folder / name, server.endpoint, remote=f"s3://{self.bucket}/{PREFIX}", mode="bidirectional", pair=lines
            )
            for name in self.asleep
        }
        for name in self.hosts:
            (folder / name / "stash").mkdir()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Both daemons run, and end."""
        with ExitStack() as stack:
            for host in self.hosts.values():
                stack.callback(host.close)
                host.start("-v")
            yield
            for host in self.hosts.values():
                assert host.stop() == 0, host.process and host.process.said()

    def churn(self, seconds: float, ledger: Ledger, seed: int) -> int:
        """Edit on both sides for so long; returns how many operations there were."""
        editors = [
            Editor(name, host.root, host.folder / "stash", ledger, seed=seed + number, pace_s=PACE_S)
            for number, (name, host) in enumerate(self.hosts.items())
        ]
        over = threading.Event()
        with ThreadPoolExecutor(3) as threads:
            killing = threads.submit(self._kill_now_and_then, over) if self.variant.kills else None
            try:
                for edited in [threads.submit(editor.run, seconds) for editor in editors]:
                    edited.result()
            finally:
                over.set()
            if killing is not None:
                killing.result()
        return sum(editor.done for editor in editors)

    def _kill_now_and_then(self, over: threading.Event) -> None:
        host = self.hosts["one"]
        while not over.wait(4.0):
            assert host.process is not None
            died = time.time()
            host.process.signal(signal.SIGKILL)
            host.process.wait(within=10)
            over.wait(0.5)
            host.start("-v")
            self.asleep["one"].append((died - SETTLE_S, time.time() + INTERVAL_S))

    # --- what is ---

    def trees(self) -> dict[str, dict[str, str]]:
        """Path to SHA-256 on each side: a walk of both roots, a plain client for the bucket."""
        found = {name: dict(digests(host.root)) for name, host in self.hosts.items()}
        found["bucket"] = {
            key.removeprefix(PREFIX): _sha256(body)
            for key, body in self.server.contents(self.bucket, PREFIX).items()
            if not key.startswith(f"{PREFIX}.syncd/")
        }
        return found

    def writes(self, since: int) -> list[tuple[str, str, int]]:
        """What changed the bucket since a mark of the server's log."""
        return [row for row in self.server.log(since) if row[0] in WRITES and row[1].startswith(self.bucket)]

    def settle(self, ledger: Ledger, *, within: float) -> None:
        """Wait until all three sides are equal and nothing was written for two intervals."""
        seen: dict[str, dict[str, str]] = {}
        client_error = self.server.client().exceptions.NoSuchKey
        quiet = _Quiet(lambda: len(self.writes(self.mark)), for_s=2 * INTERVAL_S)

        def settled() -> bool:
            if not quiet():
                return False
            with suppress(client_error):  # an object that went between the listing and the read
                seen.clear()
                seen.update(self.trees())
            return bool(seen) and not self._unequal(seen, ledger)

        eventually(settled, within=within, what=lambda: self._said(seen or self.trees(), ledger), every=0.25)

    def stays_quiet(self, passes: int) -> None:
        """Nobody writes when nobody edits: not while each of the daemons looks so often, and for as many intervals.

        A pass that costs much comes less often than every interval, so that they are counted by their LISTs.
        """
        mark, until = self.server.mark(), time.monotonic() + passes * INTERVAL_S

        def looked() -> bool:
            return time.monotonic() >= until and self.server.requests(mark)["LIST"] >= passes * len(self.hosts)

        eventually(looked, within=60, what=lambda: f"they do not look any more: {self.server.requests(mark)}")
        assert not self.writes(mark), f"echoes: {self.writes(mark)}"

    def findable(self) -> set[str]:
        """The SHA-256 of all that a person can get back: files, trash and staging of both, objects, versions."""
        found = set()
        for host in self.hosts.values():
            for folder in (host.root, host.root / ".syncd" / "trash", host.root / ".syncd" / "cleaning"):
                found |= {digest for _, digest in digests(folder)}
        client = self.server.client()
        for page in client.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
            for row in page.get("Versions", ()):
                found.add(self._version(client, row))
        return found

    def _version(self, client: Any, row: dict[str, str]) -> str:
        named = {"VersionId": row["VersionId"]} if row["VersionId"] != "null" else {}
        return _sha256(client.get_object(Bucket=self.bucket, Key=row["Key"], **named)["Body"].read())

    def owed(self, ledger: Ledger) -> dict[str, list[Stretch]]:
        """The versions that were closed and left alone for long enough, by digest."""
        least = SETTLE_S + MARGIN_S
        return {
            digest: rows
            for digest, rows in ledger.stretches().items()
            if any(row.alone_s(self.asleep[row.host]) >= least for row in rows)
        }

    def _unequal(self, seen: dict[str, dict[str, str]], ledger: Ledger) -> list[str]:
        """The paths that differ. With `deletes = "keep"` a host may lack what vanished from it a second time."""
        rows = []
        for path in sorted({path for tree in seen.values() for path in tree}):
            sides = {side: tree.get(path, "-")[:8] for side, tree in seen.items()}
            if self.variant.deletes == "keep":
                sides = {side: had for side, had in sides.items() if had != "-" or not ledger.meant(side, path)}
            if len(set(sides.values())) > 1:
                rows.append(f"{path!r}: {sides}")
        return rows

    def _said(self, seen: dict[str, dict[str, str]], ledger: Ledger) -> str:
        last = "\n".join(str(row) for row in self.writes(self.mark)[-8:])
        return "not equal and quiet:\n" + "\n".join(self._unequal(seen, ledger)) + f"\nlast writes:\n{last}"


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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def nothing_is_lost(two: TwoHosts, ledger: Ledger) -> tuple[int, int]:
    """Check it; returns how many versions were owed and how many S3 had acknowledged."""
    found, owed, recorded = two.findable(), two.owed(ledger), two.server.hashes_put(two.mark)
    lost = [str(row) for digest, rows in owed.items() if digest not in found for row in rows]
    assert not lost, "closed, left alone and lost:\n" + "\n".join(lost)
    gone = recorded - found
    assert not gone, f"S3 had them, and they are nowhere any more: {sorted(gone)}"
    return len(owed), len(recorded)


def survive(server: MotoServer, folder: Path, variant: Variant, *, seconds: float) -> None:
    """The whole run. A failure names the seed: CHURN_SEED=0x... repeats its operations."""
    seed = seed_for(variant)
    try:
        _survive(server, folder, variant, seconds=seconds, seed=seed)
    except AssertionError as error:
        raise AssertionError(f"{variant.name}, seed {seed:#x}, files in {folder}: {error}") from error


def _survive(server: MotoServer, folder: Path, variant: Variant, *, seconds: float, seed: int) -> None:
    two = TwoHosts(server, folder, variant)
    with Ledger(folder / "ledger", once=variant.deletes == "keep") as ledger, two.running():
        operations = two.churn(seconds, ledger, seed)
        two.settle(ledger, within=150.0)
        two.stays_quiet(3)
        owed, recorded = nothing_is_lost(two, ledger)
    print(f"{variant.name}: {operations} operations, {owed} versions owed, {recorded} recorded, all found")
    assert owed > seconds, "too few versions were left alone to mean anything"
