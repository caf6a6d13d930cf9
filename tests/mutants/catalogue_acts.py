"""The mutants of what acts on a decision: prove, clean, move, send, record."""

from __future__ import annotations

from mutants.catalogue import (
    ARCHIVER,
    CLEANING,
    CLOSED,
    LINEAGE,
    MEMBER,
    MOVES,
    NEWER,
    PRECONDITION,
    Mutant,
    _mutants,
)

RESUMED = ("unit/engine/test_resumed_uploads.py",)

PROOFS = _mutants(
    "engine/prove.py",
    (
        "another object under the key vouches for the file",
        "if facts is None or facts.etag != record.etag or facts.size != record.size:",
        "if facts is None:",
        "a file is cleaned only under the recorded ETag",
        (*CLOSED, *CLEANING, "unit/engine/test_departures.py"),
    ),
    (
        "what was never proven counts as proven",
        "if not still_proves(context.capabilities, record, facts):",
        "if record.etag is None:",
        "nothing but a proof lets an uploaded file go",
        (*CLOSED, "scenario/test_cleanup.py"),
    ),
    (
        "a read-back of other bytes is a proof",
        "if read_back(context, key, record.etag, record.digest.type) != record.digest:",
        "if read_back(context, key, record.etag, record.digest.type) is None:",
        "nothing but a proof lets an uploaded file go",
        CLOSED,
    ),
    (
        "a staged file is unlinked whatever it holds",
        "if _digest(context, file, record.digest, staged.size) != record.digest:",
        "if _digest(context, file, record.digest, staged.size) is None:",
        "a staged file that changed since the proof stays",
        CLEANING,
    ),
    (
        "a void member lets its original go",
        "if member.void or member.size != staged.size:",
        "if member.size != staged.size:",
        "what changes while it is packed stays",
        MEMBER,
    ),
    (
        "an original of other bytes goes",
        "if _digest(context, file, digest, staged.size) != digest:",
        "if _digest(context, file, digest, staged.size) is None:",
        "an original that somebody wrote to stays",
        MEMBER,
    ),
    (
        "an archive that was never proven lets originals go",
        "if archive.etag is None or archive.proof not in PROVEN:",
        "if archive.etag is None:",
        "an original goes only while its archive is on S3 as it was proven",
        MEMBER,
    ),
    (
        "another archive under the key lets originals go",
        "if facts is None or facts.etag != archive.etag or facts.size != archive.size:",
        "if facts is None:",
        "an original goes only while its archive is on S3 as it was proven",
        MEMBER,
    ),
)

