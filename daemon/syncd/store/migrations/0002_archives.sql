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
