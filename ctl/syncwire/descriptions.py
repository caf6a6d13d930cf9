"""The interface descriptions as text, by interface name."""

from __future__ import annotations

import os

from syncwire.names import INTERFACE, SERVICE


def descriptions() -> dict[str, str]:
    """Every interface that the control socket serves, in the language of Varlink."""
    return {name: _text(name) for name in (SERVICE, INTERFACE)}


def _text(name: str) -> str:
    with open(os.path.join(os.path.dirname(__file__), f"{name}.varlink"), encoding="utf-8") as file:
        return file.read()
