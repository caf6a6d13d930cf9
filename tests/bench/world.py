"""Where a bench takes place: its folder in memory, its files, its programs, and who is told how far it is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench import trees
from bench.bars import Verdict
from bench.measure import Middle, Run
from bench.peers import Peers
from bench.servers import RcloneServer, Server, Sink
from bench.trees import Shape, Tree

CLOSED_S = 5.0
"""So long nobody has touched the files when the first client comes: syncd leaves alone what may be written still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row, measured. `skipped` says why there is nothing in it."""

    name: str
    title: str
    server: str = ""
    transport: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    medians: list[Middle] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    def document(self) -> dict[str, Any]:
        return asdict(self)


class World:
    """`quick`: fewer files, fewer rounds."""

    def __init__(self, folder: Path, peers: Peers, *, quick: bool, rounds: int = 0) -> None:
        self.folder = folder
        self.peers = peers
        self.quick = quick
        self.rounds = rounds or (2 if quick else 5)
        self._trees: dict[Shape, Tree] = {}
        self._buckets = 0
        self._prefix = ""

    @property
    def small(self) -> Shape:
        return Shape(count=4_000 if self.quick else 20_000, size=10 << 10)

    @property
    def large(self) -> Shape:
        return Shape(count=4, size=64 << 20) if self.quick else Shape(count=8, size=256 << 20)

    def tree(self, shape: Shape) -> Tree:
        """Such files, made when they are first asked for."""
        if shape not in self._trees:
            self.tell(f"making {shape}")
            self._trees[shape] = trees.make(self.folder / f"tree-{shape.count}-{shape.size}", shape)
            time.sleep(CLOSED_S)
        return self._trees[shape]

    def new_bucket(self, server: Server) -> str:
        """One that was never there."""
        self._buckets += 1
        return server.new_bucket(f"bench-{self._buckets:04d}")

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for one run, gone afterwards."""
        self._buckets += 1
        folder = self.folder / f"run-{self._buckets:04d}"
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def serving(self, kind: str, transport: str, *, delay_ms: float = 0) -> Iterator[Sink | RcloneServer]:
        """One of the two servers."""
        tls = transport == "https"
        with self.scratch() as folder:
            server: Sink | RcloneServer
            if kind == "sink":
                server = Sink(folder, tls=tls, delay_ms=delay_ms)
            else:
                server = RcloneServer(folder, str(self.peers.program("rclone")), tls=tls)
            try:
                yield server
            finally:
                server.close()

    # --- how far it is ------------------------------------------------------------------------------------

    def begin(self, prefix: str) -> None:
        """What every line begins with from now on."""
        self._prefix = prefix

    def tell(self, what: str) -> None:
        line = f"{self._prefix} {what}"
        if sys.stderr.isatty():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
        else:
            print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
