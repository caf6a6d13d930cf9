"""A disk whose power is cut: an ext4 in a file, which is copied as it is, unsynced, while its daemon stands still.

What nobody fsynced lies in the page cache of the mount and so not in the file: that is what a power cut takes away.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType

from support.processes import Process

SIZE = 96 << 20
TRIES = 50


class PoweredDisk:
    """Mounted at `path`. Use as a context manager, as root."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk"
        self._folder = folder
        self._number = 0
        folder.mkdir(exist_ok=True)
        self.path.mkdir()

    @property
    def _image(self) -> Path:
        return self._folder / f"image{self._number}"

    def __enter__(self) -> PoweredDisk:
        with self._image.open("wb") as image:
            image.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", self._image], check=True)
        self._mount(commit_s=5)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        subprocess.run(["umount", "-l", self.path], check=False)

    def cut(self, daemon: Process, *, commit_s: int) -> None:
        """The daemon is gone, and mounted is what had reached the disk; its journal is then written so rarely."""
        daemon.signal(signal.SIGSTOP)
        before = self._image
        self._number += 1
        for _ in range(TRIES):
            written = self._written()
            shutil.copyfile(before, self._image)
            if self._written() == written:  # else the kernel wrote meanwhile: no disk ever looked like that copy
                break
        else:
            raise AssertionError("the disk never stood still for a copy")
        daemon.kill()
        subprocess.run(["umount", self.path], check=True)
        before.unlink()
        self._mount(commit_s=commit_s)

    def _written(self) -> list[str]:
        """Writes that the disk took and finished so far, and those under way."""
        device = os.stat(self.path).st_dev
        fields = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/stat").read_text().split()
        return [fields[4], fields[6], fields[8]]

    def _mount(self, *, commit_s: int) -> None:
        options = f"loop,commit={commit_s}"
        subprocess.run(["mount", "-t", "ext4", "-o", options, self._image, self.path], check=True)
