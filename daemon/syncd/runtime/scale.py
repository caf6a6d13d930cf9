"""How much there is to do, and by how many threads."""

from __future__ import annotations

from syncd.config.types import Config
from syncd.core.concurrency import MOST, Concurrency
from syncd.engine.adaptive import Adaptive, Gauge
from syncd.errors import ConfigError

MOST_THREADS = 1000
"""What `workers` may be at most: no limit on the rate leaves more of use."""


def threads_for(config: Config, gauge: Gauge) -> Adaptive:
    """How many files move at once: as many as a section asks for; where one leaves it open, what is found right."""
    settings = [*(pair.s3 for pair in config.pairs), *(batch.s3 for batch in config.batches)]
    asked = [s3.workers or s3.concurrency for s3 in settings]
    fixed = max((count for count in asked if count is not None), default=1)
    if None in asked:
        return Adaptive(gauge, Concurrency(most=max(fixed, MOST)))
    return Adaptive(gauge, Concurrency(least=fixed, most=fixed, threads=fixed))


def refuse_empty(config: Config) -> None:
    """Work without anything to work on is a mistake that should be seen at once: exit 78."""
    if not config.pairs and not config.batches:
        raise ConfigError(
            ["nothing is configured: there is no [[pair]] and no [[batch]]"],
            hint="add one to the file, or run syncd --bucket NAME --logs DIR; etc/syncd.toml shows every key",
        )
