"""The program: argv in, exit code out. The one place where concrete things are wired together."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncd.arguments import Action, Arguments, parse
from syncd.config.load import load
from syncd.config.locate import Places, locate
from syncd.config.show import show
from syncd.config.types import Config
from syncd.errors import ConfigError, SyncdError
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.core_dump import leave_no_core
from syncd.lifecycle.courtesy import be_courteous
from syncd.lifecycle.descriptors import take_what_is_allowed
from syncd.lifecycle.garbage import collect_seldom
from syncd.lifecycle.heap import share_one_heap
from syncd.lifecycle.logs import Logs, LogSettings, open_logs
from syncd.lifecycle.notify import Notifier
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.translate import printable
from syncd.runtime import background
from syncd.runtime.expiry import expire_all, working_places
from syncd.runtime.lock import StateLock
from syncd.runtime.signals import Signals
from syncwire.exits import Exit

if TYPE_CHECKING:
    from syncd.store.database import Database

MACHINE_ID = Path("/etc/machine-id")
DATABASE = "syncd.db"


def run(argv: Sequence[str]) -> int:
    """Do what the command line asks for. Problems go to standard error, each with what to do."""
    leave_no_core()
    take_what_is_allowed()
    share_one_heap()
    arguments = parse(argv)
    try:
        return _run(arguments, argv)
    except ConfigError as error:
        _complain(error.problems, error.hint)
        return int(Exit.CONFIG)
    except SyncdError as error:
        _complain([error.message], error.hint)
        return int(Exit.FAILED)
    except BrokenPipeError:  # somebody closed the pipe that our answer goes to (`| head`)
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.FAILED)


def _run(arguments: Arguments, argv: Sequence[str]) -> int:
    if arguments.action in {Action.STOP, Action.KILL}:
        return _end_other(arguments)
    if arguments.action is Action.DOCTOR:
        return _doctor(arguments)
    config = _read(arguments)
    places = _places(arguments, config)
    match arguments.action:
        case Action.CHECK_CONFIG:
            return _check(config)
        case Action.DAEMON:
            log_file = arguments.log_file or places.state_dir / background.LOG_NAME
            command = background.foreground_command(argv, state_dir=places.state_dir)
            return background.start(command, state_dir=places.state_dir, log_file=log_file)
        case Action.ONCE:
            be_courteous(config.daemon)
            return _once(arguments, config, places)
        case _:
            be_courteous(config.daemon)
            return _foreground(arguments, config, places)


def _read(arguments: Arguments) -> Config:
    config = load(arguments.flags, os.environ, hostname=_hostname(), cwd=Path.cwd())
    if arguments.verbose:
        config = replace(config, daemon=replace(config.daemon, log_level="debug"))
    return config


def _places(arguments: Arguments, config: Config) -> Places:
    flags = arguments.flags
    return locate(config, os.environ, state_dir=flags.state_dir, socket=flags.socket)


def _hostname() -> str:
    return socket.gethostname().partition(".")[0]


def _machine_id() -> str:
    with suppress(OSError):
        text = MACHINE_ID.read_text().strip()
        if text:
            return text
    return socket.gethostname()


def _complain(problems: Iterable[str], hint: str) -> None:
    for problem in problems:
        print(f"syncd: {printable(problem)}", file=sys.stderr)
    if hint:
        print(f"  {printable(hint)}", file=sys.stderr)


# --- small actions ---


def _check(config: Config) -> int:
    from syncd.runtime.scale import refuse_empty

    refuse_empty(config)
    for notice in config.notices:
        print(f"notice: {printable(notice)}", file=sys.stderr)
    names = [f"{pair.name} ({pair.mode.value} {pair.local} {pair.remote})" for pair in config.pairs]
    names += [f"{batch.name} (archive {batch.root})" for batch in config.batches]
    print(printable(f"{config.source} is fine: {', '.join(names)}"))
    return int(Exit.OK)


def _end_other(arguments: Arguments) -> int:
    """--stop and --kill need the state folder only, so that a broken configuration does not stand in the way."""
    flags = arguments.flags
    try:
        places = _places(arguments, _read(arguments))
    except ConfigError:
        places = locate(Config(), os.environ, state_dir=flags.state_dir, socket=flags.socket)
    act = background.stop if arguments.action is Action.STOP else background.kill
    return act(places.state_dir)


def _doctor(arguments: Arguments) -> int:
    from syncd.runtime.doctor import exit_code, render

    collect_seldom(long=False)
    config = _read(arguments)
    rows = _examine(config, _places(arguments, config), None)
    if arguments.json:
        print(json.dumps({"schema_version": 1, "checks": rows}, indent=2))
    else:
        print(render(rows, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return exit_code(rows)


def _examine(config: Config, places: Places, database: Database | None) -> list[dict[str, Any]]:
    from syncd.runtime.doctor import examine

    clock = SystemClock()
    return list(examine(config, places, environ=os.environ, clock=clock, hostname=_hostname(), database=database))


# --- the two ways to work ---


def _make_state_dir(places: Places) -> None:
    try:
        places.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            [f"daemon.state_dir: {places.state_dir} cannot be made: {error.strerror}"],
            hint="choose another with --state-dir DIR",
        ) from error


def _logs(arguments: Arguments, config: Config, clock: SystemClock, *, beside: str = "") -> Logs:
    settings = LogSettings(
        level=config.daemon.log_level,
        format=config.daemon.log_format,
        file=arguments.log_file,
        syslog=config.syslog,
        beside=beside,
    )
    return open_logs(settings, clock=clock)


def _foreground(arguments: Arguments, config: Config, places: Places) -> int:
    from syncd.runtime.daemon import Daemon, Settings
    from syncd.runtime.scale import refuse_empty
    from syncd.store.database import Database

    refuse_empty(config)
    clock = SystemClock()
    with ExitStack() as stack:
        stack.enter_context(_locked(places))
        logs = _logs(arguments, config, clock)
        stack.callback(logs.close)
        signals = stack.enter_context(Signals())
        notifier = Notifier(clock)
        stack.callback(notifier.close)
        database = stack.enter_context(Database.open(places.state_dir / DATABASE, clock=clock))
        settings = Settings(
            config=config,
            places=places,
            hostname=_hostname(),
            machine_id=_machine_id(),
            read=lambda: _read(arguments),
            show=show,
            examine=lambda database: _examine(config, places, database),
        )
        collect_seldom(long=True)
        return Daemon(settings, logs=logs, clock=clock, database=database, stack=stack).run(signals, notifier)


def _locked(places: Places) -> StateLock:
    """The state folder, which is made where it is not there; whoever enters it is alone in it."""
    _make_state_dir(places)
    return StateLock(places.state_dir)


def _once(arguments: Arguments, config: Config, places: Places) -> int:
    from syncd.runtime.once import Once
    from syncd.runtime.pace import pool_for
    from syncd.runtime.scale import refuse_empty
    from syncd.runtime.short_run import Parts, batches_of, sections_of
    from syncd.s3.paces import Paces
    from syncd.store.database import Database

    refuse_empty(config)
    clock, stop = SystemClock(), Stop()
    with ExitStack() as stack:
        stack.enter_context(_locked(places))
        logs = _logs(arguments, config, clock, beside=_quieter(arguments, config))
        stack.callback(logs.close)
        signals = stack.enter_context(Signals())
        database = stack.enter_context(Database.open(places.state_dir / DATABASE, clock=clock))
        transfers, paces = TransferBoard(clock), Paces(clock, stop.wait_abandoned)
        pool = pool_for(config, transfers, paces)
        stack.callback(pool.close)
        parts = Parts(
            config=config,
            state_dir=places.state_dir,
            hostname=_hostname(),
            machine_id=_machine_id(),
            database=database,
            clock=clock,
            events=logs.events,
            transfers=transfers,
            stop=stop,
            pool=pool,
            paces=paces,
            dry=arguments.dry_run,
        )
        for notice in config.notices:
            print(f"notice: {printable(notice)}", file=sys.stderr)
        sections, batches = sections_of(parts), batches_of(parts)
        collect_seldom(long=False)
        once = Once(
            sections,
            batches,
            stop=stop,
            clock=clock,
            transfers=transfers,
            state_dir=places.state_dir,
            report=arguments.report,
            dry=arguments.dry_run,
            logged=logs.on_terminal,
            afterwards=lambda: expire_all(working_places(sections, batches), database),
        )
        return _interruptible(once.run, signals, stop)


def _quieter(arguments: Arguments, config: Config) -> str:
    """A run on a terminal tells its own story: only warnings come between, unless -v asked for more."""
    return "" if arguments.verbose or config.daemon.log_level != "info" else "warning"


def _interruptible(work: Callable[[], int], signals: Signals, stop: Stop) -> int:
    """Run the work beside the main thread, which takes the signals: the first drains, the second abandons."""
    with ThreadPoolExecutor(1, thread_name_prefix="once") as executor:
        future = executor.submit(work)
        future.add_done_callback(lambda _: signals.poke())
        while not future.done():
            signals.wait(1.0)
            while (number := signals.take()) is not None:
                if number.name != "SIGHUP":
                    (stop.abandon if stop.stopped() else stop.drain)()
    return future.result()
