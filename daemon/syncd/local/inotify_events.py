"""What a watched root tells: hints about paths, never the truth. Whoever hears one looks at the files."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.paths import RelPath


@dataclass(frozen=True, slots=True)
class Closed:
    """A file was closed after writing, or arrived whole by a rename: it may go at once."""

    path: RelPath


@dataclass(frozen=True, slots=True)
class Touched:
    """A file was created, written or given other attributes, and is not known to be closed."""

    path: RelPath


@dataclass(frozen=True, slots=True)
class Gone:
    """A file was deleted or moved away from this name."""

    path: RelPath


@dataclass(frozen=True, slots=True)
class FolderAppeared:
    """A folder was made, moved in, renamed to this name or became readable. Its watches stand: scan all of it now."""

    path: RelPath


@dataclass(frozen=True, slots=True)
class FolderGone:
    """A folder was deleted or moved away from this name, with everything below it."""

    path: RelPath


@dataclass(frozen=True, slots=True)
class Overflowed:
    """Events were lost. The watches are whole again: scan the root now."""


@dataclass(frozen=True, slots=True)
class RootGone:
    """The root was deleted, moved or unmounted. The watch has ended."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Nothing more will be heard; only scans find changes. `reason` says why and what to run."""

    reason: str


HotEvent = Closed | Touched | Gone | FolderAppeared | FolderGone | Overflowed | RootGone | Degraded