CLEANERS = [
    *_mutants(
        "engine/removing.py",
        (
            "a file that is back loses its object",
            "if context.tree.lstat(step.path) is not None:",
            "if False:",
            "a deletion never beats a write",
            CLOSED,
        ),
        (
            "an object that changed meanwhile is deleted where nobody checks",
            "    if not honoured:\n        check_object_unchanged",
            "    if False:\n        check_object_unchanged",
            "a deletion never beats a write",
            CLOSED,
        ),
        (
            "a file whose object is back goes to trash",
            "    check_object_gone(context, step)\n    name = context.tree.trash",
            "    name = context.tree.trash",
            "a deletion never beats a write",
            CLOSED,
        ),
        (
            "the proof of an old ETag stands in a cleaned row",
            "version_id=version_id, checksum=checksum, proof=ProofKind.NONE)\n    return Done",
            "version_id=version_id, checksum=checksum)\n    return Done",
            "a new ETag brings no proof",
            CLOSED,
        ),
        (
            "the last copy is called gone on the listing's word",
            "    if step.rule.last_copy:\n        check_object_gone(context, step)",
            "    if step.rule.last_copy:",
            "the last copy is called deleted only when a HEAD confirms it",
            CLEANING,
        ),
    ),
    *_mutants(
        "engine/cleaning.py",
        (
            "a file that somebody reads is moved out",
            "_refuse_open(context, context.tree.open_elsewhere(step.path, for_writing=False), step.stat)",
            "_refuse_open(context, context.tree.open_elsewhere(step.path, for_writing=True), step.stat)",
            "a file goes only when nobody has it open",
            (*CLOSED, "scenario/test_cleanup.py"),
        ),
        (
            "a staged file that somebody has open is unlinked",
            "_refuse_open(context, context.tree.staged_open_elsewhere(step.path), staged)",
            "_refuse_open(context, Openness.CLOSED, staged)",
            "a file goes only when nobody has it open",
            CLEANING,
        ),
        (
            "a proof that was taken back meanwhile lets the file go",
            "if now is None or now.seq != step.seq:",
            "if now is None:",
            "a proof that the audit refuted lets nothing be cleaned",
            ("unit/engine/test_departures.py",),
        ),
        (
            "who cannot be seen has nothing open",
            "if openness is Openness.UNKNOWN and age_s <",
            "if False and age_s <",
            "unknown is not closed",
            CLEANING,
        ),
        (
            "what lost records left in staging stands for a later file",
            "    staged = context.tree.staged(step.path)\n    if staged is None:\n        return None",
            "    return None",
            "with the record lost a staged file is not lost",
            CLEANING,
        ),
    ),
    *_mutants(
        "archive/clear.py",
        (
            "an original that somebody has open is unlinked",
            "if self._may_go(openness, staged, max(batch.min_age, batch.settle).total_seconds()):",
            "if True:",
            "an original that somebody has open stays",
            ARCHIVER,
        ),
        (
            "an original comes back over a newer one",
            "        if self._tree.lstat(path) is None:\n            self._tree.unstage(path)\n            return",
            "        self._tree.unstage(path)\n        return",
            "a staged original that was written to goes to trash where its place is taken",
            ARCHIVER,
        ),
    ),
]

