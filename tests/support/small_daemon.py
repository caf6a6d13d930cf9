"""A daemon of our own parts and nothing else: lock, signals, supervisor, one worker. Run as a program by tests.

`small_daemon.py STATE_DIR [WORD ...]`: `stubborn` drains for ever; `stuck` does not end even when abandoned; `deaf`
ignores SIGTERM; `late` is never ready; `broken` fails to start; `crashing` has a worker that always crashes;
`fatal` has one that cannot go on; `silent` has one that hangs. What happens is said on standard output, a line each.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from syncd.errors import ConfigError, FatalError, SyncdError
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.notify import Notifier
from syncd.lifecycle.stop import Stop
from syncd.runtime.lock import StateLock
from syncd.runtime.restarts import RestartPolicy
from syncd.runtime.signals import Signals
from syncd.runtime.stages import closing_stage, worker_stage
from syncd.runtime.supervisor import Duties, Supervisor
from syncd.workers.base import Worker


class Spoken:
    """Events as lines on standard output."""

    def emit(self, event: str, **fields: object) -> None:
        say(event, *(f"{name}={value}" for name, value in fields.items() if name in {"worker", "reason", "hung"}))


class Errand(Worker):
    """One worker that does what the words say."""

    words: frozenset[str] = frozenset()

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        if "crashing" in self.words:
            raise ValueError("a bug")
        if "fatal" in self.words:
            raise FatalError("the database is broken", hint="restore it")
        say("working")
        if "stubborn" in self.words:
            self.stop.wait_abandoned(600)
        if "stuck" in self.words or "silent" in self.words:
            threading.Event().wait(600)
        return None


def say(*words: str) -> None:
    """One line, at once."""
    os.write(1, (" ".join(words) + "\n").encode())


def main(state_dir: Path, words: frozenset[str]) -> int:
    """Run it as syncd would."""
    if "broken" in words:
        raise ConfigError(["pair.logs.local: no such folder"], hint="make it")
    clock, events, errand_stop = SystemClock(), Spoken(), Stop()
    errand = Errand("errand", deadline=0.2, stop=errand_stop, events=events, clock=clock)
    errand.words = words
    with ExitStack() as stack:
        lock = stack.enter_context(StateLock(state_dir))
        if "late" in words:
            threading.Event().wait(600)
        signals = stack.enter_context(Signals())
        if "deaf" in words:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        duties = Duties(
            startup=[lock.check],
            workers=[errand],
            stop=[worker_stage("errands", [errand], drain_s=60), closing_stage("store", lambda: say("closed"))],
            status=lambda: errand.health().state,
            reload=lambda: say("reloading"),
        )
        policy = RestartPolicy(first_s=0.01, longest_s=0.02, most=3)
        supervisor = Supervisor(
            duties,
            signals=signals,
            notifier=Notifier(clock),
            events=events,
            clock=clock,
            restarts=policy,
            abandon_s=0.3,
        )
        code = supervisor.run()
        if supervisor.fatal is not None:
            print(supervisor.fatal, file=sys.stderr)
        if supervisor.hung:
            os._exit(code)
        return code


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), frozenset(sys.argv[2:])))
    except SyncdError as error:
        print(f"syncd: {error}", file=sys.stderr)
        sys.exit(78 if isinstance(error, ConfigError) else 1)
