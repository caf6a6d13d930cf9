"""Passes and the canary: who sends one, and what a batch keeps while none of late has passed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from support.fake_store import EVERYTHING, FakeObjects
from support.small_batch import SmallBatch, lost, small_batch
from support.small_section import SmallSection, small_section
from syncd import events
from syncd.core.model import Mode
from syncd.engine.context import Context, Endpoint
from syncd.runtime.batch_status import batch_health, batch_row
from syncd.runtime.canaries import RETRY_S

BUCKET = "photos"
LONG_AGO = 3 * 86_400.0


def test_a_download_pair_sends_no_canary(tmp_path: Path) -> None:
    sent: list[Context] = []

    def probe(small: SmallSection, context: Context) -> Context:
        sent.append(context)
        return replace(context, endpoint=Endpoint(EVERYTHING))

    unprobed = FakeObjects(capabilities=replace(EVERYTHING, probed_at=0.0))
    with small_section(tmp_path / "down", bucket=unprobed, probe=probe, mode=Mode.DOWNLOAD) as small:
        small.section.run_pass()
        assert sent == []
    with small_section(tmp_path / "up", bucket=unprobed, probe=probe, mode=Mode.UPLOAD) as small:
        small.section.run_pass()
        small.section.run_pass()
        assert len(sent) == 1


def aged(small: SmallBatch, seconds: float = LONG_AGO) -> None:
    """The last canary of the bucket passed so long ago."""
    seen = replace(EVERYTHING, probed_at=time.time() - seconds)
    small.database.capabilities.put("http://memory", BUCKET, seen)


def retry_is_due(small: SmallBatch) -> None:
    """The quarter of an hour since a canary that failed is over."""
    for context in small.section.contexts():
        context.endpoint.tried_at -= RETRY_S


def test_an_archiver_keeps_its_originals_until_a_canary_has_passed(tmp_path: Path) -> None:
    with small_batch(tmp_path, BUCKET) as small:
        aged(small)
        small.endpoint.failing[BUCKET] = lost()
        small.write(f"{BUCKET}/one")
        small.round()
        marker = (small.root / BUCKET / ".syncd" / "root.json").read_bytes()
        for _ in range(2):
            small.round()
        assert (small.root / BUCKET / ".syncd" / "root.json").read_bytes() == marker, "no removal is even announced"
        assert small.here() == [f"{BUCKET}/one"]
        assert (len(small.archives(BUCKET)), small.staged(BUCKET)) == (1, 0), "what is new goes up all the same"
        assert len(small.said.of(events.ENDPOINT_UNPROVEN)) == 1
        assert len(small.endpoint.asked) == 1
        failing, degraded = batch_health(small.section, time.time(), time.time())
        assert (failing, len(degraded)) == ([], 1)
        assert "the endpoint is not proven, so nothing is cleaned there" in degraded[0]
        assert batch_row(small.section, transferring=False)["endpoint_proven_at"] is None
        small.endpoint.mend()
        retry_is_due(small)
        for _ in range(3):
            small.round()
        assert small.here() == []
        assert batch_health(small.section, time.time(), time.time()) == ([], [])
        assert batch_row(small.section, transferring=False)["endpoint_proven_at"]


def test_an_original_that_is_staged_waits_for_the_canary_too(tmp_path: Path) -> None:
    with small_batch(tmp_path, BUCKET) as small:
        small.write(f"{BUCKET}/one")
        small.round()
        assert small.staged(BUCKET) == 1
        for context in small.section.contexts():
            context.endpoint.proven_until = 0.0
        small.round()
        assert small.staged(BUCKET) == 1
        for context in small.section.contexts():
            context.endpoint.proven_until = time.time() + 60
        small.round()
        assert small.staged(BUCKET) == 0
