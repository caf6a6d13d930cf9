"""verify: both sides and the record of pairs compared, as rows and one summary."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from syncd.control.port import Row
from syncd.core.findings import Sign
from syncd.engine.compare import Looked
from syncd.engine.verify import Scope, Totals, sentence
from syncd.ports import Clock
from syncd.workers.section import Section
from syncwire.exits import Exit, gravest

TOLD_S = 0.5
SOON_S = 2.0
"""A guess at the time left is worth nothing before."""


def new_seed() -> str:
    """A seed for a sample, short enough to be typed again."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, and who listens. `differences`: rows of what is the same are left out."""

    scope: Scope
    differences: bool
    progress: Callable[[Row], None]
    gone: Callable[[], bool]


class VerifiedPairs:
    """A verification of some pairs, one after the other (`control.port.Verified`)."""

    def __init__(self, sections: Sequence[Section], asked: Asked, clock: Clock, problems: Sequence[str] = ()) -> None:
        self._sections = sections
        self._asked = asked
        self._clock = clock
        self._problems = list(problems)
        self._began = clock.monotonic()
        self._told = float("-inf")
        self._done: list[Totals] = []

    def __iter__(self) -> Iterator[Row]:
        for section in self._sections:
            verification = section.verification(
                self._asked.scope, gone=self._asked.gone, moved=partial(self._tell, section.name)
            )
            self._done.append(verification.totals)
            self._told = float("-inf")
            self._tell(section.name, verification.totals)
            waits = {each.path: each.reason for each in section.backlog.snapshot() if each.reason}
            for looked in verification:
                if looked.finding.sign is not Sign.SAME or not self._asked.differences:
                    yield _row(section, looked, waits.get(looked.path, ""))
            if verification.stopped:
                return

    def _tell(self, name: str, totals: Totals) -> None:
        now = self._clock.monotonic()
        if now - self._told < TOLD_S:
            return
        self._told = now
        self._asked.progress(
            {
                "pair": name,
                "pairs": len(self._sections),
                "done": totals.done,
                "expected": totals.expected,
                "differences": totals.differences,
                "errors": totals.signs[Sign.ERROR],
                "bytes_read": totals.received,
                "eta_seconds": self._left(totals, now - self._began),
            }
        )

    @staticmethod
    def _left(totals: Totals, elapsed: float) -> float | None:
        if elapsed < SOON_S or not totals.done or totals.expected <= totals.done:
            return None
        return round(elapsed / totals.done * (totals.expected - totals.done), 1)

    def summary(self) -> Row:
        """Everything counted, and the exit code."""
        done = self._done

        def signs(sign: Sign) -> int:
            return sum(each.signs[sign] for each in done)

        errors, differences = signs(Sign.ERROR), sum(each.differences for each in done)
        code = gravest([Exit.FAILED if errors else Exit.OK, Exit.ITEMS_FAILED if differences else Exit.OK])
        scope = self._asked.scope
        return {
            "seed": scope.seed if scope.share < 1 else None,
            "sample": scope.share,
            "download": scope.download,
            "files": sum(each.done for each in done),
            "same": signs(Sign.SAME),
            "cleaned": sum(each.cleaned for each in done),
            "claimed": sum(each.claimed for each in done),
            "only_here": signs(Sign.LOCAL_ONLY),
            "only_on_s3": signs(Sign.REMOTE_ONLY),
            "different": signs(Sign.DIFFERENT),
            "errors": errors,
            "intended": sum(each.intended for each in done),
            "differences": differences,
            "skipped": sum(each.skipped for each in done),
            "bytes_read": sum(each.received for each in done),
            "elapsed_seconds": round(self._clock.monotonic() - self._began, 3),
            "problems": self._problems,
            "exit_code": int(code),
        }


def _row(section: Section, looked: Looked, waits: str) -> Row:
    return {
        "pair": section.name,
        "path": looked.path,
        "sign": looked.finding.sign.value,
        "finding": looked.finding.id,
        "reason": sentence(looked, waits),
        "size": looked.size,
        "intended": looked.finding.intended,
    }
