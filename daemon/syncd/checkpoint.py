"""Every call that changes something, or asks the store, has a point before it and one after it where a death is tried.

Nothing in the product arms them: no option, no variable. Unarmed, a point is one look at a global. A test that arms
them (tests/support/killed_daemon.py) hears each name as it is passed, and ends the process at the one that it wants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

Listener = Callable[[str], None]

_listener: Listener | None = None


def arm(listener: Listener | None) -> None:
    """From now on tell it every name that is passed, on the thread that passes it. None: nobody listens."""
    global _listener  # one look at a global is all that an unarmed point may cost
    _listener = listener


class Checkpoint:
    """Stands around one call: `with checkpoint.LOCAL_UNLINK: os.unlink(...)`. It keeps nothing, so threads share it.

    The point after the call is passed where it returned; a call that raised has changed nothing that we count on.
    """

    __slots__ = ("_after", "_before")

    def __init__(self, name: str) -> None:
        self._before = f"{name}.before"
        self._after = f"{name}.after"

    @property
    def points(self) -> tuple[str, str]:
        """The names of both points."""
        return self._before, self._after

    def __enter__(self) -> None:
        if _listener is not None:
            _listener(self._before)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if _listener is not None and kind is None:
            _listener(self._after)


# --- requests to the store ---

S3_LIST: Final = Checkpoint("s3.list")
S3_HEAD: Final = Checkpoint("s3.head")
S3_HEAD_BUCKET: Final = Checkpoint("s3.head_bucket")
S3_HEAD_LARGE: Final = Checkpoint("s3.head_large")
S3_GET: Final = Checkpoint("s3.get")
S3_PUT: Final = Checkpoint("s3.put")
S3_CREATE: Final = Checkpoint("s3.create")
S3_PART: Final = Checkpoint("s3.part")
S3_LIST_PARTS: Final = Checkpoint("s3.list_parts")
S3_COMPLETE: Final = Checkpoint("s3.complete")
S3_ABORT: Final = Checkpoint("s3.abort")
S3_COPY: Final = Checkpoint("s3.copy")
S3_COPY_PART: Final = Checkpoint("s3.copy_part")
S3_TAGS: Final = Checkpoint("s3.tags")
S3_DELETE: Final = Checkpoint("s3.delete")
S3_PROBE: Final = Checkpoint("s3.probe")

# --- files of a root and of the spool ---

LOCAL_CREATE: Final = Checkpoint("local.create")
LOCAL_WRITE: Final = Checkpoint("local.write")
LOCAL_UNLINK: Final = Checkpoint("local.unlink")
LOCAL_RMDIR: Final = Checkpoint("local.rmdir")
LOCAL_RENAME: Final = Checkpoint("local.rename")
LOCAL_EXCHANGE: Final = Checkpoint("local.exchange")
LOCAL_NOREPLACE: Final = Checkpoint("local.noreplace")
LOCAL_LINK: Final = Checkpoint("local.link")
LOCAL_MKDIR: Final = Checkpoint("local.mkdir")
LOCAL_SYNC_MKDIR: Final = Checkpoint("local.sync_mkdir")
LOCAL_SYNC_FILE: Final = Checkpoint("local.sync_file")
LOCAL_SYNC_FOLDER: Final = Checkpoint("local.sync_folder")
SPOOL_CREATE: Final = Checkpoint("spool.create")
SPOOL_SYNC: Final = Checkpoint("spool.sync")
SPOOL_SYNC_FOLDER: Final = Checkpoint("spool.sync_folder")

# --- the database ---

STORE_CREATE: Final = Checkpoint("store.create")
STORE_MIGRATE: Final = Checkpoint("store.migrate")
STORE_SWEEP: Final = Checkpoint("store.sweep")
STORE_COMMIT: Final = Checkpoint("store.commit")
STORE_CLOSE: Final = Checkpoint("store.close")

# --- the index ---

INDEX_TEMPLATE: Final = Checkpoint("index.template")
INDEX_BULK: Final = Checkpoint("index.bulk")

# --- the state folder ---

STATE_LOCK: Final = Checkpoint("state.lock")
STATE_REPORT: Final = Checkpoint("state.report")
STATE_REPORT_RENAME: Final = Checkpoint("state.report_rename")
SOCKET_STALE: Final = Checkpoint("socket.stale")
SOCKET_UNLINK: Final = Checkpoint("socket.unlink")
