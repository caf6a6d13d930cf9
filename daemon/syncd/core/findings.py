"""Every finding of a verification, by id. `synctl verify`, the audit and docs/operate.md name these ids."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Sign(str, Enum):
    """The signs of `rclone check --combined`: this host is the source, S3 the destination."""

    SAME = "="
    REMOTE_ONLY = "-"
    LOCAL_ONLY = "+"
    DIFFERENT = "*"
    ERROR = "!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One row of a verification. `intended`: the mode, or a person, leaves it so, and it is no difference.

    `refutes`: the bytes of a side are no longer the recorded ones though nobody wrote them, so no proof stands.
    """

    id: str
    sign: Sign
    why: str
    intended: bool = False
    refutes: bool = False

    @property
    def differs(self) -> bool:
        """Whether it counts as a difference (exit 4)."""
        return self.sign not in {Sign.SAME, Sign.ERROR} and not self.intended


FINDINGS: dict[str, Finding] = {}


def _f(id: str, sign: Sign, why: str, *, intended: bool = False, refutes: bool = False) -> Finding:
    finding = Finding(id=id, sign=sign, why=why, intended=intended, refutes=refutes)
    FINDINGS[id] = finding
    return finding


SAME_READ = _f("same.read", Sign.SAME, "both were read and hold the same bytes")
SAME_RECORDED = _f("same.recorded", Sign.SAME, "the file is as recorded, and the object is the recorded one")
SAME_CHECKSUM = _f("same.checksum", Sign.SAME, "what the server computed is what the file has")
SAME_METADATA = _f("same.metadata", Sign.SAME, "the object's metadata claims the file's hash; --download reads it")
SAME_UNPROVEN = _f(
    "same.unproven", Sign.SAME, "the same size, and nothing on S3 tells the content; --download reads it"
)
SAME_ARCHIVED = _f("same.archived", Sign.SAME, "in an archive tier: compared by record and metadata, not read")
CLEANING = _f("cleaning", Sign.SAME, "being cleaned: the file lies in .syncd/cleaning and is the same")
CLEANED = _f("cleaned", Sign.SAME, "cleaned here; the object is the proven one")
CLEANED_READ = _f("cleaned.read", Sign.SAME, "cleaned here; the object was read and holds the proven bytes")
CLEANED_METADATA = _f(
    "cleaned.metadata", Sign.SAME, "cleaned here; another ETag, and its metadata claims the proven content"
)

LOCAL_ONLY = _f("local-only", Sign.LOCAL_ONLY, "only here, and this pair only downloads", intended=True)
REMOTE_ONLY = _f("remote-only", Sign.REMOTE_ONLY, "only on S3, and this pair only uploads", intended=True)
REMEMBERED_HERE = _f(
    "remembered.here", Sign.REMOTE_ONLY, "deleted here and remembered: the object stays", intended=True
)
REMEMBERED_THERE = _f(
    "remembered.there", Sign.LOCAL_ONLY, "deleted on S3 and remembered: the file stays", intended=True
)

NEW_HERE = _f("new.here", Sign.LOCAL_ONLY, "new or changed here, not sent yet")
NEW_THERE = _f("new.there", Sign.REMOTE_ONLY, "new or changed on S3, not fetched yet")
GONE_HERE = _f("gone.here", Sign.REMOTE_ONLY, "deleted here since the last pass")
GONE_THERE = _f("gone.there", Sign.LOCAL_ONLY, "deleted on S3 since the last pass")
GONE_BOTH = _f("gone.both", Sign.DIFFERENT, "recorded, and now on neither side: no copy is left that we know of")
CHANGED_HERE = _f("changed.here", Sign.DIFFERENT, "changed here, not sent yet")
CHANGED_THERE = _f("changed.there", Sign.DIFFERENT, "the object is another one than the recorded one")
CHANGED_BOTH = _f("changed.both", Sign.DIFFERENT, "both changed since they were recorded")
UNRECORDED = _f("unrecorded", Sign.DIFFERENT, "on both sides, different, and never recorded as the same")
SUPERSEDED = _f("superseded", Sign.DIFFERENT, "changed on S3, and this pair only uploads: seen and left")
DIVERGED = _f("diverged", Sign.DIFFERENT, "changed here, and this pair only downloads: left")
CLEANED_OTHER = _f("cleaned.other", Sign.DIFFERENT, "cleaned here; the object is no longer the proven one")
CLEANED_GONE = _f("cleaned.gone", Sign.DIFFERENT, "cleaned here and gone from S3: no copy is left that we know of")

ROTTED_HERE = _f(
    "rotted.here",
    Sign.DIFFERENT,
    "the local file has other bytes under its recorded size and times; the object is good",
    refutes=True,
)
ROTTED_THERE = _f(
    "rotted.there",
    Sign.DIFFERENT,
    "S3 gives other bytes under the recorded ETag; the local file is good",
    refutes=True,
)
ROTTED_BOTH = _f(
    "rotted.both", Sign.DIFFERENT, "neither side has the recorded bytes, though nobody wrote to either", refutes=True
)
CLEANED_ROTTED = _f(
    "cleaned.rotted",
    Sign.DIFFERENT,
    "cleaned here, and S3 gives other bytes under the proven ETag: this host has no good copy",
    refutes=True,
)

UNREADABLE = _f("unreadable", Sign.ERROR, "could not be looked at")
RESTLESS = _f("restless", Sign.ERROR, "changed each time while it was looked at")
