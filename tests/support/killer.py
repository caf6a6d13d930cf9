"""Kills one daemon after the other at random moments, while it works and while it starts."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping

from support.daemon_process import Host

EARLIEST_S, LATEST_S = 5.0, 15.0
"""From one kill to the next."""

STARTING_S = 1.5
"""Within so many seconds of its start a daemon may be killed once more."""

AGAIN = 0.4
"""How often that happens."""

WORDS = ("-v",)


class Killer:
    """What is killed when, by a seed. `asleep` says for each host when it was not at work: (from, to)."""

    def __init__(self, hosts: Mapping[str, Host], *, seed: int, before_s: float, after_s: float) -> None:
        self.kills = 0
        self.asleep: dict[str, list[tuple[float, float]]] = {name: [] for name in hosts}
        self._hosts = hosts
        self._random = random.Random(f"{seed}/kills")
        self._before_s = before_s  # what it had begun then may have to be done again
        self._after_s = after_s  # until it has looked at everything again

    def run(self, over: threading.Event) -> None:
        """Kill until it is over; every host that was killed answers again when this returns."""
        while not over.wait(self._random.uniform(EARLIEST_S, LATEST_S)):
            name = self._random.choice(sorted(self._hosts))
            self._kill(name, self._hosts[name])

    def _kill(self, name: str, host: Host) -> None:
        pause = threading.Event()
        died = time.time()
        host.kill()
        self.kills += 1
        while self._random.random() < AGAIN:
            pause.wait(self._random.uniform(0, 0.5))
            host.spawn(*WORDS)
            pause.wait(self._random.uniform(0, STARTING_S))
            host.kill()
            self.kills += 1
        host.start(*WORDS)
        self.asleep[name].append((died - self._before_s, time.time() + self._after_s))
