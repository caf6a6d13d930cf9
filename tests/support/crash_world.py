"""One host that dies: its writers keep a log of their own, and what became of every version is read by plain means.

Nothing here asks our database. A version is found by a walk of the folder (ours under `.syncd/` too), by boto3 among
all versions of all keys, or as a member of a proven archive.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.archive_reader import BucketReader
from support.killed_daemon import Order
from support.moto import MotoServer
from support.nursery import Newborn, Nursery
from support.site import OURS, Site

MOST_LIVES = 8
"""So many until nothing is left to do, at most."""

Attend = Callable[["World", Newborn], None]
"""Goes with a daemon that lives on by itself, and ends it."""


def sha256(body: bytes) -> str:
    """How a version is named here."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process: how it ended, the points that it passed, and what the server heard of it."""

    code: int
    trail: tuple[str, ...]
    requests: Counter[str]
    sent: tuple[tuple[str, str], ...]

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def idle(self) -> bool:
        """Whether it did nothing but look."""
        return self.code == 0 and self.requests.keys() <= {"LIST"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What both sides show: content by path, without what is ours."""

    here: dict[str, str]
    there: dict[str, str]


class World(Site):
    """A site whose program is born in a nursery. `batch`: lines of its `[[batch]]`, in place of the pair."""

    def __init__(
        self,
        folder: Path,
        server: MotoServer,
        nursery: Nursery,
        bucket: str,
        *,
        batch: str = "",
        s3: dict[str, Any] | None = None,
        patches: dict[str, float] | None = None,
        flagless: bool = False,
        **keys: Any,
    ) -> None:
        super().__init__(folder, server, bucket, s3=s3, **keys)
        self._nursery = nursery
        self._batch = batch
        self._patches = patches or {}
        self._flagless = flagless
        self._lives = 0
        self._backup: Path | None = None
        self.documents: Callable[[], list[str]] | None = None
        self.reader = BucketReader(self.client, bucket) if batch else None
        if batch:
            (self.root / bucket).mkdir()

    # --- writers, who note what they write before they write it ---

    @property
    def writers_log(self) -> Path:
        """Append-only: who, where, what."""
        return self.home / "writers.jsonl"

    def write(self, path: str | bytes, body: bytes, *, mtime: float | None = None) -> Path:
        """A local writer. In a world of a batch: below the bucket's folder."""
        self._note("here", os.fsdecode(path), body)
        return super().write(f"{self.bucket}/{os.fsdecode(path)}" if self._batch else path, body, mtime=mtime)

    def put(self, path: str, body: bytes, **more: Any) -> str:
        """Another writer on S3."""
        self._note("there", path, body)
        return super().put(path, body, **more)

    def _note(self, who: str, path: str, body: bytes) -> None:
        line = json.dumps({"who": who, "path": path, "sha256": sha256(body)})
        with self.writers_log.open("a") as log:
            log.write(f"{line}\n")
            log.flush()
            os.fsync(log.fileno())

    def written(self) -> Counter[str]:
        """Every version that anybody wrote, by the writers' log."""
        lines = self.writers_log.read_text().splitlines() if self.writers_log.exists() else []
        return Counter(json.loads(line)["sha256"] for line in lines)

    # --- lives ---

    def live(self, *, at: str = "", nth: int = 1, attend: Attend | None = None) -> Life:
        """One process: `--once`, or with somebody to attend it a daemon that stays."""
        self._lives += 1
        trail = self.home / f"trail-{self._lives}"
        order = Order(trail=str(trail), at=at, nth=nth, patches=self._patches, flagless=self._flagless)
        since = self.server.mark()
        words = [] if attend else ["--once"]
        born = self._nursery.start(
            order, ["--config", self.configured(), *words], cwd=self.home, log=self.home / "daemon.log"
        )
        if attend is not None:
            attend(self, born)
        code = born.wait()
        return Life(
            code=code,
            trail=tuple(trail.read_text().splitlines()) if trail.exists() else (),
            requests=Counter(kind for kind, path, _ in self.server.log(since) if self._is_here(path)),
            sent=tuple(row for row in self.server.sent(since) if self._is_here(row[0])),
        )

    def _is_here(self, path: str) -> bool:
        return path.partition("/")[0] == self.bucket

    def converge(self) -> list[Life]:
        """Live until one finds nothing to do."""
        lives: list[Life] = []
        while not lives or not lives[-1].idle:
            assert len(lives) < MOST_LIVES, f"not done after {MOST_LIVES} lives: {self.told()}"
            lives.append(self.live())
            assert not lives[-1].killed
        return lives

    # --- its database, as a person handles it ---

    def keep_backup(self) -> None:
        """A copy of the state folder as it is now: yesterday's. None where there is no folder yet."""
        self._backup = self.copy_database() if self.state.exists() else None

    def roll_back(self) -> None:
        """Yesterday's copy in its place; where there was none yesterday, it is gone."""
        if self._backup is None:
            self.lose_database()
        else:
            self.restore_database(self._backup)

    def told(self) -> str:
        """The last words of its daemons."""
        log = self.home / "daemon.log"
        return log.read_text(errors="replace")[-3000:] if log.exists() else ""

    def configured(self) -> Path:
        """Write the configuration file."""
        file = super().configured()
        if self._batch:
            text = file.read_text()
            text = text[: text.index("[[pair]]")]
            file.write_text(f'{text}[[batch]]\nname = "small"\nroot = "{self.root}"\n{self._batch}\n')
        return file

    # --- what is there ---

    def picture(self) -> Picture:
        """Both sides as they are shown; of a batch, what its proven archives hold and what went up alone."""
        here = {path.removeprefix(f"{self.bucket}/"): sha256(body) for path, body in self.tree().items()}
        if self.reader is None:
            return Picture(here=here, there={path: sha256(body) for path, body in self.objects().items()})
        self.reader.look()
        there = {key: " and ".join(copy.sha256 for copy in held) for key, held in self.reader.copies().items()}
        alone = self.server.contents(self.bucket)
        return Picture(here=here, there=there | {key: sha256(alone[key]) for key in self.reader.alone})

    def found(self) -> Counter[str]:
        """Every version that can be had: in the folder (but half files), under any key, in a proven archive."""
        found = Counter(self._found_here().values())
        found.update(sha256(body) for _, body in self.all_versions())
        if self.reader is not None:
            self.reader.look()
            found.update(copy.sha256 for copies in self.reader.copies().values() for copy in copies)
        return found

    def strange(self) -> list[str]:
        """Where something lies that nobody wrote, and that is no archive and no mark of ours."""
        known = set(self.written())
        here = [path for path, content in self._found_here().items() if content not in known]
        there = [key for key, body in self.all_versions() if sha256(body) not in known]
        return here + [key for key in there if not key.endswith((".tar", ".manifest.json"))]

    def _found_here(self) -> dict[str, str]:
        paths = [path for path in self._walk() if f"{OURS}/tmp/" not in path and not path.endswith(f"{OURS}/root.json")]
        return {path: sha256((self.root / path).read_bytes()) for path in paths}

    def all_versions(self) -> list[tuple[str, bytes]]:
        """(key, bytes) of every version of every key, the canary left out."""
        pages = self.client.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        rows = [row for page in pages for row in page.get("Versions", ()) if f"{OURS}/canary/" not in row["Key"]]
        return [(row["Key"], self._version(row["Key"], row["VersionId"])) for row in rows]

    def _version(self, key: str, version: str) -> bytes:
        which = {} if version == "null" else {"VersionId": version}
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=key, **which)["Body"].read()
        return body

    def live_objects(self) -> dict[str, str]:
        """SHA-256 by key, with the bucket, of what lies on S3 now."""
        return {f"{self.bucket}/{key}": sha256(body) for key, body in self.server.contents(self.bucket).items() if body}

    def leftovers(self) -> list[str]:
        """What no finished run leaves: half files, staged files, archives in the spool, parts of uploads."""
        homes = [self.root / OURS, self.root / self.bucket / OURS]
        folders = [home / name for home in homes for name in ("tmp", "cleaning")] + [self.state / "spool"]
        found = [str(path) for folder in folders for path in folder.rglob("*") if path.is_file()]
        found += [str(path) for path in (self.state / "last-run").glob(".*")]
        for upload in self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()):
            named = {"Bucket": self.bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}
            if self.client.list_parts(**named).get("Parts"):
                found.append(f"an upload of {upload['Key']} with parts")
        return found

    def open_uploads(self) -> int:
        """Uploads in parts that nobody ended."""
        return len(self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ()))

    def close(self) -> None:
        """Forget its files."""
        self.socket.unlink(missing_ok=True)
        shutil.rmtree(self.home, ignore_errors=True)