ACTS = [
    *_mutants(
        "engine/execute.py",
        (
            "a file open for writing is moved away",
            "if context.tree.open_elsewhere(step.path, for_writing=True) is Openness.OPEN:",
            "if False:",
            "a file that is being written is neither sent, replaced nor moved",
            CLOSED,
        ),
    ),
    *_mutants(
        "engine/precondition.py",
        (
            "where nothing is honoured nobody looks",
            "    _look(context, key, expect)\n    return Unchecked()",
            "    return Unchecked()",
            "another writer on S3 between our look and our write loses nothing",
            PRECONDITION,
        ),
        (
            "our own write is a stranger's",
            "if facts is not None and facts.operation_id == operation:",
            "if False:",
            "a write whose answer got lost is known as our own",
            PRECONDITION,
        ),
        (
            "one refusal switches a precondition off",
            "elif (key, expect) in doubted:",
            "elif True:",
            "an endpoint whose precondition is broken is noticed, and no other",
            PRECONDITION,
        ),
        (
            "an object that changed is completed over",
            "    _look(context, key, expect)\n    return expect if",
            "    return expect if",
            "an object that changes while a large file goes up is not overwritten unseen",
            (*CLOSED, "scenario/test_edits.py"),
        ),
    ),
    *_mutants(
        "engine/displace.py",
        (
            "another version than the one decided on is kept",
            "if facts is None or facts.etag != etag:",
            "if facts is None:",
            "every version is kept before something takes its place",
            CLOSED,
        ),
        (
            "a copy of who knows what counts as kept",
            "if after is None or after.etag != etag:",
            "if after is None:",
            "every version is kept before something takes its place",
            CLOSED,
        ),
        (
            "a version without a number counts as kept",
            "if context.capabilities.versioned and facts.version_id is not None:",
            "if context.capabilities.versioned:",
            "a suspended bucket counts as not versioned",
            (*CLOSED, "scenario/test_conflicts.py"),
        ),
        (
            "what stood alone on S3 is not kept",
            "kept_anyway = step.rule.displaces or step.unrelated or step.disguised",
            "kept_anyway = step.rule.displaces or step.disguised",
            "what is no edit of what it replaces keeps it",
            LINEAGE,
        ),
        (
            "other bytes under the old time replace the object for good",
            "step.unrelated or step.disguised",
            "step.unrelated",
            "an edit that leaves size, time and inode as they were keeps the object aside",
            ("unit/engine/test_disguised.py",),
        ),
        (
            "keep_versions = all keeps conflicts alone",
            "return kept_anyway or context.pair.keep_versions is KeepVersions.ALL",
            "return kept_anyway",
            "keep_versions = all keeps what an ordinary edit replaces",
            (*CLOSED, "scenario/test_edits.py"),
        ),
    ),
    *_mutants(
        "engine/work.py",
        (
            "a row that is newer than the pass is decided on by an old listing",
            "if newest_seq is not None and sides.record is not None and sides.record.seq > newest_seq:",
            "if False:",
            "a row that changed after a pass began is left to the next",
            CLOSED,
        ),
    ),
    *_mutants(
        "engine/commit.py",
        (
            "a record overwrites a newer one",
            "return Commit(path=step.path, expect_seq=step.seq, put=record,",
            "return Commit(path=step.path, expect_seq=None, put=record,",
            "a step carries the row that it was decided under",
            CLOSED,
        ),
        (
            "a newer record is dropped",
            "return Commit(path=step.path, expect_seq=step.seq, drop=step.path,",
            "return Commit(path=step.path, expect_seq=None, drop=step.path,",
            "a step carries the row that it was decided under",
            CLOSED,
        ),
    ),
    *_mutants(
        "engine/upload.py",
        (
            "a file that changed on its way is done",
            "intact = sent.same is not False and unchanged()",
            "intact = sent.same is not False",
            "a torn upload goes again",
            (*CLOSED, *PRECONDITION, "unit/engine/test_express.py"),
        ),
        (
            "another ETag than ours is no matter",
            "if etag != hashes.md5.hex():",
            "if False:",
            "a store that keeps other bytes is noticed",
            CLOSED,
        ),
        (
            "another checksum than ours is no matter",
            "    if disagrees(answer.checksum, hashes):",
            "    if False:",
            "a store that keeps other bytes is noticed",
            CLOSED,
        ),
    ),
    *_mutants(
        "engine/download.py",
        (
            "half an object is a file",
            "if count != facts.size:",
            "if False:",
            "a body that broke off is no file",
            CLOSED,
        ),
        (
            "bytes that their metadata denies are placed",
            "if not problem and metadata_denies(facts, hashes):",
            "if False:",
            "what metadata claims against the bytes is disbelieved only after a second read",
            (*CLOSED, "scenario/test_foreign_objects.py"),
        ),
        (
            "a file opened while the bytes came is replaced",
            "if isinstance(expect, Unchanged) and context.tree.open_elsewhere",
            "if False and context.tree.open_elsewhere",
            "a file that is being written is neither sent, replaced nor moved",
            CLOSED,
        ),
    ),
    *_mutants(
        "engine/parts.py",
        (
            "an upload goes on with parts of another version",
            "same_version = source.stat == cargo.stat and source.digest == _digest(context, cargo)",
            "same_version = True",
            "an upload goes on only as the very same version of its file",
            RESUMED,
        ),
        (
            "parts that the store shows otherwise are taken for ours",
            "shown.part.etag != sent.part.etag or",
            "False or",
            "an upload goes on only from the parts that the store still has",
            RESUMED,
        ),
        (
            "bytes that changed on their way in a part are completed",
            "if body.sums and body.whole_hashes().crc64nvme not in {None, sums.crc64nvme}:",
            "if False:",
            "parts are completed only as the bytes that were hashed",
            RESUMED,
        ),
    ),
    *_mutants(
        "engine/leftover.py",
        (
            "an upload of a file that has changed waits for ever",
            "if context.tree.lstat(RelPath(left.source.path)) != left.source.stat:",
            "if False:",
            "an upload whose file is another one is dropped",
            RESUMED,
        ),
    ),
    *_mutants(
        "engine/ranged.py",
        (
            "ranges are hashed as they come",
            "turn = index == self._next and not self._busy",
            "turn = not self._busy",
            "a large object is verified before it is a file",
            ("unit/engine/test_ranged_downloads.py",),
        ),
    ),
    *_mutants(
        "engine/transferring.py",
        (
            "a displaced file that somebody writes to is dropped",
            "if context.tree.trashed_open_elsewhere(name) is Openness.CLOSED:",
            "if True:",
            "a program that goes on writing writes into the trash, which stays",
            CLOSED,
        ),
        (
            "keep_versions = all keeps nothing that comes down over a file",
            "step.rewritten or context.pair.keep_versions is KeepVersions.ALL",
            "step.rewritten",
            "keep_versions = all keeps what an ordinary edit replaces",
            (*CLOSED, "scenario/test_edits.py"),
        ),
    ),
    *_mutants(
        "engine/rename.py",
        (
            "a new file under an old inode takes the old object",
            "    if digest != old.digest:",
            "    if digest is None:",
            "a rename is matched by its digest too",
            CLOSED,
        ),
    ),
    *_mutants(
        "engine/hot.py",
        (
            "the hot path does what needs the whole",
            "        if step.rule.do not in RUNS:",
            "        if step.rule.do is Do.NOTHING:",
            "deletions and downloads wait for a pass",
            CLOSED,
        ),
    ),
    *_mutants(
        "core/newer.py",
        (
            "two hosts with one second name two winners",
            "return (ours, local_hex) > (theirs, remote_hex)",
            "return ours > theirs",
            "newer is one order, the same on every host",
            NEWER,
        ),
        (
            "a clock that runs ahead always wins",
            "ours = min(stat.mtime_ns // NS, int(server_now))",
            "ours = stat.mtime_ns // NS",
            "newer is one order, whatever the clocks say",
            NEWER,
        ),
    ),
    *_mutants(
        "runtime/assembly.py",
        (
            "a database from yesterday is believed",
            "if marker.generation > records.generation() and not self.dry:",
            "if False:",
            "a database behind its time starts from nothing: union",
            ("scenario/test_lost_database.py",),
        ),
    ),
]

