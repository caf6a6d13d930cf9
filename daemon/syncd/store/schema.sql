-- The whole schema as it is now, for reading. The database itself is made by migrations/; a test holds both equal.

-- The numbering of commits: one row, the last number given out.
CREATE TABLE ledger (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    last_seq INTEGER NOT NULL
) STRICT;
INSERT INTO ledger (id, last_seq) VALUES (1, 0);

-- A section of the configuration, by name. What survives a change of identity hangs on it.
CREATE TABLE pair (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- What one pair's records are about. Another identity is another set, with an id that was never used before.
CREATE TABLE record_set (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    pair_id    INTEGER NOT NULL UNIQUE REFERENCES pair (id),
    root_uuid  TEXT NOT NULL,
    endpoint   TEXT NOT NULL,
    bucket     TEXT NOT NULL,
    prefix     TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Paths are bytes, so that the order of the table is the order of the merge. ANY: an integer, or decimal text
-- where 63 bits are too few (inodes of some file systems, times in a far century).
CREATE TABLE record (
    set_id        INTEGER NOT NULL,
    path          BLOB NOT NULL,
    seq           INTEGER NOT NULL,
    local         TEXT NOT NULL,
    remote        TEXT NOT NULL,
    size          INTEGER NOT NULL,
    digest_type   TEXT,
    digest        BLOB,
    stat_size     INTEGER,
    stat_mtime_ns ANY,
    stat_ctime_ns ANY,
    stat_inode    ANY,
    looked_ns     INTEGER NOT NULL,
    etag          TEXT,
    version_id    TEXT,
    checksum      TEXT,
    proof         TEXT NOT NULL,
    origin        TEXT NOT NULL,
    seen          TEXT,
    seen_as       TEXT NOT NULL,
    restored      INTEGER NOT NULL,
    kept          INTEGER NOT NULL,
    PRIMARY KEY (set_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_inode ON record (set_id, stat_inode) WHERE stat_inode IS NOT NULL;

-- What reading one version of a file told us. crc64nvme is eight bytes, big-endian: it has no sign.
CREATE TABLE hash_cache (
    pair_id   INTEGER NOT NULL,
    inode     ANY NOT NULL,
    size      INTEGER NOT NULL,
    mtime_ns  ANY NOT NULL,
    ctime_ns  ANY NOT NULL,
    sha256    BLOB,
    md5       BLOB,
    crc64nvme BLOB,
    used_at   INTEGER NOT NULL,
    PRIMARY KEY (pair_id, inode, size, mtime_ns, ctime_ns)
) STRICT, WITHOUT ROWID;
CREATE INDEX hash_cache_used ON hash_cache (pair_id, used_at);

CREATE TABLE history (
    id        INTEGER PRIMARY KEY,
    pair_id   INTEGER NOT NULL,
    at        REAL NOT NULL,
    path      BLOB NOT NULL,
    operation TEXT NOT NULL,
    rule      TEXT NOT NULL,
    result    TEXT NOT NULL,
    size      INTEGER NOT NULL,
    digest    TEXT NOT NULL,
    etag      TEXT NOT NULL,
    error     TEXT NOT NULL,
    cycle     TEXT NOT NULL,
    elapsed_s REAL NOT NULL
) STRICT;
CREATE INDEX history_at ON history (at);
CREATE INDEX history_path ON history (path, at);
CREATE INDEX history_removal ON history (pair_id, at) WHERE operation IN ('delete', 'trash') AND result = 'done';

-- Ids of conflicts and trash are told to people, so none is given twice.
CREATE TABLE conflict (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    pair_id      INTEGER NOT NULL,
    at           REAL NOT NULL,
    path         BLOB NOT NULL,
    rule         TEXT NOT NULL,
    winner       TEXT NOT NULL,
    loser_digest TEXT NOT NULL,
    loser_at     TEXT NOT NULL,
    resolved     TEXT NOT NULL
) STRICT;
CREATE INDEX conflict_open ON conflict (at) WHERE resolved = '';

CREATE TABLE trash (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    pair_id INTEGER NOT NULL,
    at      REAL NOT NULL,
    path    BLOB NOT NULL,
    place   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    size    INTEGER NOT NULL,
    digest  TEXT NOT NULL
) STRICT;
CREATE INDEX trash_at ON trash (at);

-- What a probe saw, as a JSON object: fields that a later version adds are simply not there yet.
CREATE TABLE capability (
    endpoint  TEXT NOT NULL,
    bucket    TEXT NOT NULL,
    facts     TEXT NOT NULL,
    probed_at REAL NOT NULL,
    PRIMARY KEY (endpoint, bucket)
) STRICT, WITHOUT ROWID;

-- until: seconds since the epoch; NULL: until a person resumes.
CREATE TABLE pause (
    name  TEXT PRIMARY KEY NOT NULL,
    until REAL
) STRICT, WITHOUT ROWID;

-- The plan that a guard halted and the one that a person accepted; fingerprints is a JSON array of text.
CREATE TABLE plan (
    set_id       INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('halted', 'accepted')),
    plan_id      TEXT NOT NULL,
    fingerprints TEXT NOT NULL,
    PRIMARY KEY (set_id, state)
) STRICT, WITHOUT ROWID;

-- Uploads in parts that are ours to abort. They belong to a bucket, not to a record set.
CREATE TABLE upload (
    pair_id   INTEGER NOT NULL,
    endpoint  TEXT NOT NULL,
    bucket    TEXT NOT NULL,
    upload_id TEXT NOT NULL,
    key       TEXT NOT NULL,
    begun_at  REAL NOT NULL,
    PRIMARY KEY (pair_id, endpoint, bucket, upload_id)
) STRICT, WITHOUT ROWID;

-- Which version of a file an upload in parts is of, so that it can go on from its parts. waiting: nobody is at it.
-- terms: what else it was begun with; under others it is begun anew. expected: the ETag of the object that it replaces, '' where there is none, NULL where that is not asked.
CREATE TABLE upload_source (
    pair_id       INTEGER NOT NULL,
    endpoint      TEXT NOT NULL,
    bucket        TEXT NOT NULL,
    upload_id     TEXT NOT NULL,
    path          TEXT NOT NULL,
    operation     TEXT NOT NULL,
    part_size     INTEGER NOT NULL,
    digest        TEXT NOT NULL,
    terms         TEXT NOT NULL,
    stat_size     INTEGER NOT NULL,
    stat_mtime_ns ANY NOT NULL,
    stat_ctime_ns ANY NOT NULL,
    stat_inode    ANY NOT NULL,
    expected      TEXT,
    waiting       INTEGER NOT NULL,
    PRIMARY KEY (pair_id, endpoint, bucket, upload_id)
) STRICT, WITHOUT ROWID;

-- The parts of such an upload that the store has taken. crc64nvme is eight bytes, big-endian: it has no sign.
CREATE TABLE upload_part (
    pair_id   INTEGER NOT NULL,
    endpoint  TEXT NOT NULL,
    bucket    TEXT NOT NULL,
    upload_id TEXT NOT NULL,
    number    INTEGER NOT NULL,
    etag      TEXT NOT NULL,
    checksum  TEXT,
    crc64nvme BLOB NOT NULL,
    PRIMARY KEY (pair_id, endpoint, bucket, upload_id, number)
) STRICT, WITHOUT ROWID;

-- Requests sent, per day of UTC (YYYY-MM-DD) and operation.
CREATE TABLE request_count (
    day       TEXT NOT NULL,
    operation TEXT NOT NULL,
    count     INTEGER NOT NULL,
    PRIMARY KEY (day, operation)
) STRICT, WITHOUT ROWID;

-- A section that archives. Its id is its pair's, so that history knows it by name. The sums are of proven archives.
CREATE TABLE batch (
    id       INTEGER PRIMARY KEY REFERENCES pair (id),
    archives INTEGER NOT NULL DEFAULT 0,
    files    INTEGER NOT NULL DEFAULT 0,
    bytes    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A folder directly below a batch's root, named for its bucket.
CREATE TABLE bucket_folder (
    id       INTEGER PRIMARY KEY,
    batch_id INTEGER NOT NULL REFERENCES batch (id),
    bucket   TEXT NOT NULL,
    UNIQUE (batch_id, bucket)
) STRICT;

-- Ids grow, so that the newest is known even where the clock was set back. In 'sealing' (its members are being
-- written) and 'dropped' (they are being deleted) a row is seen by nobody, and opening the database removes it.
CREATE TABLE archive (
    id              INTEGER PRIMARY KEY,
    folder_id       INTEGER NOT NULL REFERENCES bucket_folder (id),
    uuid            TEXT NOT NULL UNIQUE,
    key             BLOB NOT NULL,
    size            INTEGER NOT NULL,
    sha256          BLOB NOT NULL,
    md5             BLOB NOT NULL,
    crc64nvme       BLOB NOT NULL,
    operation       TEXT NOT NULL,
    created_at      REAL NOT NULL,
    manifest_offset INTEGER NOT NULL,
    manifest_size   INTEGER NOT NULL,
    spooled         INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('sealing', 'sealed', 'unlinking', 'done', 'dropped')),
    etag            TEXT,
    version_id      TEXT,
    proof           TEXT NOT NULL,
    manifest_at     TEXT NOT NULL,
    files           INTEGER NOT NULL,
    bytes           INTEGER NOT NULL
) STRICT;
CREATE INDEX archive_unfinished ON archive (folder_id) WHERE state <> 'done';

-- The files of an archive, by their place in it. While `fate` is NULL the member is as far as its archive, so that
-- proving an archive rewrites no member.
CREATE TABLE member (
    archive_id    INTEGER NOT NULL,
    place         INTEGER NOT NULL,
    folder_id     INTEGER NOT NULL,
    path          BLOB NOT NULL,
    offset        INTEGER NOT NULL,
    size          INTEGER NOT NULL,
    sha256        BLOB NOT NULL,
    mtime_ns      ANY NOT NULL,
    mode          INTEGER NOT NULL,
    uid           INTEGER NOT NULL,
    gid           INTEGER NOT NULL,
    void          INTEGER NOT NULL,
    stat_size     INTEGER NOT NULL,
    stat_mtime_ns ANY NOT NULL,
    stat_ctime_ns ANY NOT NULL,
    stat_inode    ANY NOT NULL,
    fate          TEXT CHECK (fate IN ('unlinked', 'kept')),
    PRIMARY KEY (archive_id, place)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_name ON member (folder_id, path, archive_id DESC);
CREATE INDEX member_open ON member (folder_id, archive_id, place) WHERE fate IS NULL;

-- Archives whose documents the index does not hold yet. due_at: seconds since the epoch, 0 for at once.
CREATE TABLE index_queue (
    batch_id   INTEGER NOT NULL,
    archive_id INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    due_at     REAL NOT NULL,
    error      TEXT NOT NULL,
    PRIMARY KEY (batch_id, archive_id)
) STRICT, WITHOUT ROWID;

-- Documents that the index will never take.
CREATE TABLE dead_letter (
    batch_id   INTEGER NOT NULL,
    archive_id INTEGER NOT NULL,
    path       BLOB NOT NULL,
    at         REAL NOT NULL,
    reason     TEXT NOT NULL,
    PRIMARY KEY (archive_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX dead_letter_at ON dead_letter (batch_id, at);

-- How many passes in a row found every file of a root under a new inode number.
CREATE TABLE renumbering (
    set_id INTEGER PRIMARY KEY,
    passes INTEGER NOT NULL
) STRICT;

-- How far the rolling audit of a record set is: the path it looked at last, when its round began, what the round has
-- to read and has read, and when the last whole round ended (NULL: none did yet). Times in seconds since the epoch.
CREATE TABLE audit (
    set_id      INTEGER PRIMARY KEY,
    cursor      BLOB NOT NULL,
    started_at  REAL NOT NULL,
    total_files INTEGER NOT NULL,
    total_bytes INTEGER NOT NULL,
    files       INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    errors      INTEGER NOT NULL,
    finished_at REAL
) STRICT;

-- What an audit found wrong and nobody mended yet. seq: the record's number then; another one asks for a new look.
CREATE TABLE audit_finding (
    set_id  INTEGER NOT NULL,
    path    BLOB NOT NULL,
    seq     INTEGER NOT NULL,
    at      REAL NOT NULL,
    finding TEXT NOT NULL,
    PRIMARY KEY (set_id, path)
) STRICT, WITHOUT ROWID;
