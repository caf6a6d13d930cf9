-- How many passes in a row found every file of a root under a new inode number.
CREATE TABLE renumbering (
    set_id INTEGER PRIMARY KEY,
    passes INTEGER NOT NULL
) STRICT;
