"""Many small files into a bucket, four ways: the archiver, single PUTs, and `tar` piped into other people's tools.

Run by `make bench`. One table on standard output, the same as JSON in BENCH_JSON. What could not be had is named.

    BENCH_FILES=50000       files of 2 KB
    BENCH_SINGLES=5000      of them for single PUTs, which the embedded server takes slowly; the row says so
    BENCH_ENDPOINT=URL      another S3 than the embedded moto, credentials from the environment; nobody counts requests
"""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3

from bench.prices import REGION, SOURCE, STANDARD, STANDARD_IA, WRITTEN_DOWN, first_month
from support.archive_reader import BucketReader
from support.archiver_host import AT_ONCE, ArchiverHost
from support.churn import walk
from support.cost import Cost, cost_of
from support.daemon_process import SYNCD, Host
from support.moto import CREDENTIALS, MotoServer
from support.rclone import rclone_program

FILES = int(os.environ.get("BENCH_FILES", "50000"))
SINGLES = min(FILES, int(os.environ.get("BENCH_SINGLES", "5000")))
ENDPOINT = os.environ.get("BENCH_ENDPOINT", "")
JSON = Path(os.environ.get("BENCH_JSON", "build/bench/archiver.json"))
SIZE = 2048
FOLDER_FILES = 1000
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way, measured. None: it could not be had, and `notes` says why."""

    name: str
    files: int
    cost: Cost | None = None
    objects: int | None = None
    stored_bytes: int | None = None
    requests: dict[str, int] | None = None
    dollars: dict[str, float] | None = None
    notes: list[str] = field(default_factory=list)
    absent: bool = False  # the program is not installed: no failure

    def per_million(self, number: float | None) -> float | None:
        """That number for a million files."""
        return None if number is None else number * 1_000_000 / self.files


class Endpoint:
    """The embedded server, or the one that BENCH_ENDPOINT names."""

    def __init__(self, moto: MotoServer | None) -> None:
        self._moto = moto
        self.url = ENDPOINT if moto is None else moto.endpoint
        self.env = {} if moto is None else {**CREDENTIALS, "AWS_CONFIG_FILE": os.devnull}
        self.client: Any = (
            boto3.client("s3", endpoint_url=self.url, region_name=REGION) if moto is None else moto.client()
        )

    def new_bucket(self) -> str:
        """An empty bucket of a name of its own."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    @contextmanager
    def counting(self) -> Iterator[dict[str, int]]:
        """Filled with the requests sent meanwhile, by kind; stays empty where the server is not ours to ask."""
        found: dict[str, int] = {}
        mark = self._moto.mark() if self._moto else 0
        yield found
        if self._moto:
            found.update(sorted(self._moto.requests(mark).items()))

    def sizes(self, bucket: str) -> list[int]:
        """The size of every object."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return [row["Size"] for page in pages for row in page.get("Contents", ())]


def make_files(root: Path, count: int) -> None:
    """So many files of 2 KB, the same each time, a thousand in a folder, last touched long ago."""
    dice = random.Random(SEED)
    for number in range(count):
        folder = root / f"run-{number // FOLDER_FILES:04d}"
        if number % FOLDER_FILES == 0:
            folder.mkdir(parents=True)
        file = folder / f"sample-{number:06d}.json"
        file.write_bytes(dice.randbytes(SIZE))
        os.utime(file, (1_700_000_000 + number, 1_700_000_000 + number))


# --- the ways ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where all of it happens."""

    folder: Path
    endpoint: Endpoint

    def measured(
        self,
        name: str,
        files: int,
        argv: list[str | Path],
        bucket: str,
        env: Mapping[str, str],
        check: Callable[[], str],
    ) -> Row:
        """Run a program on a bucket, and count what it cost and left there. `check` says what is wrong with that."""
        log = self.folder / f"{bucket}.log"
        with self.endpoint.counting() as requests, log.open("wb") as output:
            code, cost = cost_of(argv, report=self.folder / "cost", env={**self.endpoint.env, **env}, output=output)
        if code != 0:
            return Row(name=name, files=files, notes=[f"ended with {code}: {log.read_text(errors='replace')[-300:]}"])
        wrong = check()
        if wrong:
            return Row(name=name, files=files, notes=[f"did not do it: {wrong}"])
        sizes = self.endpoint.sizes(bucket)
        counted = requests or None
        dollars = (
            {tier.name: first_month(requests, sizes, tier) for tier in (STANDARD, STANDARD_IA)} if counted else None
        )
        return Row(
            name=name,
            files=files,
            cost=cost,
            objects=len(sizes),
            stored_bytes=sum(sizes),
            requests=counted,
            dollars=dollars,
            notes=[] if counted else ["requests and dollars: not counted at a server that is not ours"],
        )

    def archiver(self) -> Row:
        """`syncd --once` with one `[[batch]]`: packed, proven, manifests written, originals removed."""
        return self._archived("syncd, archives", AT_ONCE)

    def streamed(self) -> Row:
        """The same without a spool."""
        return self._archived("syncd, streamed", f"{AT_ONCE}streaming = true\n")

    def _archived(self, name: str, batch: str) -> Row:
        bucket = self.endpoint.new_bucket()
        host = ArchiverHost(self.folder / bucket, self.endpoint.url, batch=batch)
        make_files(host.root / bucket, FILES)

        def check() -> str:
            reader = BucketReader(self.endpoint.client, bucket)
            reader.look()
            left, packed = sum(1 for _ in walk(host.root / bucket)), len(reader.copies())
            return "" if (left, packed) == (0, FILES) else f"{packed} of {FILES} packed, {left} left on disk"

        return self.measured(name, FILES, [*SYNCD, "--config", host.config, "--once"], bucket, host.env, check)

    def singles(self) -> Row:
        """`syncd --once` with one upload pair: a PUT for each file, proven; originals stay."""
        bucket = self.endpoint.new_bucket()
        host = Host(
            self.folder / "singles", self.endpoint.url, remote=f"s3://{bucket}/", mode="upload", pair='settle = "0s"'
        )
        make_files(host.root / "all", SINGLES)

        def check() -> str:
            there = len(self.endpoint.sizes(bucket))
            return "" if there == SINGLES else f"{there} of {SINGLES} objects there"

        row = self.measured(
            "syncd, single PUTs", SINGLES, [*SYNCD, "--config", host.config, "--once"], bucket, host.env, check
        )
        if SINGLES < FILES:
            row.notes.append(f"{SINGLES:,} files only (BENCH_SINGLES): the server is slow at single PUTs")
        return row

    def piped(self, name: str, into: Callable[[str], tuple[str, dict[str, str]]]) -> Row:
        """`tar` of the same files into a program that reads its input: one object, no index; originals stay."""
        bucket = self.endpoint.new_bucket()
        tree = self.folder / "tree"
        if not tree.exists():
            make_files(tree, FILES)
        command, env = into(bucket)

        def check() -> str:
            body = BytesIO(self.endpoint.client.get_object(Bucket=bucket, Key="all.tar")["Body"].read())
            with tarfile.open(fileobj=body) as tar:
                there = sum(member.isreg() for member in tar)
            return "" if there == FILES else f"{there} of {FILES} in the tar"

        script = f'tar -C "$TREE" -cf - . | {command}'
        argv: list[str | Path] = ["bash", "-o", "pipefail", "-c", script]
        return self.measured(name, FILES, argv, bucket, {**env, "TREE": str(tree)}, check)

    def aws(self) -> Row:
        """`tar | aws s3 cp -`."""
        name = "tar | aws s3 cp -"
        found = shutil.which("aws")
        # a shim may be there without a program behind it
        works = found and subprocess.run([found, "--version"], capture_output=True, timeout=60, check=False)
        if not works or works.returncode != 0:
            return Row(name=name, files=FILES, notes=["aws does not run here: pip install awscli"], absent=True)
        row = self.piped(
            name,
            lambda bucket: (
                f'aws --endpoint-url "$URL" --region {REGION} s3 cp - s3://{bucket}/all.tar',
                {"URL": self.endpoint.url},
            ),
        )
        row.notes.append((works.stdout or works.stderr).decode().split(" ")[0])
        return row

    def rclone(self) -> Row:
        """`tar | rclone rcat`."""
        name = "tar | rclone rcat"
        try:
            program = rclone_program()
        except FileNotFoundError as error:
            return Row(name=name, files=FILES, notes=[str(error)], absent=True)
        remote = {
            "TYPE": "s3",
            "PROVIDER": "Other" if not ENDPOINT else os.environ.get("BENCH_PROVIDER", "Other"),
            "ENDPOINT": self.endpoint.url,
            "REGION": REGION,
            "ENV_AUTH": "true",
            "FORCE_PATH_STYLE": "true",
        }
        env = {f"RCLONE_CONFIG_IT_{key}": value for key, value in remote.items()}
        row = self.piped(
            name,
            lambda bucket: (f'"$RCLONE" --config {os.devnull} rcat it:{bucket}/all.tar', {**env, "RCLONE": program}),
        )
        version = subprocess.run([program, "version"], capture_output=True, text=True, timeout=60, check=False)
        row.notes.append(version.stdout.splitlines()[0])
        return row


