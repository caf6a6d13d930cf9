"""Every call that changes something, or asks the store, stands in a checkpoint, so that a death is tried around it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.source import Module, daemon_modules, dotted
from syncd import checkpoint
from syncd.checkpoint import Checkpoint

REGISTERED = {name: one for name, one in vars(checkpoint).items() if isinstance(one, Checkpoint)}
RULE = "put it into `with checkpoint.NAME:`, and see that tests/e2e/test_crash_matrix.py dies there"

CALLS = {"os.unlink", "os.rmdir", "os.link", "os.mkdir", "os.fsync", "os.pwrite", "self._connection.close"}
METHODS = {"write_text", "executescript", "put_index_template", "bulk"}
ROOMS_OF_CLIENTS = {"s3"}
"""Here every call of a client is a request, and of the lean one, which is called a wire."""
CLIENTS = {"client", "_client", "wire", "_wire"}
LEAN_CLIENT = "syncd.s3.wire."
"""It knows nothing of syncd: who calls it stands in the checkpoint."""

BY_OTHER_NAMES = {("syncd/local/renameat2.py", "self.call"), ("syncd/store/database.py", "sweep")}
"""What goes to the kernel or the database by a name of our own."""


def is_counted(module: Module, call: ast.Call) -> bool:
    """Whether a death before or after this call leaves another world."""
    if module.name.startswith(LEAN_CLIENT):
        return False
    name = dotted(call.func)
    owner, _, method = name.rpartition(".")
    if name in CALLS or method in METHODS or (module.path, name) in BY_OTHER_NAMES:
        return True
    if module.room in ROOMS_OF_CLIENTS and (owner.rpartition(".")[2] in CLIENTS or name == "call"):
        return True
    if name == "os.open":
        return any(isinstance(argument, ast.Name) and argument.id == "_NEW" for argument in call.args)
    if method == "execute":
        return any(isinstance(argument, ast.Constant) and argument.value == "COMMIT" for argument in call.args)
    return method == "replace" and module.path == "syncd/runtime/run_report.py" and len(call.args) == 1


def names(statement: ast.With) -> Iterator[str]:
    """The checkpoints that a with statement stands for."""
    for item in statement.items:
        owner, _, name = dotted(item.context_expr).rpartition(".")
        if owner == "checkpoint":
            yield name


def bare(module: Module, node: ast.AST, *, covered: bool = False) -> Iterator[ast.Call]:
    """Calls that are counted and stand in no checkpoint. A function within one is called who knows when."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        covered = False
    elif isinstance(node, ast.With) and any(names(node)):
        covered = True
    if isinstance(node, ast.Call) and not covered and is_counted(module, node):
        yield node
    for child in ast.iter_child_nodes(node):
        yield from bare(module, child, covered=covered)


def test_every_such_call_stands_in_a_checkpoint() -> None:
    found = [
        f"{module.path}:{call.lineno} {ast.unparse(call.func)}: {RULE}"
        for module in daemon_modules()
        for call in bare(module, module.tree)
    ]
    assert not found, "\n".join(found)


def test_the_registry_is_what_the_code_uses() -> None:
    used = {
        name
        for module in daemon_modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.With)
        for name in names(node)
    }
    assert used == REGISTERED.keys()


def test_a_checkpoint_is_spelt_as_its_name() -> None:
    spelt = {name: one.points for name, one in REGISTERED.items()}
    assert spelt == {
        name: tuple(f"{name.lower().replace('_', '.', 1)}.{side}" for side in ("before", "after"))
        for name in REGISTERED
    }


def test_nothing_in_the_product_arms_them() -> None:
    found = [
        f"{module.path}:{node.lineno}"
        for module in daemon_modules()
        if module.name != "syncd.checkpoint"
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.Attribute, ast.Name)) and dotted(node) in {"checkpoint.arm", "checkpoint._listener"}
    ]
    assert not found, f"a test alone listens: {found}"


@pytest.mark.parametrize(
    "source",
    [
        "os.unlink(path)",
        "with folder:\n os.fsync(folder)",
        "with checkpoint.S3_PUT:\n def later():\n  os.link(one, other)",
        "connection.execute('COMMIT')",
        "self._fd = os.open(name, _NEW, 0o600)",
    ],
)
def test_a_bare_call_is_found(source: str) -> None:
    module = Module(name="syncd.local.new", path="syncd/local/new.py", text=source, tree=ast.parse(source))
    assert len(list(bare(module, module.tree))) == 1


@pytest.mark.parametrize("source", ["self._client.put_object()", "def once(wire):\n return wire.put(key)"])
def test_a_bare_request_is_found_on_either_plane(source: str) -> None:
    module = Module(name="syncd.s3.new", path="syncd/s3/new.py", text=source, tree=ast.parse(source))
    assert len(list(bare(module, module.tree))) == 1
