"""What `synctl archive` asks for, done: `control.port.Archives` over the batches."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from syncd.archive.finding import Asker, Gap, Gone, Search, Source
from syncd.archive.listing import Box, Listing, names_archive
from syncd.archive.manifests import BatchSection as BatchSection
from syncd.archive.patterns import BadPattern, Pattern, parse_pattern
from syncd.archive.reindexing import Reindex
from syncd.archive.restoring import Fate, FolderFull, Restored, Restorer
from syncd.control.port import BadRequest, NotFound, Row
from syncd.core.archive import Found
from syncd.core.manifest import nanoseconds, rfc3339
from syncd.errors import PairHalted, RemoteError
from syncd.runtime.destination import Destinations
from syncwire.exits import Exit, gravest

EACH = 1000
"""Files of a restore that are told one by one; failed ones beyond that up to ten times as many."""

EVERY_S = 0.5
"""How often progress is told."""

STOPPED = "it was stopped before the end: the same command goes on"


class ArchiveOperations:
    """Finds and restores archived files. Every method may be called from many threads at once.

    `proposal`: a folder for restored files, for those whose own the daemon may not write. `rest` waits so many
    seconds, less if the daemon stops.
    """

    def __init__(
        self,
        sections: Sequence[BatchSection],
        *,
        proposal: Path | None = None,
        rest: Callable[[float], object] | None = None,
    ) -> None:
        self._sections = sections
        self._rest = rest or threading.Event().wait
        self._destinations = Destinations(
            lambda: [(each.batch.root, f"batch {each.name} would archive them again") for each in sections],
            proposal=proposal,
        )

    def find(
        self,
        pattern: str,
        *,
        versions: bool,
        source: str | None,
        limit: int,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        """Where originals went."""
        search = self._search(pattern, versions, source, _asker(progress, gone))
        rows: list[Row] = []
        try:
            for hit in search.hits():
                if len(rows) == limit:
                    return _answer(search.source, search.gaps, rows=rows, more=True, empty=Exit.FAILED)
                rows.append(_row(hit.found))
        except Gone:
            search.gaps.append(Gap(reason=STOPPED, retryable=True))
        return _answer(search.source, search.gaps, rows=rows, more=False, empty=Exit.FAILED)

    def listing(
        self, place: str | None, *, limit: int, progress: Callable[[Row], None], gone: Callable[[], bool]
    ) -> Row:
        """Archives, or the members of the one that is named."""
        self._configured()
        asked = Listing(sections=self._sections, asker=_asker(progress, gone))
        name = (place or "").removeprefix("s3://")
        try:
            if not names_archive(name):
                boxes = asked.archives(name, limit=limit + 1)
                rows = [_box(box) for box in boxes[:limit]]
                return _answer(asked.source, asked.gaps, archives=rows, more=len(boxes) > limit)
            members = asked.members(name, limit=limit + 1)
        except Gone:
            return _answer(None, [*asked.gaps, Gap(reason=STOPPED, retryable=True)], rows=[], more=False)
        if members is None and not asked.gaps:
            raise NotFound(f"there is no archive {name}", hint="`synctl archive ls` shows which there are")
        rows = [_row(found) for found in (members or [])[:limit]]
        return _answer(asked.source, asked.gaps, rows=rows, more=len(members or []) > limit)

    def restore(
        self,
        keys: Sequence[str],
        *,
        to: str,
        view: str | None,
        versions: bool,
        source: str | None,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        """Bring them back below a folder. What fails is told, and the others go on."""
        asker = _asker(progress, gone)
        searches = [self._search(key, versions, source, asker) for key in keys]
        folder = self._destinations.check(to, view)
        job = _Restore(folder=folder, asker=asker)
        try:
            for search in searches:
                self._restore_one(search, job)
        except Gone:
            job.ended, job.codes = STOPPED, [*job.codes, Exit.TEMPORARY]
        except RemoteError as error:
            job.ended = str(error)
            job.codes.append(Exit.TEMPORARY if error.retryable else Exit.FAILED)
        except (FolderFull, PairHalted) as error:
            job.ended, job.codes = str(error), [*job.codes, Exit.FAILED]
        return job.answer(searches)

    def _restore_one(self, search: Search, job: _Restore) -> None:
        hits = search.hits()
        first = next(hits, None)
        if first is None:
            job.note(Restored(name=search.pattern.typed, path="", fate=Fate.FAILED, size=0, reason=_unknown(search)))
            return
        with self._destinations.open(job.folder) as root:
            Restorer(root, job.note, job.asker).run(chain([first], hits), source=lambda: search.source)

    def reindex(
        self, batch: str | None, bucket: str | None, *, progress: Callable[[Row], None], gone: Callable[[], bool]
    ) -> Row:
        """Tell the index again of every archive on S3."""
        chosen = self._chosen(batch)
        total = Counter[str]()
        gaps: list[Gap] = []
        for section in chosen:
            if section.index is None:
                continue
            run = Reindex(
                section=section, index=section.index, rest=self._rest, asker=_asker(progress, gone), gaps=gaps
            )
            try:
                run.run(bucket=bucket)
            except Gone:
                gaps.append(Gap(reason=STOPPED, retryable=True))
            except RemoteError as error:
                gaps.append(Gap(reason=str(error), retryable=error.retryable))
            total.update(archives=run.archives, documents=run.documents, refused=run.refused)
        if all(section.index is None for section in chosen):
            raise BadRequest("no index is configured", hint="give [batch.elasticsearch] a url, then `synctl reload`")
        codes = [Exit.TEMPORARY if each.retryable else Exit.ITEMS_FAILED for each in gaps]
        return {
            "archives": total["archives"],
            "documents": total["documents"],
            "refused": total["refused"],
            "problems": [each.reason for each in gaps],
            "exit_code": gravest([Exit.ITEMS_FAILED, *codes] if total["refused"] else codes),
        }

    # --- what is meant ---

    def _configured(self) -> None:
        if not self._sections:
            raise NotFound("no batch is configured, so nothing was archived here", hint="see [[batch]] in the manual")

    def _chosen(self, name: str | None) -> list[BatchSection]:
        self._configured()
        found = [each for each in self._sections if name in {None, each.name}]
        if not found:
            raise NotFound(f"no batch is named {name}", hint="`synctl status` lists them")
        return found

    def _search(self, typed: str, versions: bool, source: str | None, asker: Asker) -> Search:
        self._configured()
        try:
            pattern: Pattern = parse_pattern(typed, roots=[each.batch.root for each in self._sections])
            asked = None if source is None else Source(source)
        except BadPattern as error:
            raise BadRequest(f"{typed!r}: {error}", hint="see `synctl archive find --help`") from error
        return Search(sections=self._sections, pattern=pattern, versions=versions, source=asked, asker=asker)


@dataclass(slots=True, kw_only=True)
class _Restore:
    """What one restore did so far. `ended`: why it ended before its end."""

    folder: Path
    asker: Asker
    ended: str = ""
    codes: list[Exit] = field(default_factory=list)
    fates: Counter[Fate] = field(default_factory=Counter)
    bytes: int = 0
    rows: list[Row] = field(default_factory=list)

    def note(self, restored: Restored) -> None:
        """One file has its fate."""
        self.fates[restored.fate] += 1
        if restored.fate is not Fate.FAILED:
            self.bytes += restored.size
        if len(self.rows) < (10 * EACH if restored.fate is Fate.FAILED else EACH):
            self.rows.append(
                {
                    "name": restored.name,
                    "path": str(self.folder / restored.path) if restored.path else None,
                    "outcome": restored.fate.value,
                    "size": restored.size,
                    "reason": restored.reason or None,
                }
            )
        counts = {"files": self.fates[Fate.RESTORED], "bytes": self.bytes, "failed": self.fates[Fate.FAILED]}
        self.asker.tell("restoring", counts)

    def answer(self, searches: Sequence[Search]) -> Row:
        """What is told at the end."""
        gaps = [each for search in searches for each in search.gaps]
        codes = [*self.codes, *([Exit.ITEMS_FAILED] if gaps or self.fates[Fate.FAILED] else [])]
        if not self.ended and all(search.source is None for search in searches):
            codes = [_nothing(gaps)]
        return {
            "to": str(self.folder),
            "restored": self.fates[Fate.RESTORED],
            "present": self.fates[Fate.PRESENT],
            "failed": self.fates[Fate.FAILED],
            "bytes": self.bytes,
            "rows": self.rows,
            "sources": sorted({search.source.value for search in searches if search.source is not None}),
            "problems": [*(each.reason for each in gaps), *([self.ended] if self.ended else [])],
            "exit_code": gravest(codes),
        }


def _asker(progress: Callable[[Row], None], gone: Callable[[], bool]) -> Asker:
    """Tells progress now and then: it may be told for each of a million files."""
    next_at = [time.monotonic() + EVERY_S]

    def tell(doing: str, counts: dict[str, int]) -> None:
        if time.monotonic() >= next_at[0]:
            next_at[0] = time.monotonic() + EVERY_S
            progress({"doing": doing, **counts})

    return Asker(tell=tell, gone=gone)


def _answer(source: Source | None, gaps: Sequence[Gap], *, more: bool, empty: Exit = Exit.OK, **rows: object) -> Row:
    found = any(rows.values())
    nothing = _nothing(gaps) if gaps else empty
    return {
        **rows,
        "source": None if source is None else source.value,
        "more": more,
        "problems": [each.reason for each in gaps],
        "exit_code": (Exit.ITEMS_FAILED if gaps else Exit.OK) if found else nothing,
    }


def _nothing(gaps: Sequence[Gap]) -> Exit:
    """What it means that nothing was found."""
    return Exit.TEMPORARY if any(each.retryable for each in gaps) else Exit.FAILED


def _unknown(search: Search) -> str:
    if search.gaps:
        return "nothing archived is known by that name, but not everything could be looked at"
    return "nothing archived is known by that name"


def _row(found: Found) -> Row:
    member = found.member
    return {
        "bucket": found.bucket,
        "key": member.path,
        "size": member.size,
        "mtime": rfc3339(member.mtime_ns),
        "archive": f"s3://{found.bucket}/{found.archive_key}",
        "archived_at": rfc3339(nanoseconds(found.archived_at)),
        "offset": member.offset,
        "sha256": member.sha256,
        "host": found.host or None,
    }


def _box(box: Box) -> Row:
    return {
        "bucket": box.bucket,
        "key": box.key,
        "size": box.size,
        "files": box.files,
        "bytes": box.bytes,
        "created_at": rfc3339(nanoseconds(box.created_at)),
    }