# --- the table ---------------------------------------------------------------------------------------------------

HEADS = ("", "files", "wall s", "CPU s", "peak MiB", "objects", "requests", "wall", "CPU", "$ STANDARD", "$ IA")
WHAT = (
    "wall, CPU: of as many files, as a ratio to the first row.\n"
    "$: sending the files and keeping them for a month, in proportion for a million of them.\n"
    "tar: one object; nothing is proven, findable or removed here. syncd: with the probe of a first start.\n"
    f"Prices of {REGION} by {SOURCE}, written down {WRITTEN_DOWN}."
)


def shown(number: float | None, form: str) -> str:
    """A number, or a dash where there is none."""
    return "-" if number is None else format(number, form)


def cells(row: Row, first: Row) -> tuple[str, ...]:
    """One row of the table, its ratios to the first."""

    def ratio(name: str) -> str:
        mine, its = (one.per_million(getattr(one.cost, name)) if one.cost else None for one in (row, first))
        return "-" if mine is None or not its else f"{mine / its:.2f}"

    cost, dollars = row.cost, row.dollars or {}
    return (
        row.name,
        f"{row.files:,}",
        shown(cost and cost.wall_s, ".1f"),
        shown(cost and cost.cpu_s, ".1f"),
        shown(cost and cost.peak_mib, ".0f"),
        shown(row.objects, ",d"),
        shown(sum(row.requests.values()) if row.requests else None, ",d"),
        ratio("wall_s"),
        ratio("cpu_s"),
        shown(row.per_million(dollars.get("STANDARD")), ".2f"),
        shown(row.per_million(dollars.get("STANDARD_IA")), ".2f"),
    )


