"""The index is fed beside the archiver: whatever it does, archives and unlinks go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.processes import eventually
from support.small_batch import SmallBatch, small_batch
from support.small_section import WITHIN, Gate
from syncd.config.types import Index
from syncd.ports import Document, Receipt, Taken
from syncd.workers.feeder import LOOK_EVERY_S, PROVEN, Feeder

WANTED = Index(url="http://index.example.org:9200")


class Slow:
    """An index that takes everything, once its gate is open."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.taken: list[str] = []
        self.closed = 0

    def prepare(self) -> None: ...

    def add(self, documents: Sequence[Document]) -> list[Receipt]:
        self.gate.pass_through()
        self.taken += [str(document.source["key"]) for document in documents]
        return [Receipt(id=document.id, taken=Taken.DONE) for document in documents]

    def find(self, pattern: str, *, limit: int) -> list[Any]:
        return []

    def close(self) -> None:
        self.closed += 1


def feeder_of(small: SmallBatch) -> Feeder:
    return Feeder(small.section, stop=small.stop.child(), events=small.said, clock=small.clock)


def test_an_index_that_hangs_delays_no_archive_and_no_unlink(tmp_path: Path) -> None:
    index = Slow()
    with small_batch(
        tmp_path, "lab-one", searched=lambda: index, index=WANTED, interval=timedelta(seconds=0.05)
    ) as small:
        feeder = feeder_of(small)
        small.write("lab-one/a.log")
        small.round()
        feeder.start()
        assert index.gate.reached.wait(WITHIN)
        small.write("lab-one/b.log")
        small.round("force")
        small.round("force")
        assert (small.here(), small.staged("lab-one")) == ([], 0)
        assert index.taken == []
        index.gate.opened.set()
        feeder.wake(PROVEN)
        eventually(lambda: sorted(index.taken) == ["a.log", "b.log"], within=WITHIN, what=lambda: str(index.taken))
        eventually(lambda: small.section.indexed.queued == 0, within=WITHIN, what=lambda: str(small.section.indexed))
        small.stop.drain()
        assert feeder.join(WITHIN)
        assert index.closed == 1


def test_while_the_batch_is_paused_so_is_its_index(tmp_path: Path) -> None:
    index = Slow()
    index.gate.opened.set()
    with small_batch(tmp_path, "lab-one", searched=lambda: index, index=WANTED) as small:
        small.write("lab-one/a.log")
        small.round()
        small.section.pause(float("inf"))
        assert feeder_of(small).run_once(frozenset({PROVEN}), {}) == LOOK_EVERY_S
        assert index.taken == []
        small.section.resume()
        feeder_of(small).run_once(frozenset({PROVEN}), {})
        assert index.taken == ["a.log"]


def test_without_an_index_it_has_nothing_to_do(tmp_path: Path) -> None:
    with small_batch(tmp_path, "lab-one") as small:
        small.write("lab-one/a.log")
        small.round()
        assert feeder_of(small).run_once(frozenset({PROVEN}), {}) is None
        assert small.section.indexed.health.value == "off"
