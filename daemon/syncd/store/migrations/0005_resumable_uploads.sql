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
