"""Every rule a path can fall under, by id. `plan`, `explain`, `history` and SEMANTICS.md name these ids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Do(str, Enum):
    """What the engine does for one path."""

    NOTHING = "nothing"
    ADOPT = "adopt"  # both sides agree: write the record, move no bytes
    UPLOAD = "upload"
    DOWNLOAD = "download"
    STORE_CONFLICT = "store-conflict"  # own bytes go up under the conflict name; the object stays
    KEEP_BOTH = "keep-both"  # the local file takes the conflict name, then the object comes down
    TRASH_LOCAL = "trash-local"
    DELETE_REMOTE = "delete-remote"
    REMEMBER_LOCAL = "remember-local-absence"
    REMEMBER_REMOTE = "remember-remote-absence"
    MARK_SUPERSEDED = "mark-superseded"
    MARK_DIVERGED = "mark-diverged"
    CLEAN = "clean"  # commit Cleaning, stage the file
    FINISH_CLEANING = "finish-cleaning"  # unlink what is staged, with proof
    UNSTAGE = "unstage"  # bring a staged file back
    RECORD_CLEANED = "record-cleaned"
    DROP = "drop"  # forget the record


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the decision table. `displaces`: what it overwrites or removes is kept first, in every mode."""

    id: str
    do: Do
    why: str
    displaces: bool = False
    conflict: bool = False
    winner: str = ""  # "local" or "remote" where the rule settles a conflict
    restores: bool = False  # undoes a deletion; at most once for one content
    shown_as: str = ""  # the status count it belongs to: superseded diverged archived conflicts
    last_copy: bool = False

    @property
    def removes(self) -> bool:
        """Whether it takes a path away on one side by a deletion on the other (what max_delete counts)."""
        return self.do in {Do.TRASH_LOCAL, Do.DELETE_REMOTE}


def _r(id: str, do: Do, why: str, **more: object) -> Rule:
    rule = Rule(id=id, do=do, why=why, **more)  # type: ignore[arg-type]  # keyword pass-through of Rule's own fields
    RULES[id] = rule
    return rule


RULES: dict[str, Rule] = {}

IN_STEP = _r("in-step", Do.NOTHING, "both sides are as last agreed")
CLEAN = _r(
    "clean", Do.CLEAN, "proven on S3, and this pair cleans: the local file moves out, to be removed a cycle later"
)
CLEAN_ABORTED = _r("clean.aborted", Do.ADOPT, "was being cleaned, and this pair cleans no more: the file stays")
CLEAN_FINISH = _r("clean.finish", Do.FINISH_CLEANING, "staged a cycle ago, and the object is still the proven one")
CLEAN_UNDO = _r(
    "clean.undo", Do.UNSTAGE, "staged, but the object changed or went, or this pair cleans no more: it comes back"
)
CLEAN_DONE = _r(
    "clean.done", Do.RECORD_CLEANED, "cleaned: the file is gone as intended, and the record says so from now on"
)
CLEANED = _r("cleaned", Do.NOTHING, "cleaned here; the object is as we left it")
CLEANED_LEFT = _r("cleaned.left", Do.NOTHING, "cleaned here; the object changed, and this pair only uploads")
CLEANED_DOWNLOAD = _r("cleaned.download", Do.DOWNLOAD, "cleaned here, then changed on S3: it comes down and stays")
CLEANED_BACK = _r(
    "cleaned.back", Do.ADOPT, "the same content is back under a cleaned name: it stays, not cleaned again by itself"
)
CLEANED_RECOVERED = _r(
    "cleaned.recovered",
    Do.RECORD_CLEANED,
    "no record, but this host uploaded it and this pair cleans: it counts as cleaned",
)
LAST_COPY = _r(
    "cleaned.last-copy",
    Do.DROP,
    "cleaned here and deleted on S3: the last copy that we knew of is gone",
    last_copy=True,
)

SAME = _r("same-content", Do.ADOPT, "both sides hold the same content: recorded, no transfer")
SAME_UNPROVEN = _r(
    "same-content.unproven", Do.ADOPT, "same size and not older on S3: taken as the same, unproven, never cleaned"
)
REFRESH = _r("refresh", Do.ADOPT, "same content under a new time, inode or ETag: the record takes it")

