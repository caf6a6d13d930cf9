"""The mutants of trust and time: what an endpoint is believed, what the trash may let go, what is due to be cleaned."""

from __future__ import annotations

from mutants.catalogue import CLOSED, Mutant, _mutants

EVIDENCE = ("unit/engine/test_evidence.py",)
EXPIRY = ("unit/core/test_expiry.py", "unit/engine/test_expiring.py")
CLEARING = ("unit/core/test_clearing.py", "unit/engine/test_clearance.py")

TRUST = [
    *_mutants(
        "engine/evidence.py",
        (
            "a checksum proves though no wrong one was refused",
            "if agrees(answer.checksum, hashes) and enforces(capabilities, answer.checksum, in_parts=in_parts):",
            "if agrees(answer.checksum, hashes):",
            "a checksum is proof only where the canary saw a wrong one of that kind refused",
            EVIDENCE,
        ),
        (
            "a signed hash proves though no wrong one was refused",
            "return ProofKind.PAYLOAD if signed and capabilities.rejects_wrong_payload else ProofKind.NONE",
            "return ProofKind.PAYLOAD if signed else ProofKind.NONE",
            "a signed hash is proof only where the canary saw a wrong one refused",
            EVIDENCE,
        ),
        (
            "a composite SHA256 is one of the file",
            "return capabilities.rejects_wrong_sha256 and not in_parts",
            "return capabilities.rejects_wrong_sha256",
            "a SHA256 of parts is never compared with a file's",
            EVIDENCE,
        ),
        (
            "a checksum that is shown no more still proves",
            "shown = record.checksum is not None and facts.checksum == record.checksum",
            "shown = record.checksum is not None",
            "the stored checksum must still be there before a file goes",
            EVIDENCE,
        ),
        (
            "what was adopted by size and time proves",
            "case ProofKind.NONE | ProofKind.UNPROVEN:\n            return False",
            "case ProofKind.NONE | ProofKind.UNPROVEN:\n            return True",
            "nothing but a proof lets an uploaded file go",
            (*EVIDENCE, *CLOSED),
        ),
    ),
    *_mutants(
        "engine/prove.py",
        (
            "files go without a canary of late",
            "if not context.may_clean:",
            "if False:",
            "nothing is cleaned before a canary of the last two days has passed",
            EVIDENCE,
        ),
    ),
]

TIME = [
    *_mutants(
        "core/expiry.py",
        (
            "the only copy of a loser expires",
            "if guarded and not other and item.digest not in elsewhere:",
            "if guarded and not other and item.digest in elsewhere:",
            "what lost an open conflict and is nowhere else outlives both limits",
            EXPIRY,
        ),
        (
            "what a guarded one leaned on may go right after it",
            "guarded = item.guarded or (item.digest in leaned and not item.gone)",
            "guarded = item.guarded",
            "what lost an open conflict and is nowhere else outlives both limits",
            EXPIRY,
        ),
        (
            "everything is over its age",
            "if limits.keep_s is not None and now - item.since > limits.keep_s:",
            "if limits.keep_s is not None:",
            "trash is kept for trash_keep",
            EXPIRY,
        ),
        (
            "the size lets more go than it takes",
            "                totals[item.lair] -= _weight(item)\n",
            "",
            "over trash_max no more goes than it takes",
            EXPIRY,
        ),
    ),
    *_mutants(
        "core/clearing.py",
        (
            "pressure takes the newest too",
            "return self.among_newest(record) or (self.waits_ns(record) > 0 and record.path not in self.pressed)",
            "return self.waits_ns(record) > 0 and record.path not in self.pressed",
            "cleanup_keep_newest stays whatever else",
            CLEARING,
        ),
        (
            "nothing waits for cleanup_after",
            "return record.looked_ns + self.after_ns - self.now_ns if self.after_ns else 0",
            "return 0",
            "a proven file stays for cleanup_after",
            CLEARING,
        ),
        (
            "a full disk is relieved of everything",
            "        if need <= 0:\n            break\n",
            "",
            "pressure takes the oldest until it is below, and no more",
            CLEARING,
        ),
        (
            "what goes already does not count",
            "return max(0, used - int(limit * size) - leaving)",
            "return max(0, used - int(limit * size))",
            "what is on its way out counts as freed",
            CLEARING,
        ),
    ),
]

MUTANTS_OF_TRUST: list[Mutant] = [*TRUST, *TIME]
