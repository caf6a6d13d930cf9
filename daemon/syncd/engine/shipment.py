"""One small new file on its way up: read whole, sent at once, and answered for when the next ones are under way too."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

from syncd.core.model import Digest, LocalStat
from syncd.core.paths import RelPath
from syncd.engine import content
from syncd.engine.checksum import checksums
from syncd.engine.context import Context
from syncd.engine.describe import headers
from syncd.engine.precondition import own_write, sendable
from syncd.engine.upload import Sent, Uploaded, answer_of, until_sound
from syncd.errors import Raced, Stale
from syncd.ports import Absent, Checksums, Hashes, ObjectHeaders, PutAnswer, RemoteExpect, SmallFiles


@dataclass(slots=True, kw_only=True)
class Shipment:
    """What was sent and waits for its answer. For the thread that sent it."""

    context: Context
    path: RelPath
    stat: LocalStat
    data: bytes
    looked_ns: int
    hashes: Hashes
    digest: Digest
    operation: str
    headers: ObjectHeaders
    sums: Checksums
    answer: Callable[[], PutAnswer] | None = None

    @classmethod
    def start(
        cls, context: Context, files: SmallFiles, path: RelPath, stat: LocalStat, types: frozenset[str], operation: str
    ) -> Shipment:
        """Read that version and send it to where nothing is. Stale where it is not as it was seen; RemoteError."""
        looked_ns = context.clock.now_ns()
        data = files.read(path, stat)
        hashes = content.hashes_of_bytes(context, data, types)
        digest = hashes.digest(context.pair.hash)
        assert digest is not None
        made = cls(
            context=context,
            path=path,
            stat=stat,
            data=data,
            looked_ns=looked_ns,
            hashes=hashes,
            digest=digest,
            operation=operation,
            headers=headers(context, path, stat, digest, operation),
            sums=checksums(hashes),
        )
        made.answer = context.objects.start_put(
            context.key(path), io.BytesIO(data), stat.size, expect=Absent(), headers=made.headers, sums=made.sums
        )
        return made

    def finish(self, files: SmallFiles) -> Uploaded:
        """Wait for the answer and hold it against what was sent. Raises Stale (something is there) or RemoteError."""
        sent, intact, proof = until_sound(
            self.context,
            self.path,
            self.context.key(self.path),
            self.hashes,
            Absent(),
            self._sent,
            lambda: files.unchanged(self.path, self.stat),
        )
        self.context.transfers.moved(self.stat.size)
        return Uploaded(
            stat=self.stat,
            digest=self.digest,
            answer=sent.answer,
            proof=proof,
            looked_ns=self.looked_ns,
            intact=intact,
            vouched=intact or sent.same is True,
        )

    def _sent(self, expect: RemoteExpect) -> Sent:
        """What was answered; where the bytes arrived spoilt, what another request is."""
        context, key = self.context, self.context.key(self.path)
        started, self.answer = self.answer, None
        try:
            if started is not None:
                return Sent(answer=started(), same=True)
            expect = sendable(context, key, expect)
            body = io.BytesIO(self.data)
            answer = context.objects.put(key, body, self.stat.size, expect=expect, headers=self.headers, sums=self.sums)
            return Sent(answer=answer, same=True)
        except Stale as stale:
            facts = own_write(context, key, expect, self.operation, refused=not isinstance(stale, Raced))
            if facts is None or facts.size != self.stat.size:
                raise
            return Sent(answer=answer_of(facts))