UPLOAD_CHANGED = _r("upload.changed", Do.UPLOAD, "changed here")
UPLOAD_NEW = _r("upload.new", Do.UPLOAD, "new here")
UPLOAD_REVIVED = _r(
    "upload.write-beats-deletion", Do.UPLOAD, "changed here and deleted on S3: a deletion never beats a write"
)
UPLOAD_RECREATED = _r(
    "upload.recreated", Do.UPLOAD, "new content under a cleaned name: the object is displaced first", displaces=True
)
UPLOAD_RESTORED = _r(
    "upload.restored", Do.UPLOAD, "deleted on S3 and deletes are kept: it goes up again, once", restores=True
)

DOWNLOAD_CHANGED = _r("download.changed", Do.DOWNLOAD, "changed on S3")
DOWNLOAD_NEW = _r("download.new", Do.DOWNLOAD, "new on S3")
DOWNLOAD_REVIVED = _r(
    "download.write-beats-deletion", Do.DOWNLOAD, "deleted here and changed on S3: a deletion never beats a write"
)
DOWNLOAD_RESTORED = _r(
    "download.restored", Do.DOWNLOAD, "deleted here and deletes are kept: it comes back, once", restores=True
)
DOWNLOAD_SOURCE = _r(
    "download.source-is-truth", Do.DOWNLOAD, "deleted here, and this pair only downloads: the source is the truth"
)

SUPERSEDED = _r(
    "superseded",
    Do.MARK_SUPERSEDED,
    "changed on S3, and this pair only uploads: left, and not written again",
    shown_as="superseded",
)
STILL_SUPERSEDED = _r("superseded.still", Do.NOTHING, "the change on S3 was seen and left", shown_as="superseded")
SUPERSEDED_GONE = _r(
    "superseded.forgotten", Do.DROP, "deleted here and changed on S3, and this pair only uploads: no longer ours"
)
DIVERGED = _r("diverged", Do.NOTHING, "changed here, and this pair only downloads: left", shown_as="diverged")
DIVERGED_SEEN = _r(
    "diverged.conflict",
    Do.MARK_DIVERGED,
    "both changed and local wins, and this pair only downloads: both are left",
    shown_as="diverged",
)
STILL_DIVERGED = _r("diverged.still", Do.NOTHING, "the difference was seen and left", shown_as="diverged")
LOCAL_ONLY = _r("local-only", Do.NOTHING, "only here, and this pair only downloads")
REMOTE_ONLY = _r("remote-only", Do.NOTHING, "only on S3, and this pair only uploads")

CONFLICT_LOCAL = _r(
    "conflict.local",
    Do.UPLOAD,
    "both changed, local wins: the object is kept aside, then replaced",
    displaces=True,
    conflict=True,
    winner="local",
)
CONFLICT_REMOTE = _r(
    "conflict.remote",
    Do.DOWNLOAD,
    "both changed, remote wins: the local file goes to trash, the object comes down",
    displaces=True,
    conflict=True,
    winner="remote",
)
CONFLICT_BOTH = _r(
    "conflict.both",
    Do.KEEP_BOTH,
    "both changed: the local file takes the conflict name, the object comes down",
    conflict=True,
    winner="remote",
)
CONFLICT_STORED = _r(
    "conflict.stored",
    Do.STORE_CONFLICT,
    "both changed, the object stays: our bytes go up under the conflict name",
    conflict=True,
    winner="remote",
    shown_as="superseded",
)

DELETION_UP = _r(
    "delete.remote",
    Do.DELETE_REMOTE,
    "deleted here, and deletes propagate: the object is kept aside, then deleted",
    displaces=True,
)
DELETION_DOWN = _r(
    "delete.local", Do.TRASH_LOCAL, "deleted on S3, and deletes propagate: the local file goes to trash", displaces=True
)
DELETION_UNSUPPORTED = _r(
    "delete.unsupported",
    Do.REMEMBER_LOCAL,
    "deleted here, but this endpoint has no conditional delete and no versions: remembered, the object stays",
)
LOCAL_ABSENCE = _r("delete.remembered-local", Do.REMEMBER_LOCAL, "deleted here: remembered, the object stays")
REMOTE_ABSENCE = _r("delete.remembered-remote", Do.REMEMBER_REMOTE, "deleted on S3: remembered, the local file stays")
ABSENCE = _r("absence", Do.NOTHING, "a remembered absence; the other side is unchanged")
GONE = _r("gone", Do.DROP, "gone on both sides: the record goes too")

ARCHIVED = _r(
    "archived", Do.NOTHING, "the object lies in an archive tier: held until it is restored there", shown_as="archived"
)
