"""One small new object on its way down: asked for at once, read whole and proven before anybody sees it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from syncd.core.model import Digest, ObjectFacts
from syncd.engine import content, download
from syncd.engine.context import Context
from syncd.engine.download import Downloaded
from syncd.engine.step import Step
from syncd.errors import Stale
from syncd.ports import Absent, Awaited, Hashes, ObjectBody, Placed, SmallPlaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What came, and what it hashes to. `problem`: why it is not believed."""

    facts: ObjectFacts
    data: bytes
    hashes: Hashes
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What was asked for and waits for its answer. For the thread that asked."""

    context: Context
    step: Step
    answer: Awaited[AbstractContextManager[ObjectBody]]

    @classmethod
    def start(cls, context: Context, step: Step) -> Arrival:
        """Ask for exactly that ETag."""
        answer = context.objects.start_get(context.key(step.path), expect=step.etag)
        return cls(context=context, step=step, answer=answer)

    def too_late(self) -> bool:
        """Whether the daemon stops, and nothing was asked yet or nobody waits any more."""
        stop = self.context.stop
        return stop.abandoned() or (stop.stopped() and not self.answer.under_way)

    def there(self) -> bool:
        """Whether nobody has to wait for the answer."""
        return self.answer.there()

    def receive(self) -> Received:
        """Take the whole answer. Stale: it is another object by now. RemoteError."""
        context, step = self.context, self.step
        with self.answer.take() as body:
            facts = body.facts
            if facts.size != step.object_size:
                raise Stale(step.path)
            data = b"".join(body)
        hashes = content.hashes_of_bytes(context, data, download.types(context, facts))
        problem = download.why_not(context, facts, hashes, len(data))
        if not problem and download.metadata_denies(facts, hashes):
            problem = download.DENIED
        return Received(facts=facts, data=data, hashes=hashes, problem=problem)

    def place(self, received: Received, places: SmallPlaces) -> Downloaded:
        """Put it in its place; where it does not hold what it says, it is fetched again first.

        Stale: its place is taken. ItemError, RemoteError.
        """
        context, step, facts, data = self.context, self.step, received.facts, received.data
        digest = received.hashes.digest(context.pair.hash)
        assert digest is not None
        if received.problem:
            return self._again(digest, received.problem, len(data))
        context.transfers.moved(facts.size)
        stat = places.put(step.path, data, mtime_ns=download.mtime_ns(facts))
        return Downloaded(
            placed=Placed(stat, None),
            digest=digest,
            facts=facts,
            received=len(data),
            looked_ns=context.clock.now_ns(),
        )

    def _again(self, digest: Digest, problem: str, received: int) -> Downloaded:
        context, step, key = self.context, self.step, self.context.key(self.step.path)
        download.say_spoilt(context, step.path, key, problem)
        got = download.download(
            context, step.path, key, step.etag, expect=Absent(), size=step.object_size, doubted=[digest]
        )
        return replace(got, received=got.received + received)
