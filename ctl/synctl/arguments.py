"""The command line of synctl."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from synctl.words import printable, seconds_of

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

LATER = ("copy", "mirror", "events", "report")
"""Verbs that the contract names and this version does not have."""

SOURCES = ("records", "index", "manifests")
PATTERN = "BUCKET/KEY, s3://BUCKET/KEY or the old absolute path; * ? [a-z] match, * a slash too; without / a base name"
LEVELS = ("debug", "info", "warning", "error")
DESCRIPTION = "Looks at the syncd daemon and tells it what to do."
EXITS = (
    "exit codes: 0 ok, 1 failed, 2 usage, 3 daemon not running, 4 conflicts or some items failed, 5 try again, "
    "6 degraded, 7 halted: a person must decide, 10 wait timed out, 78 configuration, 130 interrupted"
)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line. SystemExit(2) with the usage on standard error for a wrong one."""
    parser = build()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.verb not in LATER:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return arguments


class Parser(argparse.ArgumentParser):
    """Repeats what was typed in a form that cannot steer the terminal: a shell's glob may have typed it."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and leave with 2."""
        super().error(printable(message))


def build() -> argparse.ArgumentParser:
    """The parser; every verb takes the common options before or after it."""
    parser: argparse.ArgumentParser = Parser("synctl", description=DESCRIPTION, epilog=EXITS, allow_abbrev=False)
    _common(parser)
    parser.set_defaults(json=False, socket=None, no_color=False)
    verbs: Verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _looking(verbs)
    _archive(verbs)
    _working(verbs)
    for name in LATER:
        _verb(verbs, name, "not in this version yet")
    return parser


def verb_names() -> dict[str, list[str]]:
    """Each verb with its long options and its words, for completion."""
    top = build()._subparsers
    assert top is not None
    action = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    return {name: _offers(parser) for name, parser in action.choices.items()}


def _offers(parser: argparse.ArgumentParser) -> list[str]:
    offers: list[str] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            offers += action.choices
            inner = (option for below in action.choices.values() for option in _offers(below))
            offers += [option for option in dict.fromkeys(inner) if option not in offers]
        elif action.option_strings:
            offers += [option for option in action.option_strings if option.startswith("--")]
        elif action.choices:
            offers += [str(choice) for choice in action.choices]
    return offers


def _common(parser: argparse.ArgumentParser) -> None:
    drop = argparse.SUPPRESS
    parser.add_argument("--json", action="store_true", default=drop, help="the answer as JSON (schema_version 1)")
    parser.add_argument("--socket", metavar="PATH", default=drop, help="the daemon's control socket")
    parser.add_argument("--no-color", action="store_true", default=drop, help="no colours (as NO_COLOR)")


def _verb(verbs: Verbs, name: str, help: str, *aliases: str) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=help, description=help, aliases=list(aliases), allow_abbrev=False)
    parser.set_defaults(verb=name)
    _common(parser)
    return parser


def _looking(verbs: Verbs) -> None:
    status = _verb(verbs, "status", "the whole daemon at a glance")
    status.add_argument("--watch", action="store_true", help="draw it again and again, until Ctrl-C")
    status.add_argument("--every", type=_duration, default=1.0, metavar="TIME", help="with --watch (1s)")
    _pair(_verb(verbs, "plan", "what the next cycle would do, with a reason for each row"))
    _verify(verbs)
    explain = _verb(verbs, "explain", "what is known of one file, and what happens to it next")
    explain.add_argument("path", metavar="PATH", help="absolute, or relative to the pair's root")
    history = _verb(verbs, "history", "what was done, newest first")
    history.add_argument("path", metavar="PATH", nargs="?")
    history.add_argument("--since", metavar="T", help="2h, 1d, or a time as 2026-11-20T13:00:00Z")
    history.add_argument("--limit", type=int, metavar="N", help="rows at most (100)")
    history.add_argument("--pair", metavar="PAIR")
    conflicts = _verb(verbs, "conflicts", "conflicts that were met; `resolve` settles one")
    resolve = _verb(conflicts.add_subparsers(dest="what", metavar="resolve"), "resolve", "settle one")
    resolve.set_defaults(verb="conflicts")
    resolve.add_argument("id", metavar="ID")
    resolve.add_argument("--keep", required=True, choices=("local", "remote", "both"))
    _trash(verbs)
    _verb(verbs, "doctor", "check every precondition, with or without a daemon")
    config = _verb(verbs, "config", "the configuration in effect")
    config.add_argument("what", choices=("show",))
    _verb(verbs, "version", "of the client and of the daemon")
    completion = _verb(verbs, "completion", "a script for the shell to complete synctl's words")
    completion.add_argument("shell", nargs="?", default="bash", choices=("bash",))


