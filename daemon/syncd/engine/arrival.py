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
from syncd.ports import Absent, Awaited, Hashes, Lasting, ObjectBody, Placed, SmallPlaces, Written


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

    def write(self, received: Received, places: SmallPlaces) -> Written:
        """Write it, out of sight. Stale, ItemError."""
        return places.write(self.step.path, received.data, mtime_ns=download.mtime_ns(received.facts))

    def place(self, received: Received, lasting: Lasting, places: SmallPlaces) -> Downloaded:
        """Put it in its place. Stale: that is taken. ItemError."""
        self.context.transfers.moved(received.facts.size)
        return Downloaded(
            placed=Placed(places.place(lasting), None),
            digest=self._digest(received),
            facts=received.facts,
            received=len(received.data),
            looked_ns=self.context.clock.now_ns(),
        )

    def again(self, received: Received) -> Downloaded:
        """Fetch once more what does not hold what it says, by itself. Stale, ItemError, RemoteError."""
        context, step, key = self.context, self.step, self.context.key(self.step.path)
        download.say_spoilt(context, step.path, key, received.problem)
        doubted = [self._digest(received)]
        got = download.download(
            context, step.path, key, step.etag, expect=Absent(), size=step.object_size, doubted=doubted
        )
        return replace(got, received=got.received + len(received.data))

    def _digest(self, received: Received) -> Digest:
        digest = received.hashes.digest(self.context.pair.hash)
        assert digest is not None
        return digest
