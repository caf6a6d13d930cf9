"""A really booted systemd: the machine's own file system below an overlay, in a systemd-nspawn container.

Everything written inside goes to a tmpfs and is gone after stop(). The container shares the network of the host, so a
server on the host's loopback is reached from inside.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from support.processes import Process, eventually

PROGRAMS = ("systemd-nspawn", "unshare", "nsenter", "mount")

# Runs in a mount namespace of its own: what it mounts is gone with the last process in it. Software that the machine
# itself has enabled is switched off inside, so that a boot is the same everywhere.
BOOT = """\
set -eu
root=$1
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$root"
mkdir "$root/upper" "$root/work" "$root/tree"
mount -t overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" overlay "$root/tree"
cd "$root/tree"
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.requires etc/rc?.d/S* etc/syncd var/lib/syncd var/log/journal
tr -d - < /proc/sys/kernel/random/uuid > etc/machine-id
mkdir -p etc/systemd/journald.conf.d
printf '[Journal]\\nStorage=volatile\\nRateLimitIntervalSec=0\\n' > etc/systemd/journald.conf.d/test.conf
exec systemd-nspawn -q --register=no --keep-unit --console=pipe --resolv-conf=off --timezone=off --link-journal=no \
  --machine="$2" -D "$root/tree" "${@:3}" -b systemd.unit=multi-user.target
"""


def booted_gap() -> str:
    """Why no systemd can be booted here, in words with the remedy; "" when it can."""
    if os.geteuid() != 0:
        return "needs root and apt"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return (
            f"needs root and apt: apt-get install -y --no-install-recommends systemd-container (not found: {absent[0]})"
        )
    if not Path("/usr/lib/systemd/systemd").exists() and not Path("/lib/systemd/systemd").exists():
        return "needs apt-get install -y --no-install-recommends systemd systemd-sysv"
    return ""


class BootedSystem:
    """A booted machine: `with BootedSystem() as host: host.run(["systemctl", "status"])`. Boots in two seconds.

    `shown`: folders from outside, by the absolute path inside at which they are seen, read-only. What lies below /tmp
    or /run outside is seen inside by no other way: systemd mounts its own there.
    """

    def __init__(self, *, machine: str = "syncd-test", shown: Mapping[str, Path] | None = None) -> None:
        self._machine = f"{machine}-{os.getpid()}"
        self._binds = [f"--bind-ro={outside}:{inside}" for inside, outside in (shown or {}).items()]
        self._resources = ExitStack()
        self._outer: Process | None = None
        self._leader = 0
        self._root = Path()

    def __enter__(self) -> BootedSystem:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Boot and return when multi-user.target is reached. AssertionError with the console's text when it is not."""
        folder = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="booted")))
        self._root = folder / "root"
        self._root.mkdir()
        try:
            self._outer = Process(
                ["unshare", "-m", "--", "bash", "-c", BOOT, "boot", self._root, self._machine, *self._binds],
                log=folder / "console",
                # the payload's cgroups go below the cgroup that this process is in, whoever manages it
                env={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
            )
            eventually(self._find_leader, within=30, what=self._console)
            eventually(self._is_up, within=60, every=0.2, what=self._console)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Pull the plug; the tmpfs and all that was written inside are gone. Harmless when called twice."""
        if self._leader and self._outer is not None and self._outer.running:
            os.kill(self._leader, signal.SIGKILL)  # init of a PID namespace: everything inside ends with it
        if self._outer is not None:
            self._outer.stop()
            self._outer = None
        self._leader = 0
        self._resources.close()

    def run(
        self, argv: Sequence[str | Path], *, check: bool = False, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside as root and return what it said; AssertionError where `check` and it fails."""
        enter = ["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-p", "-C", "--"]
        plain = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "SYSTEMD_COLORS=0", "PAGER=cat"]
        done = subprocess.run(
            [*enter, *plain, *map(str, argv)],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            cwd="/",
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def path(self, inside: str | Path) -> Path:
        """Where an absolute path inside is seen from outside (while the machine runs)."""
        return Path(f"/proc/{self._leader}/root") / Path(inside).relative_to("/")

    def write(self, inside: str | Path, text: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file inside, its folders included."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        target.chmod(mode)

    def copy_in(self, source: Path, inside: str | Path) -> None:
        """Copy a file or a whole folder from outside to an absolute path inside."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    # --- finding it ---------------------------------------------------------------------------------------

    def _find_leader(self) -> bool:
        assert self._outer is not None
        if not self._outer.running:
            raise AssertionError(self._console())
        children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        for child in map(int, children):
            status = Path(f"/proc/{child}/status").read_text()
            nested = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
            if nested[-1] == "1":
                self._leader = child
        return self._leader != 0

    def _is_up(self) -> bool:
        answer = self.run(["systemctl", "is-system-running"]).stdout.strip()
        return answer in {"running", "degraded"}

    def _console(self) -> str:
        return "no systemd came up:\n" + (self._outer.said(60) if self._outer is not None else "")
