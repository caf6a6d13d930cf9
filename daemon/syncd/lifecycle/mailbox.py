"""A worker's mailbox: a hundred wakes are one."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from syncd.lifecycle.stop import Stop

Payloads = Mapping[str, tuple[Hashable, ...]]
"""What was posted, by reason, in the order of the first post; equal payloads are one."""

NO_PAYLOADS: Payloads = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Why somebody was woken. Nothing in it: the time was up, or it is time to stop.

    `overflowed` names reasons whose payloads were too many and were dropped whole: look at everything.
    """

    reasons: frozenset[str] = frozenset()
    payloads: Payloads = field(default_factory=lambda: NO_PAYLOADS)
    overflowed: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.reasons)


class Mailbox:
    """Coalescing posts from any thread, taken by one. A take ends at once when `stop` stops."""

    def __init__(self, stop: Stop, *, most: int = 100_000) -> None:
        """`most` payloads of one reason are kept; beyond it they are dropped and the reason is `overflowed`."""
        self._stop = stop
        self._most = most
        self._posts: dict[str, dict[Hashable, None]] = {}
        self._overflowed: set[str] = set()
        self._changed = threading.Condition()
        self._forget = stop.on_stop(self._poke)

    def post(self, reason: str, payload: Hashable = None) -> None:
        """Leave a reason to wake, and what it is about. Never blocks."""
        with self._changed:
            self._keep(reason, () if payload is None else (payload,))
            self._changed.notify_all()

    def put_back(self, wake: Wake) -> None:
        """Return what was taken and not done, as if it had just been posted."""
        with self._changed:
            for reason in wake.reasons:
                self._keep(reason, wake.payloads.get(reason, ()))
            self._overflowed |= wake.overflowed
            self._changed.notify_all()

    def take(self, timeout: float | None) -> Wake:
        """Everything posted since the last take; waits up to `timeout` seconds (None: until woken) for a first post.

        Returns an empty Wake when the time is up, and what is there at once when it is time to stop.
        """
        seconds = threading.TIMEOUT_MAX if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        with self._changed:
            self._changed.wait_for(lambda: self._posts or self._stop.stopped(), seconds)
            if not self._posts:
                return Wake()
            posts, self._posts = self._posts, {}
            overflowed, self._overflowed = frozenset(self._overflowed), set()
        payloads = {reason: tuple(kept) for reason, kept in posts.items() if kept}
        return Wake(reasons=frozenset(posts), payloads=MappingProxyType(payloads), overflowed=overflowed)

    def waiting(self) -> bool:
        """Whether something was posted and not taken."""
        with self._changed:
            return bool(self._posts)

    def close(self) -> None:
        """Let go of the stop token."""
        self._forget()

    def _keep(self, reason: str, payloads: tuple[Hashable, ...]) -> None:
        kept = self._posts.setdefault(reason, {})
        if reason in self._overflowed:
            return
        kept.update(dict.fromkeys(payloads))
        if len(kept) > self._most:
            kept.clear()
            self._overflowed.add(reason)

    def _poke(self) -> None:
        with self._changed:
            self._changed.notify_all()
