"""The product's own source as syntax trees, for the tests that hold its architecture."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
ROOTS = {"syncd": CHECKOUT / "daemon", "synctl": CHECKOUT / "ctl", "syncwire": CHECKOUT / "ctl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file: `name` is dotted ("syncd.core.model"), `path` as people write it ("syncd/core/model.py")."""

    name: str
    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The room below the package: "core" for syncd.core.model, "errors" for syncd.errors, "" for the package."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    def imports(self) -> Iterator[tuple[int, str]]:
        """Every import as (line, dotted name), `from a import b` as a.b when that is a module of ours, else as a."""
        ours = module_names()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield node.lineno, alias.name
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                for alias in node.names:
                    whole = f"{base}.{alias.name}"
                    yield node.lineno, whole if whole in ours else base

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name if self.path.endswith("__init__.py") else self.name.rpartition(".")[0]
        parts = package.split(".")
        above = parts[: len(parts) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])

    def calls(self) -> Iterator[ast.Call]:
        """Every call in the file."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


def _files() -> Iterator[tuple[str, Path]]:
    for package, root in ROOTS.items():
        for file in sorted((root / package).rglob("*.py")):
            yield ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), file


@cache
def module_names() -> frozenset[str]:
    """The dotted names of all our modules."""
    return frozenset(name for name, _ in _files())


@cache
def modules() -> tuple[Module, ...]:
    """All modules of the packages syncd, synctl and syncwire."""
    found = []
    for name, file in _files():
        text = file.read_text(encoding="utf-8")
        path = file.relative_to(ROOTS[name.split(".")[0]]).as_posix()
        found.append(Module(name=name, path=path, text=text, tree=ast.parse(text, filename=path)))
    return tuple(found)


def daemon_modules() -> tuple[Module, ...]:
    """The modules of syncd alone."""
    return tuple(module for module in modules() if module.name.split(".")[0] == "syncd")


def is_standard(name: str) -> bool:
    """Whether this is a module of Python's standard library."""
    return name.split(".")[0] in sys.stdlib_module_names


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of names; "" at its start where it begins with something else: `f().close` is ".close"."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""
