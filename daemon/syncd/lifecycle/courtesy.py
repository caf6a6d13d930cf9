"""What the process leaves to its neighbours: processor time, disk time, whole cores. Settled before any thread."""

from __future__ import annotations

import os

import psutil

from syncd.config.types import Daemon
from syncd.errors import ConfigError

BEST_EFFORT = "best-effort"


def be_courteous(settings: Daemon) -> None:
    """Take what `[daemon]` asks for: nice, ionice and cores, each as it was given where they say `auto`.

    Threads inherit all three from the one that starts them. ConfigError where the kernel refuses.
    """
    if settings.nice is not None:
        _renice(settings.nice)
    if settings.ionice != "auto":
        _ionice(settings.ionice)
    if settings.cores is not None:
        _stay_on(settings.cores)


def told() -> str:
    """How the process runs, in words: "nice 10, ionice best-effort:7, 2 of 8 cores"."""
    own = psutil.Process()
    used, there = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    return f"nice {own.nice()}, ionice {_disk_words(own)}, {used} of {there} cores"


def _disk_words(own: psutil.Process) -> str:
    io = own.ionice()
    if io.ioclass == psutil.IOPRIO_CLASS_IDLE:
        return "idle"
    if io.ioclass == psutil.IOPRIO_CLASS_NONE:  # the kernel goes by nice then
        return "none"
    return f"{BEST_EFFORT if io.ioclass == psutil.IOPRIO_CLASS_BE else 'realtime'}:{io.value}"


def _renice(level: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, level)
    except OSError as error:
        now = os.getpriority(os.PRIO_PROCESS, 0)
        raise ConfigError(
            [f"daemon.nice: {level} is refused, this process was started at {now} and may only become nicer"],
            hint=f'say nice = {now} or more, or "auto" and Nice={level} in what starts it (`systemctl edit syncd`)',
        ) from error


def _ionice(word: str) -> None:
    name, _, level = word.partition(":")
    try:
        if name == BEST_EFFORT:
            psutil.Process().ionice(psutil.IOPRIO_CLASS_BE, int(level))
        else:
            psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)
    except (OSError, psutil.Error) as error:
        raise ConfigError(
            [f"daemon.ionice: {word} is refused: {error}"],
            hint='say ionice = "auto" and IOSchedulingClass= in what starts it (`systemctl edit syncd`)',
        ) from error


def _stay_on(count: int) -> None:
    """On the last ones: what does not choose begins with the first."""
    allowed = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(0, allowed[-count:])
    except OSError as error:
        raise ConfigError(
            [f"daemon.cores: {count} is refused: {error.strerror}"],
            hint='say cores = "auto" and CPUAffinity= in what starts it (`systemctl edit syncd`)',
        ) from error
