"""Whether this process may read the files of each owner in a root, and move them out of their folders."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from syncd.config.types import Pair
from syncd.core.model import Mode
from syncd.runtime.check_host import user_name, whoami
from syncd.runtime.finding import FAIL, INSTALL, Finding

CAP_FOWNER = 3
STATUS = Path("/proc/self/status")


def may_read(path: str) -> bool:
    """Whether the kernel would let this process read that file."""
    return os.access(path, os.R_OK, effective_ids=True)


def may_move(path: str, owner: int) -> bool:
    """Whether it would let this process rename or unlink it: the folder's rights count, and its sticky bit."""
    folder = os.path.dirname(path)
    if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
        return False
    above = os.stat(folder)
    sticky = above.st_mode & stat.S_ISVTX and os.geteuid() not in {owner, above.st_uid}
    return not sticky or _may_touch_all()


def rights_findings(
    pair: Pair, readable: Collection[int], unreadable: Mapping[int, Path], fixed: Mapping[int, Path]
) -> Iterator[Finding]:
    """What was found of the files of each owner. `fixed` counts where this pair removes or replaces files here."""
    check = f"{pair.name} files"
    for owner, file in sorted(unreadable.items()):
        yield _finding(
            check,
            f"{whoami()} may not read {file} ({_described(file, owner)}): it is not uploaded",
            f"sudo setfacl -R -m u:{whoami()}:rX,d:u:{whoami()}:rX {shlex.quote(str(pair.local))}",
        )
    if pair.mode is not Mode.UPLOAD or pair.cleanup:
        for owner, file in sorted(fixed.items()):
            yield _unmovable(pair, check, file, owner)
    else:
        fixed = {}
    if readable and not unreadable and not fixed:
        owners = ", ".join(user_name(owner) for owner in sorted(readable))
        yield Finding(
            check=check, kind=INSTALL, level="ok", message=f"files of {owners} are as they must be", remedy=""
        )


def _unmovable(pair: Pair, check: str, file: Path, owner: int) -> Finding:
    purpose = "cleaned" if pair.mode is Mode.UPLOAD else "replaced or removed"
    said = f"{whoami()} may not move {file} ({_described(file, owner)}): it is never {purpose}"
    if os.access(file.parent, os.W_OK | os.X_OK, effective_ids=True):
        return _finding(check, f"{said}, for {file.parent} is sticky", f"sudo chmod -t {shlex.quote(str(file.parent))}")
    remedy = f"sudo setfacl -R -m u:{whoami()}:rwX,d:u:{whoami()}:rwX {shlex.quote(str(pair.local))}"
    return _finding(check, said, remedy)


def _finding(check: str, message: str, remedy: str) -> Finding:
    return Finding(check=check, kind=INSTALL, level=FAIL, message=message, remedy=remedy)


def _described(file: Path, owner: int) -> str:
    try:
        mode = f", mode {stat.S_IMODE(os.lstat(file).st_mode):04o}"
    except OSError:
        mode = ""
    return f"owner {user_name(owner)}{mode}"


def _may_touch_all() -> bool:
    """CAP_FOWNER: the sticky bit does not count."""
    for line in STATUS.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_FOWNER & 1)
    return False
