"""Where the state folder and the control socket are: flag, file, systemd's variables, XDG, home."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syncd.config.types import Config
from syncd.errors import ConfigError

LONGEST_SOCKET = 107  # bytes of sun_path on Linux, less its final NUL


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What a daemon owns on this host besides its pairs; both absolute."""

    state_dir: Path
    socket: Path


def locate(
    config: Config, environ: Mapping[str, str], *, state_dir: Path | None = None, socket: Path | None = None
) -> Places:
    """The state folder and the socket; the arguments are the flags. Raises ConfigError (no home, a path too long)."""
    folder = find_state_dir(flag=state_dir, configured=config.daemon.state_dir, environ=environ)
    return Places(
        state_dir=folder,
        socket=find_socket(flag=socket, configured=config.daemon.socket, environ=environ, state_dir=folder),
    )


def find_state_dir(*, flag: Path | None, configured: Path | None, environ: Mapping[str, str]) -> Path:
    """Flag, file, $STATE_DIRECTORY, $XDG_STATE_HOME/syncd, ~/.local/state/syncd. Raises ConfigError without a home."""
    chosen = flag or configured or _first(environ.get("STATE_DIRECTORY", ""))
    if chosen is not None:
        return chosen.absolute()
    xdg = _absolute(environ.get("XDG_STATE_HOME", ""))
    if xdg is not None:
        return xdg / "syncd"
    home = _absolute(environ.get("HOME", ""))
    if home is None:
        raise ConfigError(
            ["daemon.state_dir: there is no state folder: neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set"],
            hint="say where with --state-dir DIR",
        )
    return home / ".local" / "state" / "syncd"


def default_spool(state_dir: Path, name: str) -> Path:
    """Where a batch of that name seals its archives, unless its `spool` names another folder."""
    return state_dir / "spool" / name


def find_socket(*, flag: Path | None, configured: Path | None, environ: Mapping[str, str], state_dir: Path) -> Path:
    """Flag, file, $RUNTIME_DIRECTORY/control, $XDG_RUNTIME_DIR/syncd/control, `control` in the state folder.

    Raises ConfigError where the path is longer than a socket's may be.
    """
    runtime = _first(environ.get("RUNTIME_DIRECTORY", ""))
    xdg = _absolute(environ.get("XDG_RUNTIME_DIR", ""))
    if flag or configured:
        socket = (flag or configured or state_dir).absolute()
    elif runtime is not None:
        socket = runtime / "control"
    elif xdg is not None:
        socket = xdg / "syncd" / "control"
    else:
        socket = state_dir / "control"
    length = len(str(socket).encode("utf-8", "surrogateescape"))
    if length > LONGEST_SOCKET:
        raise ConfigError(
            [f"daemon.socket: {socket} has {length} bytes, and a socket's path at most {LONGEST_SOCKET}"],
            hint="choose a shorter one with --socket PATH, such as /run/syncd/control",
        )
    return socket


def _first(listed: str) -> Path | None:
    """The first of systemd's colon-separated folders."""
    return _absolute(listed.partition(":")[0])


def _absolute(text: str) -> Path | None:
    """The path, or None where it is empty or relative, which the XDG rules tell us to ignore."""
    return Path(text) if text.startswith("/") else None
