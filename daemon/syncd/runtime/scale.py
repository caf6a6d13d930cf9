"""How much there is to do, and by how many threads."""

from __future__ import annotations

from syncd.config.types import Config
from syncd.errors import ConfigError

AUTO_THREADS = 8


def threads_for(config: Config) -> int:
    """How many files move at once."""
    settings = [*(pair.s3 for pair in config.pairs), *(batch.s3 for batch in config.batches)]
    asked = [s3.workers or s3.concurrency or AUTO_THREADS for s3 in settings]
    return max(asked, default=1)


def refuse_empty(config: Config) -> None:
    """Work without anything to work on is a mistake that should be seen at once: exit 78."""
    if not config.pairs and not config.batches:
        raise ConfigError(
            ["nothing is configured: there is no [[pair]] and no [[batch]]"],
            hint="add one to the file, or run syncd --bucket NAME --logs DIR; etc/syncd.toml shows every key",
        )
