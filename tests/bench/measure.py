"""One run of one program, measured as a whole; and runs of several, in turn, so that what changes hits all alike."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.clients import Client, Command
from bench.servers import cpu_s
from support.cost import cost_of

PATIENCE_S = 900
"""No run takes so long; one that would never end is ended."""

LEASH = (
    *(("setpriv", "--pdeathsig", "TERM") if shutil.which("setpriv") else ()),  # it ends with the bench
    *("timeout", "--foreground", "--kill-after=5", str(PATIENCE_S)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run cost. `wrong` is empty where every file arrived as it was."""

    client: str
    variant: str
    round: int
    wall_s: float
    cpu_s: float
    peak_mib: float
    server_cpu_s: float
    wrong: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """The medians of a client's runs in one variant."""

    client: str
    variant: str
    runs: int
    wall_s: float
    cpu_s: float
    peak_mib: float


Prepare = Callable[[Client, int], tuple[Command, Callable[[], str]]]
"""What a client runs in a round, and how to see afterwards what is wrong."""


def measured(command: Command, *, server_pid: int, log: Path) -> tuple[int, float, float, float, float]:
    """Run it: exit code, wall, CPU of all its processes, largest resident memory, CPU of the server meanwhile."""
    before = cpu_s(server_pid)
    with log.open("wb") as output:
        argv = [*LEASH, *command.argv]
        code, cost = cost_of(argv, report=log.with_suffix(".cost"), env=command.env, output=output)
    return code, cost.wall_s, cost.cpu_s, cost.peak_mib, cpu_s(server_pid) - before


def in_turn(
    clients: Sequence[Client],
    rounds: int,
    prepare: Prepare,
    *,
    server_pid: int,
    scratch: Path,
    tell: Callable[[str], None],
) -> list[Run]:
    """Every client once, then every client again: A B A B."""
    runs = []
    for round in range(rounds):
        for client in clients:
            tell(f"{client.name} {client.variant}, {round + 1} of {rounds}")
            command, check = prepare(client, round)
            log = scratch / f"{client.name}-{client.variant}-{round}.log"
            code, wall_s, used_s, peak, server_s = measured(command, server_pid=server_pid, log=log)
            wrong = check()  # which also clears up
            if code:
                wrong = f"ended with {code}: {log.read_text(errors='replace')[-400:]}"
            runs.append(
                Run(
                    client=client.name,
                    variant=client.variant,
                    round=round,
                    wall_s=round_to_ms(wall_s),
                    cpu_s=round_to_ms(used_s),
                    peak_mib=round_to_ms(peak),
                    server_cpu_s=round_to_ms(server_s),
                    wrong=wrong,
                )
            )
    return runs


def round_to_ms(number: float) -> float:
    """Three decimals: what is measured is not better than that."""
    return round(number, 3)


def medians(runs: Iterable[Run]) -> list[Middle]:
    """Of the runs that did what they should, in the order in which their clients came."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if not run.wrong:
            found.setdefault((run.client, run.variant), []).append(run)
    return [
        Middle(
            client=client,
            variant=variant,
            runs=len(its),
            wall_s=round_to_ms(median(run.wall_s for run in its)),
            cpu_s=round_to_ms(median(run.cpu_s for run in its)),
            peak_mib=round_to_ms(median(run.peak_mib for run in its)),
        )
        for (client, variant), its in found.items()
    ]


def better(middles: Iterable[Middle], names: Sequence[str], metric: str) -> tuple[float, str] | None:
    """The smallest of these clients by that metric, and who it is."""
    found = [
        (getattr(middle, metric), f"{middle.client} {middle.variant}") for middle in middles if middle.client in names
    ]
    return min(found) if found else None
