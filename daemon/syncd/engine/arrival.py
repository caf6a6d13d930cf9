"""One small new object on its way down: asked for at once, read whole and proven before anybody sees it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from syncd.engine import content, download
from syncd.engine.context import Context
from syncd.engine.download import Downloaded
from syncd.engine.step import Step
from syncd.errors import Stale
from syncd.ports import ObjectBody, Placed, SmallPlaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What was asked for and waits for its answer. For the thread that asked."""

    context: Context
    step: Step
    answer: Callable[[], AbstractContextManager[ObjectBody]]

    @classmethod
    def start(cls, context: Context, step: Step) -> Arrival:
        """Ask for exactly that ETag."""
        answer = context.objects.start_get(context.key(step.path), expect=step.etag)
        return cls(context=context, step=step, answer=answer)

    def finish(self, places: SmallPlaces) -> Downloaded:
        """Put it in its place. Stale: it changed, does not hold what it says, or its place is taken; RemoteError."""
        context, step = self.context, self.step
        with self.answer() as body:
            facts = body.facts
            if facts.size != step.object_size:
                raise Stale(step.path)
            data = b"".join(body)
        hashes = content.hashes_of_bytes(context, data, download.types(context, facts))
        digest = hashes.digest(context.pair.hash)
        assert digest is not None
        if download.why_not(context, facts, hashes, len(data)) or download.metadata_denies(facts, hashes):
            raise Stale(f"{step.path}: what came is looked at once more")
        context.transfers.moved(facts.size)
        stat = places.put(step.path, data, mtime_ns=download.mtime_ns(facts))
        return Downloaded(
            placed=Placed(stat, None),
            digest=digest,
            facts=facts,
            received=len(data),
            looked_ns=context.clock.now_ns(),
        )
