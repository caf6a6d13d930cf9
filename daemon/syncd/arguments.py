"""The command line of `syncd`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NoReturn

from syncd import __version__
from syncd.config.flags import Flags, PairFlags
from syncd.config.quantities import Unreadable, parse_duration
from syncd.core.model import ConflictPolicy, HashType
from syncd.local.translate import printable

DESCRIPTION = """\
Keeps a hot folder and an S3 prefix in step, and proves it. Without one of the
actions below it runs in the foreground until it is asked to stop.
"""

PAIR_DESCRIPTION = """\
Without --config these are one pair named "default": both ways, only *.gz.
With --config, -b, -l and --prefix are refused; the others override the file.
"""

EPILOG = """\
Without --config and without a pair by flags or variables, the file
/etc/syncd/syncd.toml is read if it is there. `synctl` talks to a running syncd.

exit codes: 0 ok, 1 failed, 2 usage, 4 conflicts or some items failed,
  5 temporary, 6 degraded, 7 safety halt, 78 configuration, 130 interrupted
"""


class Action(str, Enum):
    """What this run of the program is for."""

    RUN = "run"  # in the foreground
    ONCE = "--once"
    DAEMON = "--daemon"
    STOP = "--stop"
    KILL = "--kill"
    CHECK_CONFIG = "--check-config"
    DOCTOR = "--doctor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """The command line, read and free of contradictions. `flags` is what it says of the configuration."""

    action: Action = Action.RUN
    dry_run: bool = False
    json: bool = False
    report: Path | None = None
    log_file: Path | None = None
    flags: Flags = field(default_factory=Flags)

    @property
    def verbose(self) -> bool:
        """Whether -v was given; the log level of the configuration is debug then."""
        return self.flags.verbose


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line (without the program's name). A usage error says why on stderr and exits 2."""
    parser = make_parser()
    found = parser.parse_args(argv)
    contradiction = _contradiction(found)
    if contradiction:
        parser.error(contradiction)
    pair = PairFlags(
        bucket=found.bucket,
        logs=found.logs,
        region=found.region,
        prefix=found.prefix,
        hash_type=found.hash_type,
        cleanup=found.cleanup,
        upload_only=found.upload_only,
        download_only=found.download_only,
        conflict=found.conflict,
        interval=found.interval,
        endpoint_url=found.endpoint_url,
    )
    return Arguments(
        action=_actions(found)[0] if _actions(found) else Action.RUN,
        dry_run=found.dry_run,
        json=found.json,
        report=found.report,
        log_file=found.log_file,
        flags=Flags(
            config=found.config, state_dir=found.state_dir, socket=found.socket, verbose=found.verbose, pair=pair
        ),
    )


class Parser(argparse.ArgumentParser):
    """Repeats what was typed in a form that cannot steer the terminal: a shell's glob may have typed it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with 2."""
        super().error(printable(message))


def make_parser() -> argparse.ArgumentParser:
    """The parser, for `parse`, the completion and the man page."""
    parser = Parser(
        prog="syncd",
        usage="syncd [--config FILE] [ACTION] [OPTION ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=_format,
        allow_abbrev=False,
        add_help=False,
    )
    _add_actions(parser.add_argument_group("actions (at most one)"))
    _add_options(parser.add_argument_group("options"))
    _add_pair(parser.add_argument_group("one pair without a file", PAIR_DESCRIPTION))
    return parser


def _format(prog: str) -> argparse.HelpFormatter:
    """80 columns wherever it is read."""
    return argparse.RawDescriptionHelpFormatter(prog, max_help_position=26, width=80)


def _add_actions(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-o", "--once", action="store_true", help="one full cycle of everything, then exit")
    add("--daemon", action="store_true", help="run in the background, without systemd")
    add("--stop", action="store_true", help="ask the one in the background to stop")
    add("--kill", action="store_true", help="kill one that is stuck")
    add("--check-config", action="store_true", help="print every problem; exit 0 or 78")
    add("--doctor", action="store_true", help="check every precondition")


def _add_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--config", type=_path, metavar="FILE", help="the configuration, in TOML")
    add("--dry-run", action="store_true", help="with --once: print the plan, change nothing")
    add("--json", action="store_true", help="with --doctor: print JSON")
    add("--report", type=_path, metavar="FILE", help="write what each cycle did, as JSON")
    add("--log-file", type=_path, metavar="FILE", help="log to this file")
    add("--state-dir", type=_path, metavar="DIR", help="where records and history are kept")
    add("--socket", type=_path, metavar="PATH", help="where synctl asks")
    add("-v", "--verbose", action="store_true", help="log a line for each file")
    add("--version", action="version", version=f"syncd {__version__}", help="print it and exit")
    add("-h", "--help", action="help", help="print this and exit")


def _add_pair(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("-b", "--bucket", metavar="NAME", help="the bucket (S3_BUCKET)")
    add("-l", "--logs", type=_path, metavar="DIR", help="the folder (LOGS_DIR); default ./logs")
    add("-r", "--region", metavar="NAME", help="(AWS_REGION); default us-east-1")
    add("--prefix", metavar="TEXT", help="in front of every key; default none")
    add("--hash-type", choices=[kind.value for kind in HashType], help="(HASH_TYPE); default sha256")
    add("-c", "--cleanup", action="store_true", help="remove local files once proven on S3 (CLEANUP_LOCAL)")
    add("-u", "--upload-only", action="store_true", help="(UPLOAD_ONLY)")
    add("-d", "--download-only", action="store_true", help="(DOWNLOAD_ONLY)")
    rules = [rule.value for rule in ConflictPolicy]
    add("--conflict", choices=rules, metavar="RULE", help=f"{', '.join(rules)}; default newer")
    add("--interval", type=_interval, metavar="TIME", help="between full passes; default 60s")
    add("--endpoint-url", metavar="URL", help="another store than AWS")


def _actions(found: argparse.Namespace) -> list[Action]:
    """The actions that were asked for."""
    asked = (action for action in Action if action is not Action.RUN)
    return [action for action in asked if getattr(found, action.value[2:].replace("-", "_"))]


def _contradiction(found: argparse.Namespace) -> str:
    """The first thing on the command line that cannot be meant, as a sentence; "" where there is none."""
    actions = _actions(found)
    if len(actions) > 1:
        return f"{' and '.join(one.value for one in actions)} are different actions; choose one"
    if found.upload_only and found.download_only:
        return "-u and -d contradict each other; leave both out for both ways"
    if found.dry_run and Action.ONCE not in actions:
        return "--dry-run goes with --once"
    if found.json and Action.DOCTOR not in actions:
        return "--json goes with --doctor"
    if found.report is not None and not {Action.ONCE, Action.DAEMON}.issuperset(actions):
        return f"--report goes with a run, not with {actions[0].value}"
    if found.config is not None and _naming(found):
        return f"{_naming(found)} with --config: the file names the pairs; leave one of them out"
    return ""


def _naming(found: argparse.Namespace) -> str:
    """The flags that name a pair, where they are given."""
    named = (("-b", found.bucket), ("-l", found.logs), ("--prefix", found.prefix))
    return " and ".join(flag for flag, value in named if value is not None)


def _path(text: str) -> Path:
    """A path that is not empty and holds no NUL."""
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("a path cannot be empty")
    return Path(text)


def _interval(text: str) -> str:
    """A duration over 0, as it was written."""
    try:
        duration = parse_duration(text)
    except Unreadable as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not duration:
        raise argparse.ArgumentTypeError(f"{text!r} is too short; it must be over 0")
    return text
