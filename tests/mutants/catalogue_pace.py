"""Mutants of what keeps the daemon from going too fast, or from crawling."""

from __future__ import annotations

from mutants.catalogue import Mutant, _mutants

MUTANTS_OF_PACE: list[Mutant] = [
    *_mutants(
        "core/timetable.py",
        (
            "before the first entry of a day its first one holds",
            "return (begun or self.entries)[-1].limits",
            "return (begun or self.entries)[0].limits",
            "an entry holds until the next one begins, across midnight",
            ("unit/core/test_timetable.py",),
        ),
    ),
    *_mutants(
        "core/debt.py",
        (
            "what passes forgets what is owed",
            "            self.owed += units",
            "            self.owed = units",
            "no more passes than the rate, the burst and one piece",
            ("unit/core/test_debt.py",),
        ),
    ),
    *_mutants(
        "core/aimd.py",
        (
            "each of many refusals that came together cuts",
            "now - self.cut_at < CUTS_APART_S or ",
            "",
            "refusals of what was under way together are one",
            ("unit/core/test_aimd.py",),
        ),
    ),
    *_mutants(
        "core/concurrency.py",
        (
            "threads that brought nothing stay",
            "if before and not self._worth(before, sample):",
            "if before and False:",
            "threads are added only where they bring something",
            ("unit/core/test_concurrency.py",),
        ),
        (
            "a full processor gets more threads",
            "if cores > FULL:",
            "if cores > 99:",
            "where the processor is the limit a few threads do",
            ("unit/core/test_concurrency.py",),
        ),
    ),
    *_mutants(
        "s3/meter.py",
        (
            "what is read to be signed counts as sent",
            "            request.body.passing = None",
            "            pass",
            "each byte counts once for each time that it crosses the wire",
            ("unit/s3/test_meter.py",),
        ),
    ),
    *_mutants(
        "s3/lane.py",
        (
            "who came last passes first",
            "self._queue[0].set()",
            "self._queue[-1].set()",
            "who asks first passes first",
            ("unit/s3/test_lane.py",),
        ),
    ),
]
