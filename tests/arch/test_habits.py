"""Habits that keep the daemon interruptible, honest and quiet, each with its reason in the message."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from support.source import CHECKOUT, Module, daemon_modules, dotted, modules

CATCH_ALL = {
    "syncd/workers/base.py",  # a bug in a round ends that worker's thread, which is restarted, not the process
    "syncd/control/dispatch.py",  # a bug in a handler hurts one call
}
PRINTERS = (
    "syncd/__main__.py",
    "syncd/app.py",
    "syncd/runtime/background.py",  # --daemon talks to a shell
    "syncd/runtime/once.py",  # --once shows its progress and its plan
    "syncd/runtime/doctor.py",
    "synctl/",
)

# waits that no stop token, signal or deadline ends, when they are called with nothing
ENDLESS = {"join", "wait", "recv", "acquire"}
BOUNDED = {
    ("syncd/engine/cycle.py", "_errands.wait"),  # our own: it looks again twice a second, and a stop ends the tasks
    ("syncd/archive/alone.py", "_inflight.wait"),  # the same
    ("syncd/engine/pool.py", "_room.acquire"),  # room comes when a transfer ends, and a stop ends every transfer
    ("syncd/runtime/lock.py", "self.acquire"),  # our own: flock without waiting
}


def names_caught(handler: ast.ExceptHandler) -> set[str]:
    if handler.type is None:
        return {"everything"}
    parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {dotted(part) for part in parts}


def reraises(handler: ast.ExceptHandler) -> bool:
    return isinstance(handler.body[-1], ast.Raise)


def handlers(module: Module) -> Iterator[ast.ExceptHandler]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler))


def test_nothing_sleeps() -> None:
    found = [
        f"{module.path}:{node.lineno} time.sleep: no stop reaches it; wait on a stop token or a mailbox"
        for module in modules()
        for node in module.calls()
        if dotted(node.func) in {"time.sleep", "sleep"}
    ]
    assert not found, "\n".join(found)


def test_no_wait_is_endless() -> None:
    found = [
        f"{module.path}:{node.lineno} {dotted(node.func)}() without a timeout: a stop must be able to end it"
        for module in daemon_modules()
        for node in module.calls()
        if isinstance(node.func, ast.Attribute) and node.func.attr in ENDLESS and not node.args and not node.keywords
        if (module.path, ".".join(dotted(node.func).split(".")[-2:])) not in BOUNDED
    ]
    assert not found, "\n".join(found)


def test_nothing_looks_into_a_bytesio() -> None:
    found = [
        f"{module.path}:{node.lineno} getbuffer(): collected in a cycle it ends the process (CPython to 3.12)"
        for module in modules()
        for node in module.calls()
        if isinstance(node.func, ast.Attribute) and node.func.attr == "getbuffer"
    ]
    assert not found, "\n".join(found)


def test_only_two_places_catch_everything() -> None:
    found = [
        f"{module.path}:{handler.lineno} except {sorted(names_caught(handler))}: name what can happen; bugs belong to "
        f"{sorted(CATCH_ALL)}"
        for module in modules()
        if module.path not in CATCH_ALL
        for handler in handlers(module)
        if names_caught(handler) & {"everything", "Exception", "BaseException"} and not reraises(handler)
    ]
    assert not found, "\n".join(found)


def test_only_the_command_line_prints() -> None:
    found = [
        f"{module.path}:{node.lineno} prints: emit an event or return what a person is to read"
        for module in modules()
        if not module.path.startswith(PRINTERS)
        for node in module.calls()
        if dotted(node.func) in {"print", "sys.stdout.write", "sys.stderr.write"}
    ]
    assert not found, "\n".join(found)


def test_no_fork_after_the_first_thread() -> None:
    found = [
        f"{module.path}:{node.lineno} {dotted(node.func)}: children come by subprocess, without preexec_fn"
        for module in daemon_modules()
        for node in module.calls()
        if (dotted(node.func) in {"os.fork", "os.forkpty"} and module.path not in {"syncd/app.py", "syncd/__main__.py"})
        or any(word.arg == "preexec_fn" for word in node.keywords)
    ]
    assert not found, "\n".join(found)


# --- events ------------------------------------------------------------------------------------------------


def event_constants() -> dict[str, str]:
    source = next(module for module in daemon_modules() if module.name == "syncd.events")
    return {
        target.id: node.value.value
        for node in source.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_event_names_are_nouns_and_past_verbs() -> None:
    wrong = {name: value for name, value in event_constants().items() if not re.fullmatch(r"[a-z_]+\.[a-z_]+", value)}
    assert not wrong, f"noun.past_verb: {wrong}"
    unlike = {name: value for name, value in event_constants().items() if name.lower() != value.replace(".", "_")}
    assert not unlike, f"a constant is spelt as its event: {unlike}"


def test_every_event_is_emitted_somewhere() -> None:
    used = {
        node.attr for module in daemon_modules() for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)
    } | {
        alias.name
        for module in daemon_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "syncd.events"
        for alias in node.names
    }
    idle = sorted(event_constants().keys() - used)
    assert not idle, f"nobody emits these events, so nobody can rely on them: {idle}"


def test_events_are_named_by_constants_alone() -> None:
    found = [
        f"{module.path}:{node.lineno} emits {ast.unparse(node.args[0])}: use a constant of syncd.events"
        for module in daemon_modules()
        for node in module.calls()
        if dotted(node.func).endswith(".emit")
        and node.args
        and not isinstance(node.args[0], (ast.Attribute, ast.Name, ast.IfExp))
    ]
    values = set(event_constants().values())
    found += [
        f"{module.path}:{node.lineno} spells {node.value!r}: use the constant of syncd.events"
        for module in daemon_modules()
        if module.name != "syncd.events"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in values
    ]
    assert not found, "\n".join(found)


# --- words --------------------------------------------------------------------------------------------------

TEXT = {".py", ".md", ".toml", ".sql", ".sh", ".service", ".sysusers", ".varlink", ".json", ".yml", ".yaml", ""}
FOLDERS = ("daemon", "ctl", "tests", "docs", "etc", "packaging", "systemd", ".ci")
SOMEBODYS = re.compile(r"(?<![\w}.$])/(?:" + "|".join(("work", "root", "Users")) + r"|home/(?!shared|me/)[a-z]+)/\w")


def texts() -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((CHECKOUT / folder).rglob("*")):
            if path.is_file() and path.suffix in TEXT and "__pycache__" not in path.parts:
                yield path
    yield from (path for path in sorted(CHECKOUT.iterdir()) if path.is_file() and path.suffix in TEXT)


def test_no_file_names_a_developers_machine() -> None:
    found = [
        f"{path.relative_to(CHECKOUT)}:{number} {line.strip()[:80]}"
        for path in texts()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if SOMEBODYS.search(line)
    ]
    assert not found, "these paths exist on one machine only:\n" + "\n".join(found)
