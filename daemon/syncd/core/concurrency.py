"""How many threads move bytes at once: more while waiting is what limits them, fewer where the processor is.

Pure: a sample in, a number out. Little's law says where to go, the next sample whether it was right.
"""

from __future__ import annotations

from dataclasses import dataclass

LEAST = 4
MOST = 128
START = 8

FULL = 0.95
"""Of one core: the interpreter runs on one at a time, so that more threads would only wait for each other."""

ROOMY = 0.8
"""Of one core: below it more threads may help. Between the two nothing changes."""

GAIN = 0.25
"""Of the growth in threads, the growth in work that shows that it was worth it."""

REST_S = (2.0, 60.0)
"""How long nothing grows after a step that brought nothing; twice as long each time, up to the second."""

CALM_S = 2.0
"""How long nothing grows after the endpoint asked to go slower."""

SHRINK = 0.7

SAMPLE_S = 0.1
LONGEST_SAMPLE_S = 2.0
ROUNDS = 2
"""A sample is as many tasks as all threads end in so many rounds; large files are measured by their bytes, in time."""

WEIGHT = 256 * 1024
"""Bytes that count as one task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What happened in `seconds`: tasks ended, bytes moved, CPU seconds of the process, refusals of the endpoint.

    `busy`: every thread had work, and more was waiting. Only then a sample says anything of the number of threads.
    """

    seconds: float
    tasks: int
    bytes: int
    cpu: float
    refused: int
    busy: bool

    @property
    def work(self) -> float:
        """Work a second."""
        return (self.tasks + self.bytes / WEIGHT) / self.seconds


@dataclass(slots=True, kw_only=True)
class Concurrency:
    """The number of threads, and what led to it."""

    least: int = LEAST
    most: int = MOST
    threads: int = START
    _before: int = 0  # the number of threads before the last growth, until the next sample judges it
    _work: float = 0.0  # what they did
    _calm_until: float = 0.0
    _rest: float = REST_S[0]

    def due(self, seconds: float, tasks: int) -> bool:
        """Whether a sample of that length says enough."""
        return seconds >= SAMPLE_S and (tasks >= ROUNDS * self.threads or seconds >= LONGEST_SAMPLE_S)

    def take(self, sample: Sample, now: float, *, most: int = MOST) -> int:
        """The number of threads from now on. `most`: what a limit on the rate leaves of use."""
        self.threads = max(1, min(self._next(sample, now), self.most, most))
        return self.threads

    def _next(self, sample: Sample, now: float) -> int:
        before, self._before = self._before, 0
        if sample.refused:
            self._calm_until = now + CALM_S
            return max(self.least, int(self.threads * SHRINK))
        if not sample.busy:
            return self.threads
        cores = sample.cpu / sample.seconds
        if before and not self._worth(before, sample):
            self._calm_until, self._rest = now + self._rest, min(self._rest * 2, REST_S[1])
            return before
        if before:
            self._rest = REST_S[0]
        if cores > FULL:
            return max(self.least, min(self.threads - 1, int(self.threads * max(SHRINK, FULL / cores))))
        if cores > ROOMY or now < self._calm_until:
            return self.threads
        self._before, self._work = self.threads, sample.work
        return self._grown(cores)

    def _worth(self, before: int, sample: Sample) -> bool:
        return sample.work >= self._work * (1 + GAIN * (self.threads / before - 1))

    def _grown(self, cores: float) -> int:
        """As many as would fill a core if each did as much as now, at most twice as many."""
        wanted = self.threads * FULL / max(cores, 0.001)
        return max(self.threads + 1, int(min(wanted, self.threads * 2)))
