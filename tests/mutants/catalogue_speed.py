"""The mutants of what makes it fast: the short way up, and the memory of what was settled."""

from __future__ import annotations

from mutants.catalogue import Mutant, _mutants

EXPRESS = ("unit/engine/test_express.py",)
DEPARTURES = ("unit/engine/test_departures.py",)
ARRIVALS = ("unit/engine/test_arrivals.py",)
SWEEP = ("unit/engine/test_sweep.py",)

MUTANTS_OF_SPEED: list[Mutant] = [
    *_mutants(
        "engine/lane.py",
        (
            "what went wrong on the short way is forgotten",
            "            self._ends.long_way(path, self._open.pop(path))\n",
            "            self._ends.dropped(path)\n            del self._open[path]\n",
            "each path comes to an end",
            (*EXPRESS, *ARRIVALS),
        ),
        (
            "a stop keeps what had not begun",
            "        for path in self._open:\n            self._ends.dropped(path)\n",
            "        pass\n",
            "each path comes to an end",
            (*EXPRESS, *ARRIVALS),
        ),
    ),
    *_mutants(
        "engine/express.py",
        (
            "a renamed file is sent",
            "if stat.inode in renamed or self._breaker.refusing:",
            "if self._breaker.refusing:",
            "a file that only changed its name is copied by the store",
            EXPRESS,
        ),
    ),
    *_mutants(
        "engine/arrivals.py",
        (
            "names that do not last are recorded",
            "                places.settle()\n",
            "",
            "nothing is recorded before it is durable",
            ARRIVALS,
        ),
        (
            "what was cleaned comes back",
            "self._runs = self._rule.do is Do.DOWNLOAD and not cleaned",
            "self._runs = self._rule.do is Do.DOWNLOAD",
            "one of ours that was cleaned stays there",
            ARRIVALS,
        ),
        (
            "spoilt bytes are put in place",
            "for arrival, received in came if not received.problem]",
            "for arrival, received in came]",
            "what came is held against what is said of it before anybody sees it",
            ARRIVALS,
        ),
        (
            "a turn waits for a slow disk",
            "self._brisk = quickest < BRISK_S",
            "self._brisk = True",
            "who waits for a disk keeps nobody else waiting",
            ARRIVALS,
        ),
    ),
    *_mutants(
        "engine/departures.py",
        (
            "a file is staged whose row changed meanwhile",
            "if isinstance(answer, BaseException):",
            "if False:",
            "a file leaves its path only when its row says so",
            DEPARTURES,
        ),
        (
            "no name of a staged file is made to last",
            "                self._context.tree.settle_staged(step.path)\n",
            "                pass\n",
            "what was staged stays staged after a loss of power",
            DEPARTURES,
        ),
        (
            "after a stop files go all the same",
            "            if self._over():\n                return False",
            "            if False:\n                return False",
            "a stop ends the cleaning",
            DEPARTURES,
        ),
    ),
    *_mutants(
        "local/anchor.py",
        (
            "a hold is everybody's",
            "self._held = threading.local()",
            "self._held = threading.Event()",
            "each way in starts at the root that was opened",
            ("unit/local/test_root.py",),
        ),
    ),
    *_mutants(
        "local/places.py",
        (
            "a file that lost its place stays in tmp",
            "        for name in (*self._open, *self._lasting):\n            self._gone(name)\n",
            "",
            "a partial file goes",
            ARRIVALS,
        ),
        (
            "what did not last is placed",
            "                with checkpoint.LOCAL_SYNC_FILE:\n                    os.fsync(",
            "                with suppress(OSError):\n                    os.fsync(",
            "what a disk refuses is not recorded",
            ARRIVALS,
        ),
    ),
    *_mutants(
        "engine/shipment.py",
        (
            "a lost answer is no write of ours",
            "            if facts is None or facts.size != size:\n                raise\n",
            "            raise\n",
            "a write whose answer was lost is found by its operation",
            EXPRESS,
        ),
    ),
    *_mutants(
        "local/small.py",
        (
            "another version than the scan saw is read",
            "if len(content) != expect.size or local_stat(seen) != expect or not stat.S_ISREG(seen.st_mode):",
            "if False:",
            "exactly that version is read",
            (*EXPRESS, "unit/local/test_small.py"),
        ),
        (
            "a file under a writer's hand is read",
            "            if self._open_for_writing(fd):",
            "            if False:",
            "nobody has it open for writing",
            (*EXPRESS, "unit/local/test_small.py"),
        ),
    ),
    *_mutants(
        "engine/sweep.py",
        (
            "files that moved are settled",
            "still = Still(hash(tuple(held)), objects, self._context.records.mark(after, last))",
            "still = Still(0, objects, self._context.records.mark(after, last))",
            "a file that was touched is seen",
            SWEEP,
        ),
        (
            "objects that moved are settled",
            "still = Still(hash(tuple(held)), objects, self._context.records.mark(after, last))",
            "still = Still(hash(tuple(held)), 0, self._context.records.mark(after, last))",
            "an object that was touched is seen",
            SWEEP,
        ),
        (
            "records that moved are settled",
            "still = Still(hash(tuple(held)), objects, self._context.records.mark(after, last))",
            "still = Still(hash(tuple(held)), objects, (0, 0))",
            "a row that changed is read",
            SWEEP,
        ),
        (
            "what was unsettled is remembered as settled",
            "if still is not None and self._quiet and",
            "if still is not None and",
            "only what is settled is remembered",
            SWEEP,
        ),
        (
            "what lies here and is to be cleaned is settled for ever",
            "whole = len(held) < LONGEST and not (held and self._context.pair.cleanup)",
            "whole = len(held) < LONGEST",
            "when a file is due is a question of time",
            (*SWEEP, "unit/engine/test_clearance.py"),
        ),
    ),
]
