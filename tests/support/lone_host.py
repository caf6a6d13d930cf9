"""One pair on fakes: a real folder, a bucket in memory, records in memory, and a clock that tests move."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.fake_store import EVERYTHING, FakeObjects
from support.model_host import ModelClock, ModelHost, Passed
from syncd.config.types import S3, Pair
from syncd.ports import Capabilities

PREFIX = "p/"


@dataclass(frozen=True, slots=True)
class LoneHost:
    """The host, its bucket and its clock."""

    host: ModelHost
    bucket: FakeObjects
    clock: ModelClock

    def write(self, path: str, body: bytes) -> None:
        """As an editor saves: a new file takes the place."""
        file = self.host.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(file.name + ".new")
        fresh.write_bytes(body)
        os.replace(fresh, file)

    def run(self) -> Passed:
        """A pass, a minute after the last."""
        self.clock.seconds += 60
        return self.host.run_pass()

    def files(self) -> dict[str, bytes]:
        """The files of the folder but for ours."""
        root = self.host.path
        return {
            file.relative_to(root).as_posix(): file.read_bytes()
            for file in sorted(root.rglob("*"))
            if file.is_file() and ".syncd" not in file.relative_to(root).parts
        }

    def objects(self) -> dict[str, bytes]:
        """The objects below the prefix but for ours."""
        return {
            key.removeprefix(PREFIX): body
            for key, body in self.bucket.contents().items()
            if not key.startswith(f"{PREFIX}.syncd/")
        }


def lone_host(
    root: Path, *, capabilities: Capabilities = EVERYTHING, bucket: type[FakeObjects] = FakeObjects, **settings: Any
) -> LoneHost:
    """A pair of these settings on an empty folder and an empty bucket."""
    clock = ModelClock()
    objects = bucket(capabilities=capabilities, now=clock.now)
    pair = replace(Pair(name="logs", local=root, bucket="bucket", prefix=PREFIX, s3=S3()), **settings)
    return LoneHost(ModelHost(pair, objects, clock, lambda *_: None), objects, clock)
