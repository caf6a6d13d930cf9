"""One `syncd` whose only section is a `[[batch]]`, on folders of its own, and `synctl archive` beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.churn import digests
from support.daemon_process import Host

AT_ONCE = """\
interval = "1s"
min_files = 1
max_age = "1s"
min_age = "0s"
settle = "0s"
"""
"""A batch that waits for nothing."""


class ArchiverHost(Host):
    """`root` is the batch's. `batch` is more lines of `[[batch]]`, `index` those of its `[batch.elasticsearch]`."""

    def __init__(
        self,
        folder: Path,
        endpoint: str,
        *,
        batch: str = AT_ONCE,
        index: str = "",
        s3: str = "retries = 1",
        env: dict[str, str] | None = None,
    ) -> None:
        self._lines = {"batch": batch, "index": index}
        super().__init__(folder, endpoint, remote="", s3=s3, env=env)

    def configure(self, **parts: str) -> None:
        """Write the configuration, with these parts changed."""
        self._parts |= parts
        self._lines |= {name: text for name, text in parts.items() if name in self._lines}
        lines = {**self._parts, **self._lines}
        self.config.write_text(
            '[daemon]\nstate_dir = "{state}"\nsocket = "{socket}"\n\n'
            '[s3]\nendpoint_url = "{endpoint}"\nregion = "us-east-1"\n{s3}\n\n'
            '[[batch]]\nname = "small"\nroot = "{root}"\n{batch}\n'.format(
                state=self.state, socket=self.socket, root=self.root, **lines
            )
        )
        if lines["index"]:
            with self.config.open("a") as config:
                config.write(f"[batch.elasticsearch]\n{lines['index']}\n")

    def batch(self) -> dict[str, Any]:
        """The batch's row of the status."""
        row: dict[str, Any] = self.status()["batches"][0]
        return row

    def left(self, bucket: str) -> dict[str, str]:
        """Path to SHA-256 of what lies in that bucket's folder under its own name, ours left out."""
        return dict(digests(self.root / bucket))

    def staged(self, bucket: str) -> list[Path]:
        """The originals that were taken aside and are not unlinked yet."""
        return [path for path in (self.root / bucket / ".syncd" / "cleaning").rglob("*") if path.is_file()]

    def spooled(self) -> list[Path]:
        """What lies in the spool."""
        return [path for path in (self.state / "spool").rglob("*") if path.is_file()]
