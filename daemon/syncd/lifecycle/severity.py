"""How loud each event is: per-file lines debug, one line a cycle info, failures warning, halts error."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from syncd import events

NUMBERS: Mapping[str, int] = MappingProxyType(
    {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
)
"""The level words of the configuration, as the standard library counts them."""

_DEBUG = (
    events.TRANSFER_FINISHED,
    events.FILE_CLEANED,
    events.FILE_TRASHED,
    events.VERSION_EXPIRED,
    events.ARCHIVE_SEALED,
    events.ORIGINAL_KEPT,
    events.OBJECT_DELETED,
    events.OBJECT_SUPERSEDED,
    events.FILE_DIVERGED,
)
_INFO = (
    events.DAEMON_READY,
    events.DAEMON_STOPPING,
    events.DAEMON_STOPPED,
    events.PRIORITY_LOWERED,
    events.CONFIG_RELOADED,
    events.WORKER_RESTARTED,
    events.PAIR_RESUMED,
    events.PAIR_PAUSED,
    events.CYCLE_FINISHED,
    events.TRASH_EXPIRED,
    events.ENDPOINT_PROBED,
    events.ENDPOINT_FOUND,
    events.SYSLOG_FOUND,
    events.INDEX_FOUND,
    events.FILE_HELD,
    events.ARCHIVE_FINISHED,
    events.AUDIT_FINISHED,
    events.CONFLICT_SETTLED,
    events.WATCH_STARTED,
    events.UPLOAD_RESUMED,
)
_WARNING = (
    events.CONFIG_NOTICED,
    events.CONFIG_REFUSED,
    events.WORKER_STALLED,
    events.PAIR_DEGRADED,
    events.CYCLE_FAILED,
    events.REPORT_LOST,
    events.ENDPOINT_DEGRADED,
    events.ENDPOINT_UNPROVEN,
    events.ENDPOINT_LOST,
    events.CREDENTIALS_EXPIRED,
    events.TRANSFER_FAILED,
    events.TRANSFER_CORRUPTED,
    events.ARCHIVE_FAILED,
    events.RECORDS_DROPPED,
    events.INODES_DROPPED,
    events.HOST_DOUBLED,
    events.FILE_SKIPPED,
    events.LAST_COPY_DELETED,
    events.AUDIT_DIFFERED,
    events.METADATA_DISBELIEVED,
    events.WATCH_OVERFLOWED,
    events.WATCH_DEGRADED,
    events.CLOCK_SKEWED,
    events.REQUEST_REFUSED,
    events.REQUEST_FAILED,
    events.LIBRARY_WARNED,
    events.SYSLOG_LOST,
    events.INDEX_LOST,
    events.DOCUMENT_REFUSED,
    events.SYSLOG_DROPPED,
)
_ERROR = (
    events.WORKER_CRASHED,
    events.PAIR_HALTED,
    events.ARCHIVE_MISSING,
)

LEVELS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(_DEBUG, "debug"),
        **dict.fromkeys(_INFO, "info"),
        **dict.fromkeys(_WARNING, "warning"),
        **dict.fromkeys(_ERROR, "error"),
    }
)
"""Every event's level; a test holds it complete."""

FOLDED = frozenset({"warning", "error"})
"""Levels whose repetitions are folded."""


def level_of(event: str) -> str:
    """The event's level; an event that is not in the table is at info."""
    return LEVELS.get(event, "info")
