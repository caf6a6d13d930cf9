"""The one table of keys. Parsing, `etc/syncd.toml` (by a test) and `config show` work from it."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.config.kinds import (
    Bandwidth,
    Count,
    Deletions,
    Duration,
    Globs,
    Kind,
    OrOff,
    PartSize,
    Place,
    Share,
    Size,
    Switch,
    TomlValue,
    Word,
    word_of,
)
from syncd.config.texts import (
    ACCOUNT,
    API_KEY,
    BUCKET,
    ENDPOINT,
    HOST,
    INDEX_NAME,
    INDEX_URL,
    NAME,
    PASSWORD,
    REGION,
    REMOTE_TEXT,
    STORAGE_CLASS,
    TOKEN,
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
IONICE = Word(("auto", "idle", *(f"best-effort:{level}" for level in range(8))))
LOG_FORMATS = Word(("auto", "journal", "json", "console"))
ADDRESSING = Word(("auto", "path", "virtual"))
CHECKSUMS = Word(("crc64nvme", "sha256", "none"))
LAYOUTS = Word(("prefix", "buckets"))
MANIFESTS = Word(("always", "fallback"))
FLAVORS = Word(("elasticsearch", "opensearch"))
PROTOCOLS = Word(("tcp", "udp"))
PLANES = Word(("auto", "boto3"))
KEPT_FOR = OrOff(Duration(over_zero=True))
KEPT_AT_MOST = OrOff(Size())
LATER_SECTIONS = ("copy", "mirror")
INDEX = "elasticsearch"
INDEX_SECTION = f"batch.{INDEX}"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: where it stands, what it takes, its default as TOML writes it (None: required), and why it is there.

    A dotted section is a table within another's.
    """

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
    Key("daemon", "nice", Count(-20, 19, auto=True), "auto", "0 to 19, the nicest; auto: as started, 10 by the unit"),
    Key("daemon", "ionice", IONICE, "auto", "idle best-effort:0 to best-effort:7; auto: as started, 7 by the unit"),
    Key("daemon", "cores", Count(1, 4096, auto=True), "auto", "at most so many, the last ones; auto: all"),
    Key("syslog", "host", HOST, "", "a remote rsyslog that takes every event, too; empty: none"),
    Key("syslog", "port", Count(1, 65535), 514, "where it listens"),
    Key("syslog", "protocol", PROTOCOLS, "tcp", "tcp udp; RFC 5424, by tcp with octet counting"),
    Key("s3", "endpoint_url", ENDPOINT, "", "empty: AWS"),
    Key("s3", "region", REGION, "us-east-1", "requests are signed for it; many stores ignore it"),
    Key("s3", "profile", TOKEN, "", "of ~/.aws/config; empty: the default chain of credentials"),
    Key("s3", "addressing", ADDRESSING, "auto", "auto path virtual; path where buckets have no DNS name"),
    Key("s3", "checksum", CHECKSUMS, "crc64nvme", "crc64nvme sha256 none: what the store checks each upload by"),
    Key("s3", "concurrency", Count(1, 1000, auto=True), "auto", "connections in all"),
    Key("s3", "workers", Count(1, 1000, auto=True), "auto", "files in flight; auto: as many as connections"),
    Key("s3", "part_size", PartSize(), "auto", "of a multipart upload; auto grows with the file"),
    Key("s3", "retries", Count(0, 100), 3, "of one request, before the file waits for the next cycle"),
    Key("s3", "bandwidth", Bandwidth(), "off", "50MB/s; up 20MB/s, down off; 08:00 20MB/s, 19:00 off"),
    Key("s3", "storage_class", STORAGE_CLASS, "auto", "auto: STANDARD_IA on AWS, no header elsewhere"),
    Key("s3", "acl", Word(ACLS), "", "a canned ACL; empty: no header"),
    Key("s3", "plane", PLANES, "auto", "auto boto3; boto3: everything goes by the AWS SDK, which costs CPU"),
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
    Key("pair", "cleanup_after", Duration(), "0s", "a file stays so long after it went up, or was last seen to change"),
    Key("pair", "cleanup_keep_newest", Count(0, 1_000_000), 0, "so many stay, the newest by mtime, whatever else"),
    Key("pair", "cleanup_pressure", OrOff(Share()), "off", "a disk fuller than that loses its oldest first: 85%"),
    Key("pair", "cleanup_blind_age", Duration(), "10m", "rest before cleanup where open files cannot be seen"),
    Key("pair", "conflict", word_of(ConflictPolicy), "newer", "who wins: newer local remote keep-both"),
    Key("pair", "deletes", word_of(Deletes), "keep", "keep (it comes back, once) leave propagate"),
    Key("pair", "keep_versions", word_of(KeepVersions), "conflicts", "what is kept when overwritten: conflicts all"),
    Key("pair", "trash_keep", KEPT_FOR, "30d", "what was displaced goes after that; off: never"),
    Key("pair", "trash_max", KEPT_AT_MOST, "off", "more than that, and the oldest goes first: 10GiB or off"),
    Key("pair", "max_delete", Deletions(), "10%", "more deletions in one plan halt it: 10%, 500, 500/h or off"),
    Key("pair", "layout", LAYOUTS, "prefix", "prefix; buckets: <local>/<bucket>/<key>, remote s3://"),
    Key("pair", "watch", Switch(), True, "take files as they are closed, not at the next pass"),
    Key("pair", "audit", Duration(over_zero=True, off=True), "off", "30d: all is read on both sides once in 30 days"),
    Key("batch", "name", NAME, None, "what commands and logs call it", "small-files"),
    Key("batch", "root", Place(), None, "holds <bucket>/<object key>, an absolute path", "/srv/s3_buckets/batch"),
    Key("batch", "include", Globs(), [], "patterns of keys that are wanted; empty: everything"),
    Key("batch", "exclude", Globs(), [], "patterns of keys that are left out all the same"),
    Key("batch", "max_size", Size(most=4 << 40), "1GiB", "content of one archive; a larger file goes up alone"),
    Key("batch", "max_files", Count(1, 1_000_000), 100_000, "files in one archive"),
    Key("batch", "min_files", Count(1, 1_000_000), 20, "a key folder waits for so many, or for max_age"),
    Key("batch", "max_age", Duration(), "1h", "the oldest file of a key folder waits no longer"),
    Key("batch", "min_age", Duration(), "30s", "a younger file may still be written"),
    Key("batch", "settle", Duration(), "2s", "how long a file must rest where its writers cannot be seen"),
    Key("batch", "interval", Duration(over_zero=True), "5m", "from one run to the next"),
    Key("batch", "spool", Place(optional=True), "", "archives on their way; empty: spool/<name> in the state folder"),
    Key("batch", "spool_max", Size(), "4GiB", "what one run packs, and the space it takes"),
    Key("batch", "streaming", Switch(), False, "pack straight into the upload, without a spool"),
    Key("batch", "manifest", MANIFESTS, "always", "always; fallback: only where the index did not take it"),
    Key("batch", "manifest_bucket", BUCKET, "", "a bucket for the manifests; empty: beside each archive"),
    Key("batch", "trash_keep", KEPT_FOR, "30d", "what was displaced in a bucket folder goes after that; off: never"),
    Key("batch", "trash_max", KEPT_AT_MOST, "off", "of one bucket folder; more, and the oldest goes first"),
    Key(INDEX_SECTION, "url", INDEX_URL, "", "empty: no index"),
    Key(INDEX_SECTION, "index", INDEX_NAME, "syncd-archives", "what the index is called"),
    Key(INDEX_SECTION, "flavor", FLAVORS, "elasticsearch", "elasticsearch opensearch: what speaks at the url"),
    Key(INDEX_SECTION, "api_key", API_KEY, "", "a secret, as the server encodes it; or username and password"),
    Key(INDEX_SECTION, "username", ACCOUNT, "", "for basic authentication"),
    Key(INDEX_SECTION, "password", PASSWORD, "", "a secret: keep this file from other eyes (chmod 640)"),
    Key(INDEX_SECTION, "ca_file", Place(optional=True), "", "whom to trust beyond the system's authorities"),
    Key(INDEX_SECTION, "timeout", Duration(over_zero=True), "30s", "of one request; then it is sent anew, later"),
)  # fmt: skip

SECTIONS = ("daemon", "syslog", "s3", "pair", "batch")


def keys_of(section: str) -> dict[str, Key]:
    """The keys of one section by name, in the order in which people read them."""
    return {key.name: key for key in KEYS if key.section == section}
