"""The limit on the rate of bytes, each way, by the time of day; for every transfer of the sections that share it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from syncd.core.timetable import MINUTE_S, Limits, Timetable
from syncd.ports import Clock
from syncd.s3.body import SentBody
from syncd.s3.lane import Lane

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BURST_S = 0.1
"""So much of a second may pass at once after a pause."""


class Meter:
    """Lets bytes pass as the timetable allows. Thread-safe.

    `up` and `down` wait, and end early where all is abandoned.
    """

    def __init__(
        self,
        table: Timetable,
        *,
        clock: Clock,
        rest: Callable[[float], bool],
        local: Callable[[float], datetime] = datetime.fromtimestamp,
    ) -> None:
        self.table = table
        self._clock = clock
        self._local = local
        self._held = Limits()
        self._held_until = float("-inf")
        self._up = Lane(lambda now: self._limits(now).up, burst_s=BURST_S, clock=clock.monotonic, rest=rest)
        self._down = Lane(lambda now: self._limits(now).down, burst_s=BURST_S, clock=clock.monotonic, rest=rest)

    def up(self, count: int) -> None:
        """So many bytes are about to leave: return when they may."""
        if self.table.limited:
            self._up.pass_through(count)

    def down(self, count: int) -> None:
        """So many bytes came: return when the next ones may be asked for."""
        if self.table.limited:
            self._down.pass_through(count)

    @property
    def limits(self) -> Limits:
        """What holds now."""
        return self._limits(self._clock.monotonic())

    def until(self) -> float | None:
        """The second, since the epoch, at which other limits come. None: these stay."""
        return self.table.changes_at(self._clock.now(), self._local)

    def attach(self, client: S3Client) -> None:
        """Let every body of that client pass through here, each time that it is sent."""
        if not self.table.limited:
            return
        events = client.meta.events
        events.register_first("request-created.s3", self._prepared, unique_id="syncd-metered-later")
        events.register("before-send.s3", self._leaves, unique_id="syncd-metered-up")
        events.register("after-call.s3.GetObject", self._comes, unique_id="syncd-metered-down")

    def _limits(self, now: float) -> Limits:
        """Looked up once a minute, for entries begin with one."""
        if now >= self._held_until:
            wall = self._clock.now()
            self._held = self.table.at(self._local(wall))
            self._held_until = now + MINUTE_S - wall % MINUTE_S
        return self._held

    def _prepared(self, *, request: Any, **_: object) -> None:
        """What is read before it is sent is read to be signed, and crosses no wire."""
        if isinstance(request.body, SentBody):
            request.body.passing = None

    def _leaves(self, *, request: Any, **_: object) -> None:
        if isinstance(request.body, SentBody):
            request.body.passing = self.up
        elif request.body:  # few bytes, sent at once
            self.up(int(request.headers.get("Content-Length", 0)))

    def _comes(self, *, parsed: Any, **_: object) -> None:
        if "Body" in parsed:
            parsed["Body"] = MeteredBody(parsed["Body"], self.down)


class MeteredBody:
    """The body of an answer whose bytes are counted as they come."""

    def __init__(self, body: Any, passing: Callable[[int], None]) -> None:
        self._body = body
        self._passing = passing

    def __enter__(self) -> MeteredBody:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, count: int | None = None) -> bytes:
        """The next bytes."""
        piece: bytes = self._body.read(count)
        self._passing(len(piece))
        return piece

    def close(self) -> None:
        """Be done with the connection."""
        self._body.close()
