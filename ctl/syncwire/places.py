"""Where a client looks for the control socket."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

SYSTEM_SOCKET = "/run/syncd/control"
SYSTEM_CONFIG = "/etc/syncd/syncd.toml"
NAME = "control"


def candidates(flag: str | None, environ: Mapping[str, str], *, config: str = SYSTEM_CONFIG) -> Iterator[str]:
    """Paths to try, best first. A flag or SYNCTL_SOCKET is the only one.

    Otherwise: /run/syncd/control, what the system's configuration names, $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR,
    and last the state folder. The configuration is read only when a caller gets that far.
    """
    named = flag or environ.get("SYNCTL_SOCKET")
    if named:
        yield named
        return
    yield SYSTEM_SOCKET
    section = _daemon_section(config)
    if isinstance(section.get("socket"), str) and section["socket"]:
        yield section["socket"]
    for variable, below in (("RUNTIME_DIRECTORY", ""), ("XDG_RUNTIME_DIR", "syncd")):
        folder = environ.get(variable, "").partition(":")[0]
        if folder:
            yield os.path.join(folder, below, NAME)
    yield os.path.join(_state_folder(section, environ), NAME)


def _state_folder(section: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    if isinstance(section.get("state_dir"), str) and section["state_dir"]:
        return str(section["state_dir"])
    if environ.get("STATE_DIRECTORY"):
        return environ["STATE_DIRECTORY"].partition(":")[0]
    base = environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "syncd")


def _daemon_section(config: str) -> Mapping[str, Any]:
    """The `[daemon]` table; empty where the file cannot be read: the daemon itself says what is wrong with it."""
    try:
        with open(config, "rb") as file:
            text = file.read(8 << 20).decode("utf-8-sig")
        parser = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        section = parser.loads(text).get("daemon", {})
    except (OSError, ValueError, ImportError):
        return {}
    return section if isinstance(section, dict) else {}
