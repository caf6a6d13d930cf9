"""The documents of one archive on their way into the index: in heaps, tried again, from where the last try came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from syncd.archive.links import link
from syncd.config.types import S3
from syncd.core.archive import Archive, Member
from syncd.core.documents import documents
from syncd.core.manifest import Manifest
from syncd.core.paths import RelPath
from syncd.engine.context import Host
from syncd.errors import RemoteError
from syncd.ports import ArchiveIndex, ArchiveStore, Clock, DeadLetter, Document, Receipt, StopToken, Taken

AT_ONCE = 1000
"""Documents in one request: between requests a stop is seen."""

ROUNDS = 4
PAUSE_S = 0.25
"""What was not taken is sent so often in a row, after pauses that double."""

HALFWAY = 20
"""Of so many archives it is remembered how far they are."""

UNNAMED = "the index does not answer for all documents"

Piece = tuple[RelPath, Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """What bounds one try: no request begins after `deadline` (monotonic) or a stop. `moved` shows that it lives."""

    stop: StopToken
    moved: Callable[[], None]
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What one try brought. `dead`: all that were refused so far.

    `finished`: every document was taken or refused. Else `reason` says why some were not taken; "": its time was over.
    """

    finished: bool = False
    taken: int = 0
    refused: int = 0
    reason: str = ""
    dead: tuple[DeadLetter, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Halfway:
    """How far one archive is: members read from the journal, those of them to be sent again, those refused."""

    archive: Archive
    read: int = 0
    left: list[Piece] = field(default_factory=list)
    dead: dict[RelPath, DeadLetter] = field(default_factory=dict)
    taken: int = 0
    reason: str = ""


class Feeder:
    """Sends archives of one batch, one at a time.

    What it remembers of one that went in halfway only saves work: a document that is sent twice is one document.
    """

    def __init__(
        self,
        store: ArchiveStore,
        index: ArchiveIndex,
        *,
        s3: S3,
        host: Host,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._store = store
        self._index = index
        self._s3 = s3
        self._host = host
        self._clock = clock
        self._jitter = jitter
        self._halfway: dict[str, _Halfway] = {}
        self._prepared = False

    def feed(self, archive: Archive, visit: Visit) -> Fed:
        """Send what it has not sent yet. RemoteError: the index is away."""
        halfway = self._remembered(archive)
        taken, refused = halfway.taken, len(halfway.dead)
        finished = self._send(halfway, visit)
        return Fed(
            finished=finished,
            taken=halfway.taken - taken,
            refused=len(halfway.dead) - refused,
            reason=halfway.reason if halfway.left and not visit.stop.stopped() else "",
            dead=tuple(halfway.dead.values()),
        )

    def forget(self, archive: Archive) -> None:
        """It waits no longer."""
        self._halfway.pop(archive.uuid, None)

    def distrust(self) -> None:
        """The index was away: what comes back may be another one, without our template."""
        self._prepared = False

    def _send(self, halfway: _Halfway, visit: Visit) -> bool:
        """Heap by heap. Whether nothing is left."""
        for heap in self._heaps(halfway):
            halfway.left = heap  # until it is known better: whatever ends this, they are sent again
            self._add(halfway, visit)
            if halfway.left:
                return False
            if visit.stop.stopped() or self._clock.monotonic() >= visit.deadline:
                return False  # also behind the last heap: the next try sees that there is none
        return True

    def _heaps(self, halfway: _Halfway) -> Iterator[list[Piece]]:
        if halfway.left:
            yield halfway.left
        members = (original.member for original in self._store.originals(halfway.archive.uuid))
        rest = islice(members, halfway.read, None)
        while some := tuple(islice(rest, AT_ONCE)):
            halfway.read += len(some)
            paths = [member.path for member in some if not member.void]
            yield list(zip(paths, documents(self._manifest(halfway.archive, some))))

    def _manifest(self, archive: Archive, members: tuple[Member, ...]) -> Manifest:
        """What its manifest says of these members."""
        return Manifest(
            software=self._host.software,
            created_at=archive.created_at,
            host=self._host.name,
            uuid=archive.uuid,
            bucket=archive.bucket,
            key=archive.key,
            url=link(self._s3, archive.bucket, archive.key),
            members=members,
        )

    def _add(self, halfway: _Halfway, visit: Visit) -> None:
        """Send what is left, and again what was not taken, until the last round."""
        for attempt in range(ROUNDS if halfway.left else 0):
            if attempt and visit.stop.wait(PAUSE_S * 2 ** (attempt - 1) * self._jitter()):
                return
            visit.moved()
            try:
                receipts = self._ask([document for _, document in halfway.left])
            except RemoteError as error:
                if not error.retryable or self._is_last(attempt, visit):
                    raise
                continue
            self._read(halfway, receipts)
            if not halfway.left or self._is_last(attempt, visit):
                return

    def _is_last(self, attempt: int, visit: Visit) -> bool:
        return attempt == ROUNDS - 1 or self._clock.monotonic() >= visit.deadline

    def _ask(self, wanted: Sequence[Document]) -> list[Receipt]:
        if not self._prepared:
            self._index.prepare()
            self._prepared = True
        return self._index.add(wanted)

    def _read(self, halfway: _Halfway, receipts: Sequence[Receipt]) -> None:
        """Sort what is left by what became of each."""
        said = {receipt.id: receipt for receipt in receipts}
        left: list[Piece] = []
        for path, document in halfway.left:
            receipt = said.get(document.id) or Receipt(id=document.id, taken=Taken.RETRY, reason=UNNAMED)
            match receipt.taken:
                case Taken.DONE:
                    halfway.taken += 1
                case Taken.DEAD:
                    halfway.dead[path] = self._letter(halfway.archive, path, receipt.reason)
                case Taken.RETRY:
                    left.append((path, document))
                    halfway.reason = receipt.reason
        halfway.left = left

    def _letter(self, archive: Archive, path: RelPath, reason: str) -> DeadLetter:
        return DeadLetter(
            path=path, reason=reason, archive_key=archive.key, bucket=archive.bucket, at=self._clock.now()
        )

    def _remembered(self, archive: Archive) -> _Halfway:
        if archive.uuid not in self._halfway and len(self._halfway) >= HALFWAY:
            del self._halfway[next(iter(self._halfway))]  # the oldest: it will be sent from its beginning
        return self._halfway.setdefault(archive.uuid, _Halfway(archive=archive))
