"""Named mutants of what decides: one small lie each, the promise that it breaks, and who kills it.

`old` stands exactly once in its file, and the file still parses with `new` in its place: tests/unit/test_mutants.py
holds both. `make mutants` tells which of them the suite kills.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """`file` lies below daemon/syncd, `tests` below tests: run in that order until one fails."""

    name: str
    file: str
    old: str
    new: str
    promise: str
    tests: tuple[str, ...]


TABLE = ("unit/core/test_table.py", "unit/core/test_promised_table.py")
CLASSIFY = ("unit/core/test_classify.py",)
GUARD = ("unit/core/test_guard.py",)
NEWER = ("unit/core/test_newer.py",)
GUARDING = ("unit/engine/test_guarding.py", "unit/engine/test_marker.py")
CLEANING = ("unit/engine/test_cleaning.py", "unit/engine/test_staging.py")
PRECONDITION = ("unit/engine/test_precondition.py", "unit/engine/test_torn_uploads.py")
LINEAGE = ("model/test_lineage.py", "unit/engine/test_last_looks.py")
MOVES = ("unit/local/test_moves.py",)
MEMBER = ("unit/engine/test_prove_member.py",)
ENGINE = ("unit/engine",)
CLOSED = ("unit/engine/test_last_looks.py",)
ARCHIVER = ("scenario/test_archiver.py",)


def _mutants(file: str, *rows: tuple[str, str, str, str, tuple[str, ...]]) -> list[Mutant]:
    return [
        Mutant(name=name, file=file, old=old, new=new, promise=promise, tests=tests)
        for name, old, new, promise, tests in rows
    ]


DECIDE = _mutants(
    "core/reconcile.py",
    (
        "a staged file goes though its object changed",
        "return r.CLEAN_FINISH if goes_on and cell.remote is Remote.UNCHANGED else r.CLEAN_UNDO",
        "return r.CLEAN_FINISH if goes_on else r.CLEAN_UNDO",
        "a staged file comes back where its object changed or went",
        TABLE,
    ),
    (
        "a staged file goes though somebody wrote to it",
        " and not cell.staged_changed",
        "",
        "a staged file that changed since the proof stays",
        (*TABLE, *CLEANING),
    ),
    (
        "what may not be cleaned is cleaned",
        "if cell.cleanable and policy.cleanup and policy.mode is not Mode.DOWNLOAD:",
        "if policy.cleanup and policy.mode is not Mode.DOWNLOAD:",
        "only what this host uploaded and can prove is cleaned",
        TABLE,
    ),
    (
        "a pair that does not clean cleans",
        "if cell.cleanable and policy.cleanup and policy.mode is not Mode.DOWNLOAD:",
        "if cell.cleanable and policy.mode is not Mode.DOWNLOAD:",
        "nothing is cleaned where that is not configured",
        TABLE,
    ),
    (
        "a deletion on S3 beats an edit here",
        "return r.DIVERGED if download_only else r.UPLOAD_REVIVED",
        "return r.DIVERGED if download_only else r.DELETION_DOWN",
        "a deletion never beats a write",
        TABLE,
    ),
    (
        "a deletion here beats an edit on S3",
        "return r.SUPERSEDED_GONE if policy.mode is Mode.UPLOAD else r.DOWNLOAD_REVIVED",
        "return r.SUPERSEDED_GONE if policy.mode is Mode.UPLOAD else r.DELETION_UP",
        "a deletion never beats a write",
        TABLE,
    ),
    (
        "keep sends a deleted object up for ever",
        "case Mode.UPLOAD | Mode.BIDIRECTIONAL, Deletes.KEEP if not cell.restored:",
        "case Mode.UPLOAD | Mode.BIDIRECTIONAL, Deletes.KEEP:",
        "a deletion is undone at most once for one content",
        TABLE,
    ),
    (
        "keep brings a deleted file back for ever",
        "case Mode.DOWNLOAD | Mode.BIDIRECTIONAL, Deletes.KEEP if not cell.restored:",
        "case Mode.DOWNLOAD | Mode.BIDIRECTIONAL, Deletes.KEEP:",
        "a deletion is undone at most once for one content",
        TABLE,
    ),
    (
        "an object is deleted where that loses it",
        "return r.DELETION_UP if policy.can_delete else r.DELETION_UNSUPPORTED",
        "return r.DELETION_UP",
        "deletions are carried over only where that loses nothing",
        TABLE,
    ),
    (
        "leave propagates",
        "case Mode.DOWNLOAD | Mode.BIDIRECTIONAL, Deletes.PROPAGATE:",
        "case Mode.DOWNLOAD | Mode.BIDIRECTIONAL, Deletes.PROPAGATE | Deletes.LEAVE:",
        "deletions are carried over only where that is configured",
        TABLE,
    ),
    (
        "a download pair writes to S3 in a conflict",
        "return r.DIVERGED_SEEN if download_only else r.CONFLICT_LOCAL",
        "return r.CONFLICT_LOCAL",
        "a download pair never writes to S3",
        TABLE,
    ),
    (
        "an upload pair echoes",
        "return r.SUPERSEDED if policy.mode is Mode.UPLOAD else r.DOWNLOAD_CHANGED",
        "return r.UPLOAD_CHANGED if policy.mode is Mode.UPLOAD else r.DOWNLOAD_CHANGED",
        "nobody writes to S3 because the object changed",
        TABLE,
    ),
    (
        "an upload pair replaces the object in a conflict that it lost",
        "return r.CONFLICT_STORED if upload_only else r.CONFLICT_REMOTE",
        "return r.UPLOAD_CHANGED if upload_only else r.CONFLICT_REMOTE",
        "two written sides are never settled without a conflict that is shown",
        TABLE,
    ),
    (
        "an archived object is read",
        "if cell.archived and (rule.do in {Do.DOWNLOAD, Do.KEEP_BOTH}",
        "if cell.archived and (rule.do in {Do.KEEP_BOTH}",
        "an archived object is never read",
        TABLE,
    ),
)

RULES = _mutants(
    "core/rules.py",
    (
        "who loses on S3 is not kept",
        '"both changed, local wins: the object is kept aside, then replaced",\n    displaces=True,',
        '"both changed, local wins: the object is kept aside, then replaced",\n    displaces=False,',
        "every settled conflict keeps what it takes away",
        TABLE,
    ),
    (
        "who loses here is not kept",
        '"both changed, remote wins: the local file goes to trash, the object comes down",\n    displaces=True,',
        '"both changed, remote wins: the local file goes to trash, the object comes down",\n    displaces=False,',
        "every settled conflict keeps what it takes away",
        TABLE,
    ),
    (
        "new content under a cleaned name takes the only copy",
        '"new content under a cleaned name: the object is displaced first", displaces=True',
        '"new content under a cleaned name: the object is displaced first", displaces=False',
        "new content under a cleaned name keeps the object aside first",
        (*TABLE, *CLEANING),
    ),
    (
        "local deletions are not counted",
        "return self.do in {Do.TRASH_LOCAL, Do.DELETE_REMOTE}",
        "return self.do in {Do.DELETE_REMOTE}",
        "too many deletions at once wait for a person",
        (*GUARDING, *CLOSED),
    ),
)

CLASSES = _mutants(
    "core/classify.py",
    (
        "a file that is still young is believed",
        "return record.stat != stat or racy(stat, record.looked_ns)",
        "return record.stat != stat",
        "an edit that keeps size and time is seen",
        CLASSIFY,
    ),
    (
        "only the size is compared",
        "return record.stat != stat or racy(stat, record.looked_ns)",
        "return record.size != stat.size or racy(stat, record.looked_ns)",
        "an edit that keeps size and time is seen",
        CLOSED,
    ),
    (
        "what came down is cleaned",
        "return record.origin is Origin.UPLOADED and record.proof",
        "return record.proof",
        "only what this host uploaded is cleaned",
        CLASSIFY,
    ),
    (
        "what is only taken for the same is cleaned",
        " and record.proof is not ProofKind.UNPROVEN and not record.kept",
        " and not record.kept",
        "only what can be proven is cleaned",
        CLASSIFY,
    ),
    (
        "what came back is cleaned again",
        " and record.proof is not ProofKind.UNPROVEN and not record.kept",
        " and record.proof is not ProofKind.UNPROVEN",
        "the same content back under a cleaned name stays",
        CLASSIFY,
    ),
    (
        "the proof of an old ETag counts for the new one",
        "cleans = False  # the proof is of",
        "pass  # the proof is of",
        "a file is cleaned only under the recorded ETag",
        CLASSIFY,
    ),
    (
        "a staged file goes under a new ETag",
        "elif local is not Local.STAGED:",
        "else:",
        "a file is cleaned only under the recorded ETag",
        CLASSIFY,
    ),
    (
        "a file missing while it is cleaned is a deletion",
        "case LocalState.CLEANED | LocalState.CLEANING:\n            return Local.CLEANED",
        "case LocalState.CLEANED | LocalState.CLEANING:\n            return Local.DELETED",
        "a cleaned file is no deletion",
        CLASSIFY,
    ),
)

GUARDS = [
    *_mutants(
        "core/guard.py",
        (
            "an incomplete look deletes",
            "if not sight.complete:",
            "if False:",
            "a side that was not seen whole deletes nothing",
            GUARD,
        ),
        (
            "an emptied root deletes everything",
            "if sight.local_files == 0 and sight.local_gone >= EMPTIED_FROM:",
            "if False:",
            "a side that was emptied deletes nothing",
            GUARD,
        ),
        (
            "an emptied prefix trashes everything",
            "if sight.remote_objects == 0 and sight.remote_gone >= EMPTIED_FROM:",
            "if False:",
            "a side that was emptied deletes nothing",
            GUARD,
        ),
        (
            "one more than max_delete passes",
            "and sight.removals > limit.count:",
            "and sight.removals > limit.count + 1:",
            "too many deletions at once wait for a person",
            GUARD,
        ),
        (
            "a share never halts",
            "sight.removals >= SHARE_FROM and sight.removals > limit.share * sight.tracked",
            "sight.removals < SHARE_FROM and sight.removals > limit.share * sight.tracked",
            "too many deletions at once wait for a person",
            GUARD,
        ),
        (
            "the hour is forgotten",
            "and sight.removals + sight.removed_last_hour > limit.per_hour:",
            "and sight.removals > limit.per_hour:",
            "too many deletions at once wait for a person",
            GUARD,
        ),
    ),
    *_mutants(
        "engine/guarding.py",
        (
            "who accepted one plan accepted them all",
            "if step.rule.removes and step.fingerprint not in accepted]",
            "if step.rule.removes and not accepted]",
            "a person accepts the plan that was shown and nothing newer",
            GUARDING,
        ),
        (
            "the intent is not announced",
            "context.records.set_generation(known + 1)",
            "context.records.set_generation(known)",
            "a batch of removals is announced first",
            GUARDING,
        ),
        (
            "a root that took no mark is emptied",
            "return context.tree.write_marker(replace(marker, generation=known + 1))",
            "return context.tree.write_marker(replace(marker, generation=known + 1)) or True",
            "where the root cannot be marked, nothing is removed",
            (*GUARDING, *CLOSED),
        ),
        (
            "a marker that is ahead is nobody's concern",
            "if marker.generation > known:",
            "if False:",
            "a database behind its time removes nothing",
            GUARDING,
        ),
        (
            "any missing file that was renamed once is a rename",
            "return here is not None and here.same_file(record.stat)",
            "return True",
            "a rename whose new name went as well is a deletion",
            GUARDING,
        ),
        (
            "a full disk lets removals run unannounced",
            "return tuple(step for step in kept if step.rule.do not in REMOVALS)",
            "return tuple(kept)",
            "where the root cannot be marked, nothing is removed",
            GUARDING,
        ),
    ),
    *_mutants(
        "engine/sweep.py",
        (
            "what could not be seen here is deleted there",
            "if stat is None and self._sight.is_blind(path):",
            "if False:",
            "a side that was not seen whole deletes nothing",
            (*CLOSED, "scenario/test_odd_names.py"),
        ),
        (
            "a bucket that could not be listed reads as deletions",
            'return listed is None and path.partition("/")[0] in self._context.objects.incomplete',
            "return False",
            "a side that was not seen whole deletes nothing",
            ("unit/engine/test_bucket_layout.py",),
        ),
    ),
    *_mutants(
        "engine/breaker.py",
        (
            "an endpoint that is down is asked for every path",
            "if self._strikes >= STRIKES:",
            "if False:",
            "so many failures in a row end the pass",
            ("unit/engine/test_breaker.py",),
        ),
    ),
    *_mutants(
        "engine/cycle.py",
        (
            "nobody judges",
            "verdict = Verdict(allowed=()) if self._dry or self._held else self._judge()",
            "verdict = Verdict(allowed=tuple(self.steps))",
            "too many deletions at once wait for a person",
            (*GUARDING, *CLOSED),
        ),
        (
            "an overwritten file does not wait for the guard",
            "            return step.sides.stat is not None\n        case",
            "            return False\n        case",
            "overwrites wait too",
            (*GUARDING, *CLOSED),
        ),
        (
            "an overwritten object does not wait for the guard",
            "            return step.sides.listed is not None\n        case",
            "            return False\n        case",
            "overwrites wait too",
            (*GUARDING, *CLOSED),
        ),
        (
            "two workers on one path",
            "if not self._context.claims.take(path):",
            "if self._context.claims.take(path) and False:",
            "a path has one worker at a time",
            ("unit/engine/test_backlog.py",),
        ),
    ),
    *_mutants(
        "engine/step.py",
        (
            "a plan names no version",
            "parts = (self.rule.id, self.path, repr(self.sides.stat), etag)",
            "parts = (self.rule.id, self.path)",
            "a person accepts the plan that was shown and nothing newer",
            (*GUARDING, *CLOSED),
        ),
        (
            "what was never the same gives way as an older version",
            "return absent or record.proof is ProofKind.UNPROVEN",
            "return absent",
            "what is no edit of what it replaces keeps it",
            LINEAGE,
        ),
        (
            "what stood alone gives way as an older version",
            "return absent or record.proof is ProofKind.UNPROVEN",
            "return record.proof is ProofKind.UNPROVEN",
            "what is no edit of what it replaces keeps it",
            LINEAGE,
        ),
        (
            "content written anew is taken for the recorded one",
            "return not stat.same_file(record.stat)",
            "return False",
            "content written anew since the record is kept",
            (*CLOSED, "scenario/test_edits.py"),
        ),
    ),
]