def table(rows: list[Row]) -> str:
    """The rows for a person, with what could not be had by name."""
    lines = [HEADS, *(cells(row, rows[0]) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    text = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths))
        )
        for line in lines
    ]
    notes = [f"{row.name}: {note}" for row in rows for note in row.notes]
    return "\n".join([*(line.rstrip() for line in text), "", WHAT, *notes])


def main() -> int:
    """Measure, print, write the JSON. 1 where a way failed that could run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        moto = None if ENDPOINT else stack.enter_context(MotoServer())
        bench = Bench(folder=folder, endpoint=Endpoint(moto))
        rows = []
        for way in (bench.archiver, bench.streamed, bench.singles, bench.aws, bench.rclone):
            print(f"{way.__name__} ...", file=sys.stderr, flush=True)
            rows.append(way())
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}, {ENDPOINT or 'moto on the same machine'}"
    print(f"{FILES:,} files of {SIZE} bytes, {where}, {datetime.now(timezone.utc):%Y-%m-%d}\n\n{table(rows)}")
    JSON.parent.mkdir(parents=True, exist_ok=True)
    document = {"schema_version": 1, "where": where, "size": SIZE, "prices": {"source": SOURCE, "at": WRITTEN_DOWN}}
    JSON.write_text(json.dumps({**document, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")
    print(f"\nas JSON: {JSON}")
    return 1 if any(row.cost is None and not row.absent for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
