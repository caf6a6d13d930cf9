"""This checkout, installed in a booted machine as a package would: programs in /usr/bin, the unit, the accounts."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from support.booted import BootedSystem
from support.source import CHECKOUT

PYTHON, SOURCE, LIBRARIES = "/opt/python", "/opt/syncd", "/opt/syncd/site-packages"

PROGRAM = """\
import sys
sys.path[:0] = ["{source}/daemon", "{source}/ctl", "{libraries}"]
from {package}.__main__ import main
sys.exit(main())
"""
# an interpreter built with a shared library looks for it where it was built, which the sandbox may hide
LAUNCHER = """\
#!/bin/sh
LD_LIBRARY_PATH={prefix}/lib exec {prefix}/bin/{python} {source}/{package}.py "$@"
"""


def shown() -> dict[str, Path]:
    """What a machine has to be shown for install(): the interpreter, the libraries and the source of this test run.

    They appear below /opt, because they may lie in a home folder, which the unit's sandbox hides.
    """
    return {
        PYTHON: Path(sys.base_prefix),
        LIBRARIES: Path(sysconfig.get_path("purelib")),
        f"{SOURCE}/daemon": CHECKOUT / "daemon",
        f"{SOURCE}/ctl": CHECKOUT / "ctl",
    }


def install(host: BootedSystem) -> None:
    """Put syncd and synctl, the unit and its accounts in place, in a machine that was given `shown()`."""
    words = {
        "prefix": PYTHON,
        "python": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "source": SOURCE,
        "libraries": LIBRARIES,
    }
    for package in ("syncd", "synctl"):
        host.write(f"{SOURCE}/{package}.py", PROGRAM.format(package=package, **words))
        host.write(f"/usr/bin/{package}", LAUNCHER.format(package=package, **words), mode=0o755)
    host.copy_in(CHECKOUT / "systemd" / "syncd.sysusers", "/usr/lib/sysusers.d/syncd.conf")
    host.copy_in(CHECKOUT / "systemd" / "syncd.service", "/usr/lib/systemd/system/syncd.service")
    host.run(["systemd-sysusers"], check=True)
    host.run(["systemctl", "daemon-reload"], check=True)
