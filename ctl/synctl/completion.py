"""synctl completion: the shell script, made from the parser itself."""

from __future__ import annotations

from synctl.arguments import verb_names
from synctl.session import Session
from syncwire.exits import Exit

HEAD = """\
# bash completion for synctl; made by `synctl completion bash`
_synctl() {
    local word=${COMP_WORDS[COMP_CWORD]} verb= index
    for ((index = 1; index < COMP_CWORD; index++)); do
        case ${COMP_WORDS[index]} in
            --socket) ((index++)) ;;
            -*) ;;
            *) verb=${COMP_WORDS[index]}; break ;;
        esac
    done
    local offers=
    case $verb in
"""
TAIL = """\
    esac
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == --@(socket|path|to) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -W "$offers" -- "$word")
    fi
}
complete -o bashdefault -F _synctl synctl
"""


def completion(session: Session) -> Exit:
    """Print the script."""
    session.answer(bash())
    return Exit.OK


def bash() -> str:
    """The script as text."""
    verbs = verb_names()
    lines = [f"        '') offers='{' '.join(verbs)} --json --socket --no-color --help' ;;"]
    lines += [f"        {verb}) offers='{' '.join(offers)}' ;;" for verb, offers in verbs.items()]
    return HEAD + "\n".join(lines) + "\n" + TAIL
