"""The one table of keys. Parsing, `etc/syncd.toml` (by a test) and `config show` work from it."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.config.kinds import (
    ENDPOINT,
    NAME,
    REGION,
    REMOTE_TEXT,
    STORAGE_CLASS,
    TOKEN,
    Bandwidth,
    Count,
    Deletions,
    Duration,
    Globs,
    Kind,
    PartSize,
    Place,
    Switch,
    TomlValue,
    Word,
    word_of,
)
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode

ACLS = (
    "",
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
)
AWS_CLASSES = (
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "GLACIER",
    "DEEP_ARCHIVE",
    "EXPRESS_ONEZONE",
    "OUTPOSTS",
    "SNOW",
    "FSX_OPENZFS",
)
LOG_LEVELS = Word(("debug", "info", "warning", "error"))
LOG_FORMATS = Word(("auto", "journal", "json", "console"))
ADDRESSING = Word(("auto", "path", "virtual"))
CHECKSUMS = Word(("crc64nvme", "sha256", "none"))
LAYOUTS = Word(("prefix", "buckets"))
LATER_SECTIONS = ("batch", "copy", "mirror")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: where it stands, what it takes, its default as TOML writes it (None: required), and why it is there."""

    section: str
    name: str
    kind: Kind
    default: TomlValue | None
    why: str
    example: TomlValue | None = None  # what etc/syncd.toml shows for a required key


KEYS: tuple[Key, ...] = (
    Key("daemon", "state_dir", Place(optional=True), "", "records, history; empty: $STATE_DIRECTORY, else by XDG"),
    Key("daemon", "socket", Place(optional=True), "", "where synctl asks; empty: $RUNTIME_DIRECTORY/control"),
    Key("daemon", "log_level", LOG_LEVELS, "info", "debug info warning error; debug adds a line for each file"),
    Key("daemon", "log_format", LOG_FORMATS, "auto", "auto journal json console; auto: by what stdout is"),
    Key("s3", "endpoint_url", ENDPOINT, "", "empty: AWS"),
    Key("s3", "region", REGION, "us-east-1", "requests are signed for it; many stores ignore it"),
    Key("s3", "profile", TOKEN, "", "of ~/.aws/config; empty: the default chain of credentials"),
    Key("s3", "addressing", ADDRESSING, "auto", "auto path virtual; path where buckets have no DNS name"),
    Key("s3", "checksum", CHECKSUMS, "crc64nvme", "crc64nvme sha256 none: what the store checks each upload by"),
    Key("s3", "concurrency", Count(1, 1000, auto=True), "auto", "connections in all"),
    Key("s3", "workers", Count(1, 1000, auto=True), "auto", "files in flight; auto: as many as connections"),
    Key("s3", "part_size", PartSize(), "auto", "of a multipart upload; auto grows with the file"),
    Key("s3", "retries", Count(0, 100), 3, "of one request, before the file waits for the next cycle"),
    Key("s3", "bandwidth", Bandwidth(), "off", "a limit arrives in a later version"),
    Key("s3", "storage_class", STORAGE_CLASS, "auto", "auto: STANDARD_IA on AWS, no header elsewhere"),
    Key("s3", "acl", Word(ACLS), "", "a canned ACL; empty: no header"),
    Key("pair", "name", NAME, None, "what commands and logs call it", "logs"),
    Key("pair", "local", Place(), None, "the local root, an absolute path", "/var/log/app"),
    Key("pair", "remote", REMOTE_TEXT, None, "bucket and prefix; {host} keeps hosts apart", "s3://bucket/{host}/"),
    Key("pair", "mode", word_of(Mode), "bidirectional", "which way content flows: bidirectional upload download"),
    Key("pair", "include", Globs(), [], "patterns of what is wanted; empty: everything"),
    Key("pair", "exclude", Globs(), [], "patterns of what is left out all the same"),
    Key("pair", "interval", Duration(over_zero=True), "60s", "from one full pass to the next"),
    Key("pair", "settle", Duration(), "2s", "how long a file must rest before it is taken"),
    Key("pair", "settle_max", Duration(over_zero=True), "10m", "a file still written after that is held and listed"),
    Key("pair", "hash", word_of(HashType), "sha256", "how content is compared: sha256 md5"),
    Key("pair", "cleanup", Switch(), False, "remove a local file once it is proven on S3"),
    Key("pair", "cleanup_blind_age", Duration(), "10m", "rest before cleanup where open files cannot be seen"),
    Key("pair", "conflict", word_of(ConflictPolicy), "newer", "who wins: newer local remote keep-both"),
    Key("pair", "deletes", word_of(Deletes), "keep", "keep (it comes back, once) leave propagate"),
    Key("pair", "keep_versions", word_of(KeepVersions), "conflicts", "what is kept when overwritten: conflicts all"),
    Key("pair", "max_delete", Deletions(), "10%", "more deletions in one plan halt it: 10%, 500, 500/h or off"),
    Key("pair", "layout", LAYOUTS, "prefix", "prefix; buckets: <local>/<bucket>/<key>, remote s3://"),
    Key("pair", "watch", Switch(), True, "take files as they are closed, not at the next pass"),
)  # fmt: skip

SECTIONS = ("daemon", "s3", "pair")


def keys_of(section: str) -> dict[str, Key]:
    """The keys of one section by name, in the order in which people read them."""
    return {key.name: key for key in KEYS if key.section == section}