HERE = [
    *_mutants(
        "local/atomic.py",
        (
            "a new file comes over one that was there first",
            "            if not give_way(target.spot):\n                raise _taken(target) from None\n"
            "            self._renames.give(partial.spot, target.spot)",
            "            self._renames.take(partial.spot, target.spot)",
            "a writer between our look and our rename loses nothing",
            MOVES,
        ),
        (
            "what the exchange brought out is not looked at",
            "if not swapped.holds(expect):",
            "if False:",
            "a writer between our look and our rename loses nothing",
            MOVES,
        ),
        (
            "what was moved out is not looked at",
            "        if came is None or not came.same_file(expect):\n            self._bring_back",
            "        if False:\n            self._bring_back",
            "a file swapped right before the rename is brought back",
            MOVES,
        ),
        (
            "a file is staged over another",
            "if keep.stat() is not None:",
            "if False:",
            "what is staged is not staged over",
            MOVES,
        ),
        (
            "a file comes back over another",
            "            self._renames.give(held, target.spot)\n",
            "            self._renames.take(held, target.spot)\n",
            "what is staged is not brought back over another",
            MOVES,
        ),
    ),
    *_mutants(
        "local/unlink.py",
        (
            "a proof removes another file",
            "if spot.look() != staged:",
            "if False:",
            "a proof removes exactly the file that it is about",
            MOVES,
        ),
        (
            "expired trash removes another file",
            "if spot.name != name or (seen is not None and not seen.same_file(expect)):",
            "if spot.name != name:",
            "what was displaced is dropped only while it is that very file",
            (*MOVES, *CLOSED),
        ),
    ),
]

MUTANTS_OF_ACTS: list[Mutant] = [*PROOFS, *CLEANERS, *ACTS, *HERE]
