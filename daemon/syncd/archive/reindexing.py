"""The index built anew from what lies on S3: every document again, each under the id that it always has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from syncd.archive.finding import Asker, Gap, Losses, buckets_to_ask, gap
from syncd.archive.manifests import BatchSection, ListedArchive, listed_archives, read_manifest
from syncd.core.documents import documents
from syncd.errors import ItemError, RemoteError, RemoteKind, SyncdError
from syncd.ports import ArchiveIndex, Document, Taken

AT_ONCE = 1000
"""Documents in one request."""

TRIES = 5
"""A document that the index has no time for is sent so often."""

PAUSE_S = 0.5
"""Before the second time; doubled each time."""

REASONS = 20
"""Documents that were refused are counted; of so many the reason is told."""


@dataclass(slots=True, kw_only=True)
class Reindex:
    """One run over one batch. The counts grow while it runs; it may be run again at any time.

    `rest` waits so many seconds, less if the daemon stops. `strangers`: objects named as archives that are none.
    """

    section: BatchSection
    index: ArchiveIndex
    rest: Callable[[float], object]
    asker: Asker = field(default_factory=Asker)
    archives: int = 0
    documents: int = 0
    refused: int = 0
    strangers: int = 0
    gaps: list[Gap] = field(default_factory=list)
    _losses: Losses = field(default_factory=Losses)

    def run(self, *, bucket: str | None = None) -> None:
        """Every archive of every bucket, or of one. What cannot be read is a gap, and the others go on.

        RemoteError where the index takes, or S3 gives, nothing any more. Gone where nobody waits.
        """
        self.index.prepare()
        for _, each in buckets_to_ask([self.section], bucket, self.gaps):
            waiting: list[Document] = []
            for found in self._documents(each):
                waiting.append(found)
                if len(waiting) >= AT_ONCE:
                    self._add(waiting)
                    waiting = []
            self._add(waiting)

    def _documents(self, bucket: str) -> Iterator[Document]:
        self._tell()
        for archive in self._listed(bucket):
            self.asker.check()
            try:
                manifest = read_manifest(self.section, archive)
            except (ItemError, RemoteError) as error:
                self.gaps.append(gap(archive.url, error))
                self._losses.add(error)
                continue
            self._losses.end()
            if manifest is None:
                self.strangers += 1
                continue
            yield from documents(manifest)
            self.archives += 1
            self._tell()

    def _listed(self, bucket: str) -> Iterator[ListedArchive]:
        try:
            yield from listed_archives(self.section, bucket, "")
        except SyncdError as error:
            self.gaps.append(gap(f"bucket {bucket}", error))

    def _add(self, waiting: Sequence[Document]) -> None:
        """Until each is taken or refused. RemoteError where the index has no time for some, again and again."""
        left, reason, pause = list(waiting), "", PAUSE_S
        for attempt in range(TRIES):
            if not left:
                return
            if attempt:
                self.rest(pause)
                pause *= 2
            self.asker.check()
            receipts = self.index.add(left)
            for document, receipt in zip(left, receipts, strict=True):
                match receipt.taken:
                    case Taken.DONE:
                        self.documents += 1
                    case Taken.DEAD:
                        self._refused(document, receipt.reason)
                    case Taken.RETRY:
                        reason = receipt.reason
            left = [one for one, receipt in zip(left, receipts, strict=True) if receipt.taken is Taken.RETRY]
            self._tell()
        if left:
            message = f"the index of {self.section.name} has no time for {len(left)} documents: {reason}"
            raise RemoteError(RemoteKind.THROTTLED, message, hint="run it again: nothing is indexed twice")

    def _refused(self, document: Document, reason: str) -> None:
        self.refused += 1
        if self.refused <= REASONS:
            name = f"{document.source.get('bucket')}/{document.source.get('key')}"
            self.gaps.append(Gap(reason=f"the index refuses {name}: {reason}", retryable=False))

    def _tell(self) -> None:
        self.asker.tell("indexing", {"archives": self.archives, "files": self.documents})