def _verify(verbs: Verbs) -> None:
    verify = _verb(verbs, "verify", "compare both sides and the record; = - + * ! as rclone check --combined")
    _pair(verify)
    verify.add_argument("--path", metavar="P", help="only this file, or what lies below this folder")
    verify.add_argument("--sample", type=_share, metavar="SHARE", help="a random part of all paths: 5%%")
    verify.add_argument("--seed", metavar="SEED", help="with --sample: draw the same part again")
    verify.add_argument("--download", action="store_true", help="read every byte on both sides")
    verify.add_argument("--differences", action="store_true", help="leave out the rows of what is the same")


def _trash(verbs: Verbs) -> None:
    trash = _verb(verbs, "trash", "what an overwrite or a propagated delete displaced")
    inner = trash.add_subparsers(dest="what", metavar="list|restore", required=True)
    listing = _verb(inner, "list", "what is there, newest first")
    listing.set_defaults(verb="trash")
    _pair(listing)
    restore = _verb(inner, "restore", "bring one back")
    restore.set_defaults(verb="trash")
    restore.add_argument("id", metavar="ID")
    restore.add_argument("--to", metavar="PATH", help="another place than its own")


def _archive(verbs: Verbs) -> None:
    archive = _verb(verbs, "archive", "what the archives of small files hold, and how to have it back")
    inner = archive.add_subparsers(dest="what", metavar="find|ls|restore|reindex", required=True)
    find = _verb(inner, "find", "where originals went")
    find.add_argument("pattern", metavar="PATTERN", help=PATTERN)
    find.add_argument("--limit", type=int, metavar="N", help="rows at most (1000)")
    listing = _verb(inner, "ls", "archives, newest first; or the files of one archive")
    listing.add_argument("place", metavar="PLACE", nargs="?", help="BUCKET, BUCKET/FOLDER, or BUCKET/KEY.tar")
    listing.add_argument("--limit", type=int, metavar="N", help="rows at most (1000)")
    restore = _verb(inner, "restore", "bring originals back, as DIR/BUCKET/KEY; nothing is overwritten")
    restore.add_argument("keys", metavar="KEY", nargs="+", help=PATTERN)
    restore.add_argument("--to", metavar="DIR", default=".", help="a folder that the daemon's user may write (.)")
    reindex = _verb(inner, "reindex", "tell the index again of every archive on S3")
    reindex.add_argument("batch", metavar="BATCH", nargs="?", help="one batch (all)")
    reindex.add_argument("--bucket", metavar="BUCKET", help="one bucket (all that it archives to)")
    for parser in (find, restore):
        parser.add_argument("--all", action="store_true", help="older versions of a key too, not the newest alone")
        parser.add_argument("--source", choices=SOURCES, help="who is asked (the first of them that knows anything)")
    for parser in (find, listing, restore, reindex):
        parser.set_defaults(verb="archive")


def _working(verbs: Verbs) -> None:
    sync = _verb(verbs, "force-sync", "run now", "sync")
    _pair(sync)
    sync.add_argument("--path", metavar="P", help="only this path")
    sync.add_argument("--wait", action="store_true", help="until every file present now is durable on the other side")
    sync.add_argument("--timeout", type=_duration, metavar="S", help="seconds (or 5m) to wait at most")
    stop = _verb(verbs, "stop", "drain and stop the daemon")
    stop.add_argument("--now", action="store_true", help="abandon what is in flight (nothing is lost)")
    pause = _verb(verbs, "pause", "stop the work of one section, or of all")
    pause.add_argument("name", metavar="NAME", nargs="?")
    pause.add_argument("--for", dest="seconds", type=_duration, metavar="TIME", help="2h: then it goes on by itself")
    resume = _verb(verbs, "resume", "start the work of one section, or of all")
    resume.add_argument("name", metavar="NAME", nargs="?")
    resume.add_argument("--accept", metavar="PLAN_ID", help="accept exactly the plan that a guard halted")
    _verb(verbs, "reload", "read the configuration again")
    level = _verb(verbs, "loglevel", "how much the daemon logs, until it starts anew")
    level.add_argument("level", choices=LEVELS)


def _pair(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pair", metavar="PAIR", nargs="?")


def _share(text: str) -> float:
    """`5%` or `0.05` as 0.05."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: write 5%, or 0.05")
    return share


def _duration(text: str) -> float:
    try:
        return seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
