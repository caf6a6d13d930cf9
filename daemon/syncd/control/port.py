"""What the control socket asks of the running daemon. The runtime implements it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from syncd.errors import SyncdError

Row = dict[str, Any]
"""What goes over the wire as it is: JSON values, the fields named in `io.syncd.varlink`. Names in it need no
escaping; times are RFC 3339 UTC texts, sizes bytes, durations seconds; an id is a text."""


class NotFound(SyncdError):
    """No section, path, conflict or trash entry of that name."""


class BadRequest(SyncdError):
    """The request cannot be understood or makes no sense here."""


class Archives(Protocol):
    """What was archived. Every method is called from many threads at once, and may raise as those of Daemon.

    Each may look through S3 for long: `progress` takes {doing, archives, files, bytes, failed}, any of them, now and
    then. Where `gone()` is true it ends soon, and the answer says how far it came. `problems` are texts: what could
    not be looked at. `source` is records, index or manifests: who answered, or is to answer (None: the first that
    knows anything).
    """

    def find(
        self,
        pattern: str,
        *,
        versions: bool,
        source: str | None,
        limit: int,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        """{rows: [{bucket, key, size, mtime, archive, archived_at, offset, sha256, host}], source, more, problems,
        exit_code}. `more`: beyond `limit`. The newest of each key, or all `versions`."""
        ...

    def listing(
        self, place: str | None, *, limit: int, progress: Callable[[Row], None], gone: Callable[[], bool]
    ) -> Row:
        """{archives: [{bucket, key, size, files, bytes, created_at}], source, more, problems, exit_code}.

        Where `place` is one archive: its files, as of `find`.
        """
        ...

    def restore(
        self,
        keys: Sequence[str],
        *,
        to: str,
        view: str | None,
        versions: bool,
        source: str | None,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        """{to, restored, present, failed, bytes, rows: [{name, path, outcome, size, reason}], sources, problems,
        exit_code}. `to` is absolute; `view` is "DEVICE:INODE:PATH" of the deepest folder of it that the caller sees.
        """
        ...

    def reindex(
        self, batch: str | None, bucket: str | None, *, progress: Callable[[Row], None], gone: Callable[[], bool]
    ) -> Row:
        """{archives, documents, refused, problems, exit_code}."""
        ...


class Verified(Protocol):
    """A verification under way. Rows {pair, path, sign, finding, reason, size, intended}, in path order a pair."""

    def __iter__(self) -> Iterator[Row]:
        """Iterate it once; it works only while it is iterated."""
        ...

    def summary(self) -> Row:
        """After the last row: {files, same, differences, errors, intended, ..., exit_code} as of `io.syncd.varlink`."""
        ...


class Daemon(Protocol):
    """The daemon as its users see it. Every method is called from many threads at once, and may raise
    NotFound, BadRequest or any other SyncdError, which the caller is told with its hint."""

    @property
    def archives(self) -> Archives:
        """What was archived."""
        ...

    def status(self) -> Row:
        """The snapshot of INTERFACE.md, `status --json`. Takes no lock and no SQL.

        Beyond that page a pair may have `paused_until`, `last_full_pass_at` and `next_full_pass_at`, and `s3`
        may have `since` (when counting began), `cost_usd` and `proven_at`; absent ones are not shown.
        """
        ...

    def force_sync(
        self,
        pair: str | None,
        path: str | None,
        wait: bool,
        timeout: float | None,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        """Run now. The answer is {cycles: [last_cycle rows with `pair`], missing: [{pair, path, reason}], exit_code}.

        `progress` takes {pair, state, pending_files, pending_bytes}, any of them, from the calling thread or
        another, and never raises. Look at `gone()` at least every second while waiting and return at once where
        it is true: the caller hung up, or the daemon stops. A wait that runs out has exit_code 10 and `missing`.
        """
        ...

    def stop(self, now: bool) -> None:
        """Begin to stop, and return."""
        ...

    def pause(self, name: str | None, seconds: float | None) -> None:
        """Pause one section, or all; for ever where `seconds` is None."""
        ...

    def resume(self, name: str | None, accept: str | None) -> None:
        """Resume one section, or all; `accept` is the id of a halted plan."""
        ...

    def plan(self, pair: str | None) -> Iterable[Row]:
        """Rows {pair, path, action, rule, reason, size}. A generator is closed where the caller hangs up."""
        ...

    def verify(
        self,
        pair: str | None,
        path: str | None,
        *,
        share: float,
        seed: str | None,
        download: bool,
        differences: bool,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Verified:
        """Compare both sides and the record; change nothing. `share`: a random part of all paths, drawn by `seed`.

        `differences`: leave out the rows of what is the same. `progress` takes {pair, pairs, done, expected,
        differences, errors, bytes_read, eta_seconds}. Where `gone()` is true it ends soon.
        """
        ...

    def explain(self, path: str) -> Row:
        """{pair, path, local, remote, agreed, next: {action, rule, reason}, history: [history rows]}.

        `local`, `remote` and `agreed` are dicts of facts, or None where there is nothing on that side.
        """
        ...

    def history(self, path: str | None, since: float | None, limit: int, pair: str | None) -> Iterable[Row]:
        """Rows {id, at, pair, path, operation, rule, result, size, digest, etag, error, cycle, elapsed_seconds},
        newest first. `since` is in seconds since the epoch."""
        ...

    def conflicts(self) -> Iterable[Row]:
        """Rows {id, at, pair, path, rule, winner, loser_digest, loser_at, resolved}, newest first."""
        ...

    def resolve_conflict(self, id: str, keep: str) -> None:
        """Settle one. `keep` is local, remote or both."""
        ...

    def trash(self, pair: str | None) -> Iterable[Row]:
        """Rows {id, at, pair, path, where, reason, size, digest}, newest first."""
        ...

    def trash_restore(self, id: str, to: str | None) -> None:
        """Bring one back to its own path, or to `to` (absolute, or relative to the root)."""
        ...

    def doctor(self) -> Iterable[Row]:
        """Rows {check, class, level, message, remedy}; level is ok, warn or fail."""
        ...

    def reload(self) -> Row:
        """{applied: [text], needs_restart: [text], notices: [text]}, any of them."""
        ...

    def config_show(self) -> str:
        """The configuration in effect, as TOML."""
        ...

    def set_log_level(self, level: str) -> None:
        """`level` is debug, info, warning or error."""
        ...

    def version(self) -> Row:
        """{version, pid, python}."""
        ...
