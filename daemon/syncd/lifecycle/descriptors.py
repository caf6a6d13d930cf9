"""How many files and sockets this process may have open at once: as many as it may give itself."""

from __future__ import annotations

import resource
from contextlib import suppress

ENOUGH = 65_536
"""128 transfer threads with files, folders and a connection or some, for each section, and what else there is."""


def take_what_is_allowed() -> None:
    """Raise the soft limit, which is 1,024 on most hosts, as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # the limit of before stands
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
