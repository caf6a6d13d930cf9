"""The configuration as frozen values, whole and valid: nothing else in the program reads raw settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.core.timetable import NO_LIMIT, Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """`[daemon]`. Empty state_dir or socket: found by the rules of INTERFACE (see `config.locate`)."""

    state_dir: Path | None = None
    socket: Path | None = None
    log_level: str = "info"
    log_format: str = "auto"  # auto journal json console
    nice: int | None = None  # None: as it was started
    ionice: str = "auto"  # auto: as it was started; idle best-effort:0 to best-effort:7
    cores: int | None = None  # at most so many; None: all that it may use


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """`[s3]`, the defaults of all sections, each of which may override any of them."""

    endpoint_url: str = ""  # empty: AWS
    region: str = "us-east-1"
    profile: str = ""
    addressing: str = "auto"  # auto path virtual
    checksum: str = "crc64nvme"  # crc64nvme sha256 none
    concurrency: int | None = None  # None: auto
    workers: int | None = None  # files in flight; None: as many as concurrency
    part_size: int | None = None  # bytes; None: auto
    retries: int = 3
    bandwidth: Timetable = NO_LIMIT
    storage_class: str = "auto"
    acl: str = ""
    plane: str = "auto"  # auto boto3


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxDelete:
    """The guard on deletions: any that is set halts. share 0..1 (from 20 deletions on); count; per_hour."""

    share: float | None = 0.10
    count: int | None = None
    per_hour: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`[[pair]]`: one local root and one prefix. `bucket` is empty in the buckets layout."""

    name: str
    local: Path
    bucket: str
    prefix: str  # "" or ends with "/", {host} already filled in
    s3: S3
    mode: Mode = Mode.BIDIRECTIONAL
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    interval: timedelta = timedelta(seconds=60)
    settle: timedelta = timedelta(seconds=2)
    settle_max: timedelta = timedelta(minutes=10)
    hash: HashType = HashType.SHA256
    cleanup: bool = False
    cleanup_after: timedelta = timedelta(0)
    cleanup_keep_newest: int = 0
    cleanup_pressure: float | None = None  # 0..1 of the root's file system; None: off
    cleanup_blind_age: timedelta = timedelta(minutes=10)
    conflict: ConflictPolicy = ConflictPolicy.NEWER
    deletes: Deletes = Deletes.KEEP
    keep_versions: KeepVersions = KeepVersions.CONFLICTS
    trash_keep: timedelta | None = timedelta(days=30)  # None: for good
    trash_max: int | None = None  # bytes, of local files and of copies on S3 each; None: no limit
    max_delete: MaxDelete = MaxDelete()
    layout: str = "prefix"  # prefix buckets
    watch: bool = True
    audit: timedelta | None = None  # everything is read once in that time; None: never

    @property
    def remote(self) -> str:
        """The remote as a person writes it."""
        return f"s3://{self.bucket}/{self.prefix}" if self.bucket else "s3://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """`[batch.elasticsearch]`: where archived files are made searchable. An empty url: nowhere."""

    url: str = ""
    index: str = "syncd-archives"
    flavor: str = "elasticsearch"  # elasticsearch opensearch
    api_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`[[batch]]`: small files below `<root>/<bucket>/<key>` become archives under the same key folders."""

    name: str
    root: Path
    s3: S3
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_size: int = 1 << 30  # bytes of one archive's content; a larger file goes up alone
    max_files: int = 100_000  # members of one archive
    min_files: int = 20  # a key folder waits for so many, or for max_age
    max_age: timedelta = timedelta(hours=1)
    min_age: timedelta = timedelta(seconds=30)
    settle: timedelta = timedelta(seconds=2)
    interval: timedelta = timedelta(minutes=5)
    spool: Path | None = None  # None: <state_dir>/spool/<name>
    spool_max: int = 4 << 30  # bytes that one run seals
    streaming: bool = False
    manifest: str = "always"  # always fallback
    manifest_bucket: str = ""  # empty: beside the archive
    trash_keep: timedelta | None = timedelta(days=30)  # as of a pair, for each bucket folder
    trash_max: int | None = None
    index: Index = Index()


@dataclass(frozen=True, slots=True, kw_only=True)
class Syslog:
    """`[syslog]`: a remote rsyslog that takes the daemon's events as RFC 5424. An empty host: none."""

    host: str = ""
    port: int = 514
    protocol: str = "tcp"  # tcp (octet counting) udp


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything, with where it came from and what deserves one notice (`notices`, in words)."""

    daemon: Daemon = Daemon()
    s3: S3 = S3()
    pairs: tuple[Pair, ...] = ()
    batches: tuple[Batch, ...] = ()
    syslog: Syslog = Syslog()
    notices: tuple[str, ...] = ()
    source: str = ""  # the file's path, or "flags and variables"
