"""synctl: look at the daemon, tell it what to do."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from synctl.arguments import LATER, parse
from synctl.session import Session
from synctl.words import printable
from syncwire import names
from syncwire.client import CallFailed, NoAnswer, NotAllowed, NotRunning
from syncwire.exits import Exit, of_error

HOMES = {
    "status": "verbs_status",
    "plan": "verbs_look",
    "verify": "verbs_verify",
    "explain": "verbs_look",
    "history": "verbs_look",
    "conflicts": "verbs_look",
    "trash": "verbs_look",
    "config": "verbs_look",
    "version": "verbs_look",
    "doctor": "verbs_doctor",
    "force-sync": "verbs_work",
    "stop": "verbs_work",
    "pause": "verbs_work",
    "resume": "verbs_work",
    "reload": "verbs_work",
    "loglevel": "verbs_work",
    "archive": "verbs_archive",
    "completion": "completion",
}
"""Which module holds a verb: only that one is imported."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        session = Session(arguments, os.environ, sys.stdout, sys.stderr)
        code = run(session)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.OK
    return int(code)


def run(session: Session) -> Exit:
    """Run the verb, with what can go wrong on the way said in words."""
    verb = session.arguments.verb
    if verb in LATER:
        session.say(f"{verb} is not in this version yet")
        return Exit.CONFIG
    function = getattr(importlib.import_module(f"synctl.{HOMES[verb]}"), verb.replace("-", "_"))
    try:
        code: Exit = function(session)
    except NotRunning as error:
        session.say(not_running(error))
        return Exit.NOT_RUNNING
    except NotAllowed as error:
        session.say(f"{printable(error)}: become root, or a member of the group syncd")
        return Exit.FAILED
    except NoAnswer as error:
        session.say(printable(error))
        return Exit.TEMPORARY
    except CallFailed as error:
        session.say(in_words(error))
        return of_error(error.name)
    return code


def not_running(error: NotRunning) -> str:
    """The sentence for a daemon that is not there."""
    tried = ", ".join(printable(path) for path in error.tried)
    what_to_do = "`systemctl start syncd` starts it; --socket PATH asks elsewhere"
    return f"syncd is not running: nobody answers on {tried}. {what_to_do}."


def in_words(error: CallFailed) -> str:
    """An error of the daemon as one paragraph: what, and what to do."""
    match error.name:
        case names.INVALID_PARAMETER | names.METHOD_NOT_FOUND | names.INTERFACE_NOT_FOUND:
            return f"this daemon does not know what was asked ({printable(error.name)}); `synctl version` compares both"
        case names.CONFIG_INVALID:
            problems = error.parameters.get("problems") or [error]
            return "the configuration cannot be used:" + "".join(f"\n  {printable(problem)}" for problem in problems)
        case _:
            hint = error.parameters.get("hint")
            return printable(error) + (f" ({printable(hint)})" if hint else "")


if __name__ == "__main__":
    sys.exit(main())
