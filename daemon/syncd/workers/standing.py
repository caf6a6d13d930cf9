"""How a section stands: its state, what stops it, whether a person paused it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from syncd import events
from syncd.errors import ConfigError, PairHalted, RemoteError, RemoteKind, SyncdError
from syncd.ports import Clock, Events

SAID_AT_MOST = 10_000

STATE_OF = {
    RemoteKind.UNAVAILABLE: "unreachable",
    RemoteKind.DENIED: "unreachable",
    RemoteKind.FULL: "unreachable",
    RemoteKind.MISSING: "unreachable",
    RemoteKind.THROTTLED: "throttled",
    RemoteKind.EXPIRED: "auth-expired",
}


class Standing:
    """What is shown of a section, and said once of what stops it. Read and changed from any thread."""

    def __init__(self, name: str, *, clock: Clock, events: Events) -> None:
        self.name = name
        self.state = "idle"
        self.paused_until: float | None = None  # seconds since the epoch; infinity: until resumed
        self.last_success_at: float | None = None
        self.last_error = ""
        self.last_failure: SyncdError | None = None  # why the last pass or run could not be done
        self.changed: Callable[[], None] = lambda: None
        self._clock = clock
        self._events = events
        self._trouble: tuple[str, str] | None = None  # what stops the work, as it was last said: (state, what)
        self._said: set[tuple[str, str]] = set()
        self._saying = threading.Lock()

    def once(self, kind: str, name: str) -> bool:
        """Whether this is said for the first time."""
        with self._saying:
            if (kind, name) in self._said or len(self._said) >= SAID_AT_MOST:
                return False
            self._said.add((kind, name))
            return True

    def failed(self, error: SyncdError) -> None:
        """The work could not be done: say it once, and show it until it succeeds."""
        what = error.message
        if isinstance(error, (PairHalted, ConfigError)):
            state, event = "halted", events.PAIR_HALTED
        else:
            kind = error.kind if isinstance(error, RemoteError) else None
            state, event = STATE_OF.get(kind, "idle") if kind else "idle", events.CYCLE_FAILED
            if state != "idle":
                event = events.CREDENTIALS_EXPIRED if state == "auth-expired" else events.ENDPOINT_LOST
                # An outage shows another face, and names another key, to each request: it is one all the same.
                what = error.code if isinstance(error, RemoteError) and not error.retryable else ""
        if self._is_new((state, what)) or state == "idle":
            self._events.emit(event, pair=self.name, **error.said)
        self.last_error, self.last_failure = str(error), error
        self._state(state)

    def _is_new(self, trouble: tuple[str, str]) -> bool:
        """Whether that was not said yet since the work last went through."""
        with self._saying:
            before, self._trouble = self._trouble, None if trouble[0] == "idle" else trouble
        return before != trouble

    def _recovered(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            found = trouble[0] in STATE_OF.values()
            self._events.emit(events.ENDPOINT_FOUND if found else events.PAIR_RESUMED, pair=self.name)

    # --- pausing ---

    def pause(self, until: float) -> None:
        """Start no new work until then."""
        self.paused_until = until
        self._events.emit(events.PAIR_PAUSED, pair=self.name)
        self._state("paused")

    def resume(self) -> None:
        """Work again."""
        self.paused_until = None
        self._events.emit(events.PAIR_RESUMED, pair=self.name)
        self._state("idle")

    def paused_for(self) -> float | None:
        """Seconds that the pause still lasts (infinity: until resumed); None where there is none."""
        if self.paused_until is None:
            return None
        left = self.paused_until - self._clock.now()
        if left <= 0:
            self.resume()
            return None
        return left

    def _state(self, state: str) -> None:
        self.state = state
        self.changed()
