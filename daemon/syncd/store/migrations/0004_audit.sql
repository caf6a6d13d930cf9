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
