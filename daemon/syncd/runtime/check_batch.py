"""What a batch needs: root and bucket folders, room in the spool, its buckets, and the index where one is wanted."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from syncd.config.locate import default_spool
from syncd.config.quantities import Unreadable
from syncd.config.remotes import check_bucket, endpoint_identity
from syncd.config.types import Batch
from syncd.errors import PairHalted
from syncd.local.translate import printable
from syncd.runtime.assembly import Link
from syncd.runtime.batch_assembly import bucket_pair
from syncd.runtime.check_bucket import BucketCheck, Surroundings
from syncd.runtime.check_endpoint import endpoint_findings
from syncd.runtime.check_host import GIB, nearest, whoami
from syncd.runtime.check_root import open_file_findings, survey
from syncd.runtime.finding import FAIL, INSTALL, S3, WARN, Finding, looked
from syncd.workers.bucket_folders import bucket_names

PROBED = 1
"""So many buckets are looked at closely; those of one endpoint are much alike."""

LISTED = 20
"""So many are asked whether they are there."""


def batch_findings(batch: Batch, state_dir: Path, around: Surroundings, *, first: bool) -> Iterator[Finding]:
    """Every check of one batch. `first`: no other section of this endpoint was looked at before."""
    usable: list[str] = []
    yield from looked(f"{batch.name} root", INSTALL, lambda: _root(batch, usable))
    for bucket in usable[:PROBED]:
        pair = bucket_pair(batch, bucket)
        yield from open_file_findings(pair, survey(pair.local, around.clock))
    yield from looked(f"{batch.name} spool", INSTALL, lambda: _spool(batch, state_dir))
    buckets = partial(_buckets, batch, usable, around)
    pair = replace(bucket_pair(batch, ""), name=batch.name)
    yield from looked(f"{batch.name} bucket", S3, lambda: endpoint_findings(pair, around, first=first, buckets=buckets))
    if batch.index.url:
        yield from looked(f"{batch.name} index", INSTALL, lambda: _index(batch))


def _root(batch: Batch, usable: list[str]) -> Iterator[Finding]:
    """The root and each folder in it; those that can be a bucket's are left in `usable`."""
    check, quoted = f"{batch.name} root", shlex.quote(str(batch.root))
    if not batch.root.is_dir():
        remedy = f"sudo install -d -o {whoami()} {quoted}"
        message = f"{batch.root} is missing, and nothing is archived until it is there"
        yield _install(check, message, level=FAIL, remedy=remedy)
        return
    try:
        names = bucket_names(batch.root)
    except PairHalted as halted:
        yield _install(check, halted.message, level=FAIL, remedy=f"sudo setfacl -m u:{whoami()}:rwx {quoted}")
        return
    for name in names:
        problem = _folder_problem(batch, name)
        if problem is None:
            usable.append(name)
        else:
            yield problem
    count = f"{len(usable)} of {len(names)} folders" if len(usable) < len(names) else f"{len(names)} folders"
    if not names:
        yield _install(check, f"{batch.root} has no folder yet: each is named for the bucket that it goes to")
    elif usable:
        yield _install(check, f"{count} below {batch.root} can be archived to the buckets they are named for")


def _folder_problem(batch: Batch, name: str) -> Finding | None:
    folder, check = batch.root / name, printable(f"{batch.name}/{name} folder")
    try:
        check_bucket(name, on_aws=not endpoint_identity(batch.s3.endpoint_url))
    except Unreadable as error:
        remedy = f"mv {shlex.quote(str(folder))} {shlex.quote(str(batch.root))}/BUCKET   # a bucket's name"
        return _install(check, f"it waits: {error}", level=WARN, remedy=remedy)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        remedy = f"sudo setfacl -R -m u:{whoami()}:rwX {shlex.quote(str(folder))}"
        message = f"it waits: {whoami()} may not read and write it, so that nothing could be removed there"
        return _install(check, message, level=FAIL, remedy=remedy)
    return None


def _spool(batch: Batch, state_dir: Path) -> Iterator[Finding]:
    """Whether archives can be sealed there."""
    check, spool = f"{batch.name} spool", batch.spool or default_spool(state_dir, batch.name)
    there = nearest(spool)
    if not os.access(there, os.W_OK | os.X_OK):
        remedy = f"sudo install -d -o {whoami()} -m 700 {shlex.quote(str(spool))}"
        yield _install(check, f"{whoami()} may not write {there}", level=FAIL, remedy=remedy)
        return
    free = shutil.disk_usage(there).free
    message = f"{free / GIB:,.1f} GiB are free at {there}"
    if free < batch.max_size and not batch.streaming:
        message += f", and one archive takes up to {batch.max_size / GIB:,.1f} GiB (max_size)"
        remedy = f'spool = "/elsewhere"   # in [[batch]] {batch.name}, or a smaller max_size'
        yield _install(check, message, level=WARN, remedy=remedy)
    elif free < batch.spool_max and not batch.streaming:
        yield _install(check, f"{message}: a run seals less than spool_max ({batch.spool_max / GIB:,.1f} GiB)")
    else:
        yield _install(check, message)


def _buckets(batch: Batch, usable: list[str], around: Surroundings, link: Link) -> Iterator[Finding]:
    """The buckets that the folders are named for, and that of the manifests."""
    wanted = [*usable, *([batch.manifest_bucket] if batch.manifest_bucket else [])]
    for number, bucket in enumerate(wanted[:LISTED]):
        pair = bucket_pair(batch, bucket)
        check = BucketCheck(pair, replace(link, pair=pair), around, archives=True)
        yield from check.findings() if number < PROBED else check.there()
    if len(wanted) > LISTED:
        message = f"{len(wanted) - LISTED} more buckets were not looked at"
        yield Finding(check=f"{batch.name} bucket", kind=S3, message=message)


def _index(batch: Batch) -> Iterator[Finding]:
    """Whether the index can be asked. Nothing is written there."""
    from syncd.index.open import open_index

    index = open_index(batch.index)
    if index is None:
        return
    try:
        index.find("syncd-doctor/asks", limit=1)
    finally:
        index.close()
    yield _install(f"{batch.name} index", f"{batch.index.flavor} answers for {batch.index.index}")


def _install(check: str, message: str, *, level: str = "ok", remedy: str = "") -> Finding:
    return Finding(check=check, kind=INSTALL, level=level, message=message, remedy=remedy)
