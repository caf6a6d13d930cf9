"""One small new file on its way up: read whole, sent at once, and answered for when the next ones are under way too."""

from __future__ import annotations

import io
from dataclasses import dataclass

from syncd.core.model import Digest
from syncd.engine import content
from syncd.engine.checksum import checksums
from syncd.engine.context import Context
from syncd.engine.describe import headers
from syncd.engine.precondition import own_write, sendable
from syncd.engine.step import Step
from syncd.engine.upload import Sent, Uploaded, answer_of, until_sound
from syncd.errors import Raced, RemoteError, Stale
from syncd.ports import Awaited, Checksums, Hashes, ObjectHeaders, PutAnswer, RemoteExpect, SmallFiles, Unchecked


@dataclass(slots=True, kw_only=True)
class Shipment:
    """What was sent and waits for its answer. For the thread that sent it."""

    context: Context
    step: Step
    data: bytes
    looked_ns: int
    hashes: Hashes
    digest: Digest
    operation: str
    headers: ObjectHeaders
    sums: Checksums
    expect: RemoteExpect
    answer: Awaited[PutAnswer] | None = None

    @classmethod
    def start(
        cls,
        context: Context,
        files: SmallFiles,
        step: Step,
        types: frozenset[str],
        operation: str,
        *,
        expect: RemoteExpect,
    ) -> Shipment:
        """Read that version and send it. Stale where it is not as it was seen; RemoteError."""
        path, stat = step.path, step.stat
        looked_ns = context.clock.now_ns()
        data = files.read(path, stat)
        hashes = content.hashes_of_bytes(context, data, types)
        digest = hashes.digest(context.pair.hash)
        assert digest is not None
        made = cls(
            context=context,
            step=step,
            data=data,
            looked_ns=looked_ns,
            hashes=hashes,
            digest=digest,
            operation=operation,
            headers=headers(context, path, stat, digest, operation),
            sums=checksums(hashes),
            expect=expect,
        )
        made.answer = context.objects.start_put(
            context.key(path), io.BytesIO(data), stat.size, expect=expect, headers=made.headers, sums=made.sums
        )
        return made

    def too_late(self) -> bool:
        """Whether the daemon stops, and nothing was sent yet or nobody waits any more."""
        stop = self.context.stop
        return stop.abandoned() or (stop.stopped() and not (self.answer and self.answer.under_way))

    def there(self) -> bool:
        """Whether nobody has to wait for the answer."""
        return self.answer is not None and self.answer.there()

    def finish(self, files: SmallFiles) -> Uploaded:
        """Wait for the answer and hold it against what was sent. Raises Stale (something is there) or RemoteError."""
        context, path, stat = self.context, self.step.path, self.step.stat
        sent, intact, proof = until_sound(
            context,
            path,
            context.key(path),
            self.hashes,
            self.expect,
            self._sent,
            lambda: files.unchanged(path, stat),
        )
        context.transfers.moved(stat.size)
        return Uploaded(
            stat=stat,
            digest=self.digest,
            answer=sent.answer,
            proof=proof,
            looked_ns=self.looked_ns,
            intact=intact,
            vouched=intact or sent.same is True,
        )

    def _first(self, started: Awaited[PutAnswer]) -> PutAnswer:
        """What was answered to the first try; where it stays the only one, nobody knows whether it arrived."""
        try:
            return started.take()
        except RemoteError as error:
            if isinstance(self.expect, Unchecked) and self.expect.once:
                raise Raced(self.step.path) from error
            raise

    def _sent(self, expect: RemoteExpect) -> Sent:
        """What was answered; where the bytes arrived spoilt, what another request is."""
        context, key, size = self.context, self.context.key(self.step.path), self.step.stat.size
        started, self.answer = self.answer, None
        try:
            if started is not None:
                return Sent(answer=self._first(started), same=True)
            expect = sendable(context, key, expect)
            body = io.BytesIO(self.data)
            answer = context.objects.put(key, body, size, expect=expect, headers=self.headers, sums=self.sums)
            return Sent(answer=answer, same=True)
        except Stale as stale:
            facts = own_write(context, key, expect, self.operation, refused=not isinstance(stale, Raced))
            if facts is None or facts.size != size:
                raise
            return Sent(answer=answer_of(facts))
